import { describe, expect, test } from '@jest/globals';
import type { JsonObject } from '@exequatur/kernel';
import { evaluate, parsePolicy, registeredKinds, variationsOn } from './index.js';
import type { Policy } from './index.js';
import { variesOf } from './ruling.js';

const read = (rules: readonly JsonObject[], tool: JsonObject = {}): Policy => {
  const parsed = parsePolicy({ version: 1, classes: { pay: { kinds: ['pay.refund'], default: 'deny' } }, tools: { 'billing.refund': { kind: 'pay.refund', target: '/account', extract: { 'amount.USD': '/amount', 'fact.region': '/place/region' }, bounded: ['/amount'], ...tool } }, rules });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
  return parsed.policy;
};
const rule = (id: string, more: JsonObject): JsonObject => ({ id, match: { kind: 'pay.refund' }, decision: 'require_approval', ...more });
const facts = { tenant: 'acme', scope_path: 'tenant:acme', agent: 'clerk', run_id: 'r', action_kind: 'pay.refund', tool: { name: 'billing.refund', version: '1' }, risk_tags: [], risk_points: 0, amounts: [], has_evidence: false, has_reversal: false, execution_mode: 'self' as const };
const variedBy = (rules: readonly JsonObject[]) => {
  const policy = read(rules);
  return evaluate(policy, new Set(registeredKinds(policy)), facts).varies;
};

describe('varies', () => {
  const words = { argument: '/note', one_of: ['late', 'lost'] };

  test('is read from a rule, and only what all who decide let vary remains', () => {
    expect(variedBy([rule('a', { varies: ['/amount', words] })])).toEqual([{ argument: '/amount' }, words]);
    expect(variedBy([rule('a', { varies: ['/amount', words] }), rule('b', { varies: [{ argument: '/note', one_of: ['lost', 'other'] }] })])).toEqual([{ argument: '/note', one_of: ['lost'] }]);
    expect(variedBy([rule('a', { varies: '/amount' }), rule('b', {})])).toBeUndefined();
    expect(variesOf([{ varies: [{ argument: '/a' }] }, { varies: [{ argument: '/a', one_of: ['x'] }] }])).toEqual({});
  });

  test.each<[string, JsonObject, string]>([
    ['with a verdict that gives no grant of it', { decision: 'deny', varies: ['/amount'] }, 'does nothing with deny'],
    ['a pointer that is none', { varies: ['amount'] }, 'must be a JSON Pointer'],
    ['one inside another', { varies: ['/to', { argument: '/to/0', one_of: ['a'] }] }, 'overlaps'],
    ['a mapping without a list', { varies: [{ argument: '/note' }] }, 'needs one_of'],
    ['nothing', { varies: [] }, 'must name 1 to 20'],
  ])('a fault: %s', (_, more, words_) => {
    const parsed = parsePolicy({ version: 1, classes: { pay: { kinds: ['pay.refund'], default: 'deny' } }, rules: [rule('a', more)] });
    expect(parsed.ok ? [] : parsed.findings.map(({ message }) => message)).toEqual([expect.stringContaining(words_)]);
  });

  test.each<[string, JsonObject, readonly object[]]>([
    ['an amount that may be narrowed, and a text that nothing is read from', {}, [{ pointer: '/amount', unit: 'USD' }, { pointer: '/note', one_of: ['late', 'lost'] }]],
    ['no amount that may not be narrowed', { bounded: [] }, [{ pointer: '/note', one_of: ['late', 'lost'] }]],
    ['no text that is the target', { target: '/note' }, [{ pointer: '/amount', unit: 'USD' }]],
    ['no text in which a fact lies', { extract: { 'amount.USD': '/amount', 'fact.why': '/note/code' } }, [{ pointer: '/amount', unit: 'USD' }]],
    ['no text where an expression may read it', { target: '=arguments.account' }, [{ pointer: '/amount', unit: 'USD' }]],
  ])('of a tool: %s', (_, tool, expected) => {
    expect(variationsOn(read([], tool), facts, [{ argument: '/amount' }, words])).toEqual(expected);
  });

  test('of what the executor carries out, and of a tool nobody knows, nothing', () => {
    expect(variationsOn(read([]), { ...facts, execution_mode: 'managed' }, [{ argument: '/amount' }])).toEqual([]);
    expect(variationsOn(read([]), { ...facts, tool: { name: 'other' } }, [{ argument: '/amount' }])).toEqual([]);
  });
});
