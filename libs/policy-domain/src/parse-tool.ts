import { canonicalText, isJsonObject } from '@exequatur/kernel';
import type { JsonObject } from '@exequatur/kernel';
import { MAX_SCHEMA } from './argument-schema.js';
import type { SchemaLanguage } from './argument-schema.js';
import { below, closedMapping, entriesOf, fault, isMapping, isPresent } from './findings.js';
import type { Place } from './findings.js';
import type { PolicyTool } from './policy.js';
import { readHints, withHints } from './tool-hints.js';
import { isSource } from './extract.js';
import { readReversal } from './reversal-template.js';
import { compact, MAX_UNITS, maybe, readChoice, readMany, readName, readPointerText, readSource, readVersion, readWhole } from './values.js';

const AMOUNT_PREFIX = 'amount.';
const FACT_PREFIX = 'fact.';
const UNIT = /^[A-Z][A-Z0-9_]{0,31}$/;
const FACT = /^[a-z][a-z0-9_]{0,31}$/;

const TOOL_KEYS = ['kind', 'versions', 'risk_points', 'risk_tags', 'topics', 'data_labels', 'environment', 'target', 'extract', 'bounded', 'disclose', 'arguments', 'reversal', 'hints'] as const;

/** One entry of the tool table; `extract` holds `recipients`, `rows`, `model`, `amount.<currency or unit>` and `fact.<name>`. */
export const readTool = (place: Place, schemas: SchemaLanguage | undefined): PolicyTool | undefined => {
  if (!closedMapping(place, TOOL_KEYS)) return undefined;
  const names = (key: string) => maybe(place, key, (inner) => readMany(inner, readName, MAX_LABELS));
  const kind = readName(below(place, 'kind'));
  const extract = readExtract(below(place, 'extract'), schemas);
  const { recipients, rows, model, amounts, named } = extract;
  const bounded = readBounded(below(place, 'bounded'), [...Object.values(amounts), ...(recipients === undefined ? [] : [recipients])]);
  const read = {
    versions: maybe(place, 'versions', (inner) => readMany(inner, readVersion)),
    risk_points: maybe(place, 'risk_points', (inner) => readWhole(inner, 1_000_000)) ?? 0,
    target: maybe(place, 'target', (inner) => readSource(inner, schemas)),
    risk_tags: withHints(names('risk_tags'), maybe(place, 'hints', readHints)),
    topics: names('topics'),
    data_labels: names('data_labels'),
    environment: maybe(place, 'environment', (inner) => readEnvironment(inner, schemas)),
    reversal: maybe(place, 'reversal', readReversal),
    disclose: maybe(place, 'disclose', (inner) => readMany(inner, (one) => readChoice(one, ['target']))) as readonly 'target'[] | undefined,
    arguments: maybe(place, 'arguments', (inner) => readSchema(inner, schemas)),
  };
  if (kind === undefined) return undefined;
  return compact({ kind, ...read, recipients, amounts, bounded, rows, model, named: Object.keys(named).length === 0 ? undefined : named });
};

/** As many as facts carry. */
const MAX_LABELS = 50;

const readEnvironment = (place: Place, schemas: SchemaLanguage | undefined): string | undefined => (typeof place.value === 'string' && isSource(place.value) ? readSource(place, schemas) : readName(place));

interface Extract {
  recipients: string | undefined;
  rows: string | undefined;
  model: string | undefined;
  amounts: Record<string, string>;
  named: Record<string, string>;
}

const readExtract = (place: Place, schemas: SchemaLanguage | undefined): Extract => {
  const extract: Extract = { recipients: undefined, rows: undefined, model: undefined, amounts: {}, named: {} };
  if (!isPresent(place) || !isMapping(place)) return extract;
  if (Object.keys(place.value).length > MAX_UNITS) fault(place, `must have at most ${MAX_UNITS} entries`);
  for (const key of Object.keys(place.value)) readExtractor(below(place, key), key, extract, schemas);
  return extract;
};

const readExtractor = (place: Place, key: string, extract: Extract, schemas: SchemaLanguage | undefined): void => {
  const unit = key.startsWith(AMOUNT_PREFIX) ? key.slice(AMOUNT_PREFIX.length) : '';
  const fact = key.startsWith(FACT_PREFIX) ? key.slice(FACT_PREFIX.length) : '';
  if (unit === 'RISK_POINTS') return fault(place, 'risk points come from risk_points, not from arguments');
  const isKnown = key === 'recipients' || key === 'rows' || key === 'model' || UNIT.test(unit) || FACT.test(fact);
  if (!isKnown) return fault(place, `unknown key "${key}"; known are recipients, rows, model, amount.<currency or unit> such as amount.USD, and fact.<name> such as fact.region`);
  const pointer = readSource(place, schemas);
  if (pointer === undefined) return;
  if (key === 'recipients' || key === 'rows' || key === 'model') extract[key] = pointer;
  else if (unit === '') extract.named[fact] = pointer;
  else extract.amounts[unit] = pointer;
};

const readBounded = (place: Place, extracted: readonly string[]): readonly string[] =>
  entriesOf(place).flatMap((entry) => {
    const pointer = readPointerText(entry);
    if (pointer === undefined) return [];
    if (!extracted.includes(pointer)) fault(entry, 'only a pointer that extract names can be narrowed');
    return [pointer];
  });

const readSchema = (place: Place, schemas: SchemaLanguage | undefined): JsonObject | undefined => {
  const { value } = place;
  if (!isJsonObject(value)) return fault(place, 'must be a JSON Schema');
  if (canonicalText(value).length > MAX_SCHEMA) return fault(place, `must have at most ${MAX_SCHEMA} characters`);
  const compiled = schemas?.compile(value);
  if (compiled !== undefined && 'fault' in compiled) return fault(place, compiled.fault);
  return value;
};
