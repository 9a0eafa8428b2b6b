import type { PolicyFacts } from '@exequatur/contracts';
import type { ASTNode } from '@marcbachmann/cel-js';
import { actionOf, environment, evaluating, LINEAR_MATCHES, money, patternOf, unitOf } from './cel-environment.js';

/** Longest condition, in characters. */
const MAX_SOURCE = 1_024;

const OPERATORS = new Set(['value', 'id', '.', 'call', 'rcall', 'list', '?:', '||', '&&', '!_', '-_', '==', '!=', '<', '<=', '>', '>=', 'in', '+', '-', '*', '/', '%']);
const FUNCTIONS = new Set(['amount', 'money', 'fact', 'size', 'has', 'double']);
const METHODS = new Set(['startsWith', 'endsWith', 'contains', 'matches', 'size', 'exists', 'exists_one', 'all']);
const MACROS = new Set(['exists', 'exists_one', 'all']);

interface Fault {
  readonly offset: number;
  readonly message: string;
}

type Compiled = { readonly condition: (facts: PolicyFacts, actionClass: string | undefined) => boolean | undefined } | { readonly fault: Fault };

/**
 * CEL, restricted to what a policy needs: typed, no maps, no conversions, no time, no dynamic values; regular expressions are
 * literals of a linear engine; one macro inside another is refused. A fault says what is wrong and where. A condition is parsed and checked
 * once; evaluating it never throws and is bounded: at most 250 nodes, lists of at most 100, a budget for patterns.
 */
export const conditions = {
  compile: (source: string): Compiled => {
    if (source.length > MAX_SOURCE) return { fault: { offset: 0, message: `must have at most ${MAX_SOURCE} characters` } };
    try {
      return compiled(source);
    } catch (error) {
      return { fault: { offset: offsetOf(error), message: `is not a condition: ${firstLine(error)}` } };
    }
  },
};

const compiled = (source: string): Compiled => {
  const parsed = environment.parse(source);
  const fault = faultOf(parsed.ast, false);
  if (fault !== undefined) return { fault };
  const checked = parsed.check();
  if (!checked.valid) return { fault: { offset: offsetOf(checked.error), message: `is not a condition: ${firstLine(checked.error)}` } };
  if (checked.type !== 'bool') return { fault: { offset: 0, message: `must be true or false, not ${checked.type}` } };
  return {
    condition: (facts, actionClass) => {
      try {
        const held: unknown = evaluating(facts, () => parsed({ action: actionOf(facts, actionClass) }));
        return typeof held === 'boolean' ? held : undefined;
      } catch {
        // A missing key, an overflow, a bound: whoever asked sets the action aside.
        return undefined;
      }
    },
  };
};

/** The first part of the tree that is not on the list. Puts the linear engine in the place of `matches`. */
const faultOf = (node: ASTNode, inMacro: boolean): Fault | undefined => {
  const at = (message: string): Fault => ({ offset: node.start, message });
  if (!OPERATORS.has(node.op)) return at(`must not use "${node.op}"`);
  switch (node.op) {
    case 'value':
      return ['string', 'bigint', 'number', 'boolean'].includes(typeof node.args) ? undefined : at('must not hold bytes, null or unsigned numbers');
    case 'call': {
      const [name, args] = node.args;
      if (!FUNCTIONS.has(name)) return at(`there is no function ${name}; known are ${[...FUNCTIONS].join(', ')}`);
      return literalFault(name, args, at) ?? firstFault(args, inMacro);
    }
    case 'rcall': {
      const [name, receiver, args] = node.args;
      if (!METHODS.has(name)) return at(`there is no method ${name}; known are ${[...METHODS].join(', ')}`);
      if (MACROS.has(name) && inMacro) return at(`${name} must not stand inside another ${[...MACROS].join(', ')}`);
      const fault = literalFault(name, args, at) ?? faultOf(receiver, inMacro) ?? firstFault(args, inMacro || MACROS.has(name));
      if (name === 'matches') (node.args as [string, ASTNode, ASTNode[]])[0] = LINEAR_MATCHES;
      return fault;
    }
    default:
      return firstFault((Array.isArray(node.args) ? node.args : [node.args]).filter(isNode), inMacro);
  }
};

const isNode = (part: unknown): part is ASTNode => typeof part === 'object' && part !== null && 'op' in part;

const firstFault = (nodes: readonly ASTNode[], inMacro: boolean): Fault | undefined => {
  for (const node of nodes) {
    const fault = faultOf(node, inMacro);
    if (fault !== undefined) return fault;
  }
  return undefined;
};

/** Units, money, names of facts and patterns are literals, so that what is wrong with them is told when the policy is loaded. */
const literalFault = (name: string, args: readonly ASTNode[], at: (message: string) => Fault): Fault | undefined => {
  if (!['amount', 'money', 'fact', 'matches'].includes(name)) return undefined;
  const texts = args.map((arg) => (arg.op === 'value' && typeof arg.args === 'string' ? arg.args : undefined));
  if (!texts.every((text) => text !== undefined)) return at(`${name} takes literal texts only`);
  const [first = '', second = ''] = texts;
  try {
    if (name === 'money' && texts.length === 2) money(first, second);
    if (name === 'amount') unitOf(first);
    if (name === 'matches') patternOf(first);
  } catch (error) {
    return at(`${name}(${texts.map((text) => JSON.stringify(text)).join(', ')}): ${firstLine(error)}`);
  }
  return (name === 'amount' || name === 'money') && !/^[A-Z][A-Z0-9_]{0,31}$/.test(texts.at(-1) ?? '') ? at(`${name} takes a currency or unit such as USD or TOKENS`) : undefined;
};

const firstLine = (error: unknown): string => (error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'it cannot be read');

const offsetOf = (error: unknown): number => {
  const range = typeof error === 'object' && error !== null && 'range' in error ? (error as { range?: { start?: number } }).range : undefined;
  return range?.start ?? 0;
};
