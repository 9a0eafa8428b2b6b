import type { JsonValue } from '@exequatur/kernel';
import type { ConditionLanguage } from './condition.js';
import type { SchemaLanguage } from './argument-schema.js';
import { below, closedMapping, entriesOf, fault, isMapping, isPresent, startAt } from './findings.js';
import type { Finding, Place } from './findings.js';
import { isGlob } from './glob.js';
import { readAutonomy } from './parse-autonomy.js';
import { readClass } from './parse-class.js';
import { readLimits } from './parse-limits.js';
import { readRule } from './parse-rule.js';
import { readTool } from './parse-tool.js';
import type { Policy, PolicyClass, PolicyRule, PolicyTool, Publication } from './policy.js';
import { compact, maybe, readName, readTruth } from './values.js';

export type ParsedPolicy = { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly findings: readonly Finding[] };

/** What conditions and argument schemas are written in: ports, since deciders know no package (libs/policy-languages). */
export interface PolicyLanguages {
  readonly conditions?: ConditionLanguage;
  readonly schemas?: SchemaLanguage;
}

/** A layer says less than a tenant's own policy: facts, circuits and autonomy are the tenant's. */
export const LAYERS = ['organisation', 'overlay'] as const;
export type LayerKind = (typeof LAYERS)[number];

const MAX_RULES = 1_000;

const KEYS = ['version', 'classes', 'tools', 'rules', 'limits', 'publication', 'autonomy'] as const;
const LAYER_KEYS: Readonly<Record<LayerKind, readonly string[]>> = { organisation: ['version', 'classes', 'tools', 'rules', 'limits', 'publication'], overlay: ['version', 'classes', 'tools', 'rules'] };

/**
 * Checks the structure of a policy file (contracts.md "Policy file (v1)") and brings it to normal form. Takes what a YAML
 * parser made of the text; every fault is told, each with the JSON Pointer of its place.
 * @param languages of conditions and argument schemas; what nobody brought is taken as it stands, and sets aside when judged
 * @param layer what the file is, where it is not a tenant's own policy
 */
export const parsePolicy = (document: JsonValue, languages: PolicyLanguages = {}, layer?: LayerKind): ParsedPolicy => {
  const root = startAt(document);
  if (!closedMapping(root, layer === undefined ? KEYS : LAYER_KEYS[layer])) return { ok: false, findings: root.findings };
  if (layer !== undefined) checkLayer(root);
  if (below(root, 'version').value !== 1) fault(below(root, 'version'), 'must be 1');
  const limits = isPresent(below(root, 'limits')) ? readLimits(below(root, 'limits')) : undefined;
  const classes = readNamed<PolicyClass>(below(root, 'classes'), readClass);
  const tools = readNamed<PolicyTool>(below(root, 'tools'), (place) => readTool(place, languages.schemas));
  const rules = readRules(below(root, 'rules'), languages.conditions);
  checkKindsOnce(below(root, 'classes'), classes);
  checkReferences(below(root, 'rules'), rules, Object.keys(classes));
  const publication = maybe(root, 'publication', readPublication);
  const autonomy = maybe(root, 'autonomy', readAutonomy);
  const saysNothing = rules.length === 0 && Object.keys(classes).length === 0 && (layer === undefined || (limits ?? publication) === undefined);
  if (root.findings.length === 0 && saysNothing) fault(root, 'a policy has classes or rules');
  if (root.findings.length > 0) return { ok: false, findings: root.findings };
  return { ok: true, policy: compact({ version: 1 as const, classes, tools, rules: rules.map(([rule]) => rule), limits, publication, autonomy }) };
};

/** What a layer says of tools is which versions may do which kind; where the facts stand in their arguments is the tenant's to say. */
const checkLayer = (root: Place): void => {
  const tools = below(root, 'tools');
  if (isPresent(tools) && isMapping(tools)) for (const name of Object.keys(tools.value)) closedMapping(below(tools, name), ['kind', 'versions']);
  const limits = below(root, 'limits');
  if (isPresent(limits)) closedMapping(limits, ['run', 'velocity']);
};

const readPublication = (place: Place): Publication | undefined => {
  const second = closedMapping(place, ['second_person']) ? readTruth(below(place, 'second_person')) : undefined;
  return second === undefined ? undefined : { second_person: second };
};

const readNamed = <T>(place: Place, read: (place: Place) => T | undefined): Readonly<Record<string, T>> => {
  const entries: Record<string, T> = {};
  if (!isPresent(place) || !isMapping(place)) return entries;
  for (const key of Object.keys(place.value)) {
    if (readName({ ...below(place, key), value: key }) === undefined) continue;
    const entry = read(below(place, key));
    if (entry !== undefined) entries[key] = entry;
  }
  return entries;
};

const readRules = (place: Place, language: ConditionLanguage | undefined): readonly (readonly [PolicyRule, Place])[] => {
  const entries = entriesOf(place);
  if (entries.length > MAX_RULES) fault(place, `must have at most ${MAX_RULES} rules`);
  return entries.flatMap((entry) => {
    const rule = readRule(entry, language);
    return rule === undefined ? [] : [[rule, entry] as const];
  });
};

const checkKindsOnce = (place: Place, classes: Readonly<Record<string, PolicyClass>>): void => {
  const first = new Map<string, string>();
  for (const [name, { kinds }] of Object.entries(classes)) {
    for (const kind of kinds) {
      const other = first.get(kind);
      if (other !== undefined && other !== name && !isGlob(kind)) fault(below(below(place, name), 'kinds'), `${kind} is in class ${other} already`);
      first.set(kind, other ?? name);
    }
  }
};

const checkReferences = (place: Place, rules: readonly (readonly [PolicyRule, Place])[], classNames: readonly string[]): void => {
  const ids = rules.map(([{ id }]) => id);
  rules.forEach(([rule, entry], index) => {
    if (ids.indexOf(rule.id) !== index) fault(below(entry, 'id'), `there is another rule ${rule.id}`);
    if (rule.unless !== undefined && (rule.unless === rule.id || !ids.includes(rule.unless))) fault(below(entry, 'unless'), `there is no other rule ${rule.unless}`);
    for (const name of rule.match.class ?? []) if (!classNames.includes(name)) fault(below(below(entry, 'match'), 'class'), `there is no class ${name}`);
  });
};
