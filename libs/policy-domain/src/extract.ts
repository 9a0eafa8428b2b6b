import type { PolicyFacts } from '@exequatur/contracts';
import { AmountError, decimalToUnit, isRefusal, readPointer, refuse } from '@exequatur/kernel';
import type { Amounts, JsonObject, JsonValue, Refusal } from '@exequatur/kernel';
import { isExpression } from './argument-schema.js';
import type { ArgumentsCheck, ArgumentsReader, SchemaLanguage } from './argument-schema.js';
import { reversalFrom } from './reversal-template.js';
import type { ProposalWithJson } from './derive-facts.js';
import type { PolicyTool } from './policy.js';

export type Fault = Refusal<'QUARANTINED_OUT_OF_BOUNDS'>;

export const outOfBounds = (detail: string, pointer?: string): Fault => refuse('QUARANTINED_OUT_OF_BOUNDS', detail, pointer);

type ExtractedFacts = Pick<PolicyFacts, 'environment' | 'target' | 'recipient_count' | 'recipient_domains' | 'rows' | 'model' | 'named'>;

/** What the extractors of a tool find in the arguments of one proposal. */
export interface Found {
  readonly target?: string;
  readonly recipients?: readonly string[];
  /** by the tool's template; personal */
  readonly reversal?: string;
  readonly amounts: Amounts;
  readonly facts: ExtractedFacts;
}

/** Compiled once for a schema of a parsed policy, which never changes. */
const CHECKS = new WeakMap<JsonObject, ArgumentsCheck>();

/** A schema that cannot be compiled here (nobody brought the language) admits nothing. */
const checkOf = (schema: JsonObject, schemas: SchemaLanguage | undefined): ArgumentsCheck => {
  const known = CHECKS.get(schema);
  if (known !== undefined) return known;
  const compiled = schemas?.compile(schema);
  if (compiled === undefined || 'fault' in compiled) return () => ({ pointer: '', expected: 'a schema that can be read' });
  CHECKS.set(schema, compiled.check);
  return compiled.check;
};

export const checkArguments = (tool: PolicyTool, args: JsonValue, schemas: SchemaLanguage | undefined): Fault | undefined => {
  const wrong = tool.arguments === undefined ? undefined : checkOf(tool.arguments, schemas)(args);
  return wrong === undefined ? undefined : outOfBounds(`The arguments are not what the tool declares: ${wrong.expected}`, `/arguments${wrong.pointer}`);
};

/** Expressions by their text: they are of policies, so this grows with those only; past the bound it starts again. */
const READERS = new Map<string, ArgumentsReader>();
const MAX_READERS = 5_000;
const UNREADABLE: ArgumentsReader = () => undefined;

const readerOf = (source: string, schemas: SchemaLanguage | undefined): ArgumentsReader => {
  const known = READERS.get(source);
  if (known !== undefined) return known;
  const compiled = schemas?.extractor?.(source.slice(1));
  if (compiled === undefined || 'fault' in compiled) return UNREADABLE;
  if (READERS.size >= MAX_READERS) READERS.clear();
  READERS.set(source, compiled.read);
  return compiled.read;
};

/** A pointer or an expression, and not a name. */
export const isSource = (text: string): boolean => text.startsWith('/') || isExpression(text);

/** The arguments, and what is found in them where an extractor of the tool says. */
interface Arguments {
  readonly at: (source: string) => JsonValue | undefined;
}

const argumentsOf = (args: JsonValue, schemas: SchemaLanguage | undefined): Arguments => ({ at: (source) => (isExpression(source) ? readerOf(source, schemas)(args) : readPointer(args, source)) });

/** Where a fault is, as far as there is a place: an expression reads more than one. */
const placeOf = (source: string): string => (isExpression(source) ? '/arguments' : `/arguments${source}`);

/** What a pointer does not find is a missing fact; an expression can ask for itself, so one that cannot be evaluated is a fault. */
const isUnreadable = (source: string, value: JsonValue | undefined): boolean => value === undefined && isExpression(source);

export const extract = (tool: PolicyTool, proposal: ProposalWithJson, schemas?: SchemaLanguage): Found | Fault => {
  const args = argumentsOf(proposal.arguments, schemas);
  const target = tool.target === undefined ? proposal.target : readTarget(args, tool.target);
  if (isRefusal(target)) return target;
  if (proposal.target !== undefined && proposal.target !== target) return outOfBounds('The target differs from the one in the arguments', '/target');
  const recipients = tool.recipients === undefined ? undefined : readRecipients(args, tool.recipients);
  if (isRefusal(recipients)) return recipients;
  const amounts = readAmounts(args, tool.amounts);
  if (isRefusal(amounts)) return amounts;
  const facts = readFacts(tool, args);
  if (isRefusal(facts)) return facts;
  // Only a target that the server itself found, of a tool that says it is not personal, may stand in events.
  const disclosed = tool.target !== undefined && target !== undefined && tool.disclose?.includes('target') === true ? { target } : {};
  return { amounts, facts: { ...facts, ...disclosed, ...recipientFacts(recipients) }, ...(target === undefined ? {} : { target }), ...(recipients === undefined ? {} : { recipients }), ...reversalFound(tool, proposal.arguments) };
};

