import { addAmounts, decimalToUnit } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { Environment } from '@marcbachmann/cel-js';
import type { ASTNode } from '@marcbachmann/cel-js';

/** Longest expression, in characters. */
const MAX_SOURCE = 512;
/** Longest list or mapping of the arguments that an expression is tried on, and how many values in all: what a macro may cost. */
const MAX_ENTRIES = 1_000;
const MAX_VALUES = 20_000;

const OPERATORS = new Set(['value', 'id', '.', '[]', 'call', 'rcall', 'list', '?:', '||', '&&', '!_', '-_', '==', '!=', '<', '<=', '>', '>=', 'in', '+', '-', '*', '/', '%']);
const FUNCTIONS = new Set(['size', 'has', 'total', 'string']);
const METHODS = new Set(['startsWith', 'endsWith', 'contains', 'size', 'exists', 'all', 'map', 'filter']);
const MACROS = new Set(['exists', 'all', 'map', 'filter']);

type Compiled = { readonly read: (args: JsonValue) => JsonValue | undefined } | { readonly fault: string };

/** The exact sum of decimal texts and whole numbers, as text; a float has no exact sum. */
const total = (list: unknown): string => {
  if (!Array.isArray(list)) throw new RangeError('total takes a list');
  // Dollars have eight places, more than any currency; their unit is counted and written back as a decimal.
  const sum = list.reduce<bigint>((so, one: unknown) => {
    if (typeof one !== 'string' && typeof one !== 'bigint') throw new RangeError('total takes decimal texts and whole numbers');
    return addAmounts({ sum: so }, { sum: decimalToUnit(String(one), 'USD').amount })['sum'] ?? so;
  }, 0n);
  const digits = sum.toString().padStart(9, '0');
  const places = digits.slice(-8).replace(/0+$/, '');
  return places === '' ? digits.slice(0, -8) : `${digits.slice(0, -8)}.${places}`;
};

const environment = new Environment({ unlistedVariablesAreDyn: false, homogeneousAggregateLiterals: false, limits: { maxAstNodes: 100, maxDepth: 16, maxListElements: 50, maxMapEntries: 1, maxCallArguments: 3 } })
  .registerVariable('arguments', 'dyn')
  .registerFunction('total(list): string', total);

/**
 * CEL over the arguments of one tool, for facts that no pointer names: `total(arguments.lines.map(l, l.amount))`. Restricted as
 * conditions are: one macro level, no maps, no conversions but to text, no patterns. Reading never throws; undefined is what
 * cannot be evaluated on these arguments.
 */
export const extractors = {
  compile: (source: string): Compiled => {
    if (source.length > MAX_SOURCE) return { fault: `must have at most ${MAX_SOURCE} characters` };
    try {
      const parsed = environment.parse(source);
      const fault = faultOf(parsed.ast, false);
      if (fault !== undefined) return { fault };
      const checked = parsed.check();
      if (!checked.valid) return { fault: `is not an expression: ${firstLine(checked.error)}` };
      return {
        read: (args) => {
          try {
            return jsonOf(parsed({ arguments: celOf(args, { values: 0 }) }));
          } catch {
            return undefined;
          }
        },
      };
    } catch (error) {
      return { fault: `is not an expression: ${firstLine(error)}` };
    }
  },
};

const faultOf = (node: ASTNode, inMacro: boolean): string | undefined => {
  if (!OPERATORS.has(node.op)) return `must not use "${node.op}"`;
  switch (node.op) {
    case 'value':
      return ['string', 'bigint', 'number', 'boolean'].includes(typeof node.args) ? undefined : 'must not hold bytes, null or unsigned numbers';
    case 'call': {
      const [name, args] = node.args;
      return FUNCTIONS.has(name) ? firstFault(args, inMacro) : `there is no function ${name}; known are ${[...FUNCTIONS].join(', ')}`;
    }
    case 'rcall': {
      const [name, receiver, args] = node.args;
      if (!METHODS.has(name)) return `there is no method ${name}; known are ${[...METHODS].join(', ')}`;
      if (MACROS.has(name) && inMacro) return `${name} must not stand inside another ${[...MACROS].join(', ')}`;
      return faultOf(receiver, inMacro) ?? firstFault(args, inMacro || MACROS.has(name));
    }
    default:
      return firstFault((Array.isArray(node.args) ? node.args : [node.args]).filter(isNode), inMacro);
  }
};

const isNode = (part: unknown): part is ASTNode => typeof part === 'object' && part !== null && 'op' in part;

const firstFault = (nodes: readonly ASTNode[], inMacro: boolean): string | undefined => nodes.map((node) => faultOf(node, inMacro)).find((fault) => fault !== undefined);

/** Whole numbers are ints of CEL, so that they can be counted with; objects have no prototype to be found in. @throws RangeError past the bounds */
const celOf = (value: JsonValue, seen: { values: number }): unknown => {
  seen.values += 1;
  if (seen.values > MAX_VALUES) throw new RangeError('too many values');
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (value.length > MAX_ENTRIES) throw new RangeError('too long a list');
    return (value as readonly JsonValue[]).map((one) => celOf(one, seen));
  }
  const entries = Object.entries(value);
  if (entries.length > MAX_ENTRIES) throw new RangeError('too large a mapping');
  return new Map(entries.map(([key, one]) => [key, celOf(one as JsonValue, seen)]));
};

/** Texts, numbers, truths and lists of texts: what a fact can be. */
const jsonOf = (value: unknown): JsonValue | undefined => {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (!Array.isArray(value)) return undefined;
  const texts = value.map((one: unknown) => jsonOf(one));
  return texts.every((one) => typeof one === 'string') ? (texts as readonly string[]) : undefined;
};

const firstLine = (error: unknown): string => (error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'it cannot be read');