const reversalFound = ({ reversal }: PolicyTool, args: JsonValue): { readonly reversal?: string } => {
  const handle = reversal === undefined ? undefined : reversalFrom(reversal, args);
  return handle === undefined ? {} : { reversal: handle };
};

const MAX_TARGET = 1_000;

const readTarget = (args: Arguments, pointer: string): string | Fault => {
  const value = args.at(pointer);
  return typeof value === 'string' && value !== '' && value.length <= MAX_TARGET ? value : outOfBounds('The target is not where the tool declares it', placeOf(pointer));
};

const readRecipients = (args: Arguments, pointer: string): readonly string[] | Fault => {
  const value = args.at(pointer);
  const list = typeof value === 'string' ? [value] : value;
  const isList = Array.isArray(list) && list.length > 0 && list.every((one) => typeof one === 'string' && one !== '');
  return isList ? (list as readonly string[]) : outOfBounds('The recipients are not where the tool declares them', placeOf(pointer));
};

/** As many as facts carry; past it the fact is missing, and a rule that reads it sets the action aside. */
const MAX_DOMAINS = 100;
const MAX_RECIPIENTS = 100_000;

const recipientFacts = (recipients: readonly string[] | undefined): Pick<ExtractedFacts, 'recipient_count' | 'recipient_domains'> => {
  if (recipients === undefined) return {};
  const domains = [...new Set(recipients.map((one) => one.slice(one.lastIndexOf('@') + 1).toLowerCase()))].sort();
  const areAddresses = recipients.every((one) => /^[^\s@,;<>"]+@[A-Za-z0-9.-]{1,253}$/.test(one)) && domains.length <= MAX_DOMAINS;
  return { ...(recipients.length > MAX_RECIPIENTS ? {} : { recipient_count: recipients.length }), ...(areAddresses ? { recipient_domains: domains } : {}) };
};

const readAmounts = (args: Arguments, pointers: PolicyTool['amounts']): Amounts | Fault => {
  const amounts: Record<string, bigint> = {};
  for (const [unitOrCurrency, pointer] of Object.entries(pointers)) {
    const value = args.at(pointer);
    // A number's shortest text is what its canonical form says too; 1e21 and the like are no plain decimals and are refused.
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string') return outOfBounds('The amount is not where the tool declares it', placeOf(pointer));
    try {
      const { unit, amount } = decimalToUnit(text, unitOrCurrency);
      amounts[unit] = amount;
    } catch (error) {
      if (error instanceof AmountError) return outOfBounds('The amount is not a decimal amount', placeOf(pointer));
      throw error;
    }
  }
  return amounts;
};

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;
const MAX_NAMED = 200;

/** What is not there is a missing fact; what is there and cannot be what is declared is a fault. */
const readFacts = (tool: PolicyTool, args: Arguments): ExtractedFacts | Fault => {
  const rows = tool.rows === undefined ? undefined : args.at(tool.rows);
  if (tool.rows !== undefined && isUnreadable(tool.rows, rows)) return outOfBounds('The number of rows cannot be found', placeOf(tool.rows));
  if (rows !== undefined && !(typeof rows === 'number' && Number.isSafeInteger(rows) && rows >= 0)) return outOfBounds('The number of rows is not one', placeOf(tool.rows ?? ''));
  const names: { environment?: string; model?: string } = {};
  for (const [field, pointer] of [['environment', tool.environment], ['model', tool.model]] as const) {
    if (pointer === undefined || !isSource(pointer)) continue;
    const value = args.at(pointer);
    if (isUnreadable(pointer, value)) return outOfBounds(`The ${field} cannot be found`, placeOf(pointer));
    if (value === undefined) continue;
    if (typeof value !== 'string' || !NAME.test(value)) return outOfBounds(`The ${field} is not a name`, placeOf(pointer));
    names[field] = value;
  }
  const named = readNamed(tool.named ?? {}, args);
  if (isRefusal(named)) return named;
  return { ...names, ...(rows === undefined ? {} : { rows }), ...(Object.keys(named).length === 0 ? {} : { named }) };
};

const readNamed = (pointers: Readonly<Record<string, string>>, args: Arguments): Record<string, string> | Fault => {
  const named: Record<string, string> = {};
  for (const [name, pointer] of Object.entries(pointers)) {
    const value = args.at(pointer);
    if (isUnreadable(pointer, value)) return outOfBounds(`The fact ${name} cannot be found`, placeOf(pointer));
    const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
    if (typeof text === 'string' && text.length <= MAX_NAMED) named[name] = text;
  }
  return named;
};
