import { describe, expect, test } from '@jest/globals';
import { VERDICTS } from '@exequatur/contracts';
import type { Caps, Verdict } from '@exequatur/contracts';
import fc from 'fast-check';
import { factsOf, policyFrom } from './fixtures.js';
import { changeBetween, evaluate, explain, outcomeOf, registeredKinds, replayTally } from './index.js';
import type { Outcome } from './index.js';

const classes = { read: { kinds: ['crm.read'], default: 'allow' }, mail: { kinds: ['message.email.send'], default: 'require_approval' } };
const outcome = (verdict: Verdict, more: Partial<Outcome> = {}): Outcome => ({ verdict, rule_id: 'r', ...more });
const caps = (max_uses: number): Caps => ({ max_uses });

describe('a change', () => {
  test.each<[string, Outcome, Outcome, string]>([
    ['a looser verdict', outcome('DENY'), outcome('QUARANTINE'), 'relaxed'],
    ['a stricter verdict', outcome('ALLOW'), outcome('ALLOW_WITH_CAPS'), 'tightened'],
    ['the same', outcome('ALLOW_WITH_CAPS', { caps: caps(2) }), outcome('ALLOW_WITH_CAPS', { caps: caps(2), rule_id: 'other' }), 'unchanged'],
    ['wider caps', outcome('ALLOW_WITH_CAPS', { caps: caps(2) }), outcome('ALLOW_WITH_CAPS', { caps: caps(3) }), 'relaxed'],
    ['narrower caps', outcome('ALLOW_WITH_CAPS', { caps: caps(2) }), outcome('ALLOW_WITH_CAPS', { caps: caps(1) }), 'tightened'],
    ['caps neither wider nor narrower', outcome('ALLOW_WITH_CAPS', { caps: caps(2) }), outcome('ALLOW_WITH_CAPS', { caps: { row_limit: 1 } }), 'relaxed'],
    ['no look afterwards', outcome('ALLOW', { tier: 'LOG' }), outcome('ALLOW', { tier: 'AUTO' }), 'relaxed'],
    ['one person more', outcome('REQUIRE_APPROVAL', { demand: { stages: [{ roles: ['a'], quorum: 1 }], distinct: true, ttl_ms: 5, on_timeout: 'deny' } }), outcome('REQUIRE_APPROVAL', { demand: { stages: [{ roles: ['a'], quorum: 2 }], distinct: true, ttl_ms: 5, on_timeout: 'deny' } }), 'tightened'],
    ['a role more that may', outcome('REQUIRE_APPROVAL', { demand: { stages: [{ roles: ['a'], quorum: 1 }], distinct: true, ttl_ms: 5, on_timeout: 'deny' } }), outcome('REQUIRE_APPROVAL', { demand: { stages: [{ roles: ['a', 'b'], quorum: 1 }], distinct: true, ttl_ms: 5, on_timeout: 'deny' } }), 'relaxed'],
  ])('%s', (_, before, after, change) => {
    expect(changeBetween(before, after)).toBe(change);
  });
});

describe('a replay', () => {
  const policy = policyFrom({ classes, rules: [{ id: 'mine', match: { kind: 'crm.read', agent: 'outreach-bot' }, decision: 'allow' }] });
  const candidate = policyFrom({ classes, rules: [{ id: 'no-mail', match: { kind: 'message.email.send', risk_tags: 'bulk' }, decision: 'deny' }, { id: 'look', match: { kind: 'crm.read', agent: 'outreach-bot' }, decision: 'allow', tier: 'log' }] });
  const history = fc.array(fc.record({ action_kind: fc.constantFrom('crm.read', 'message.email.send', 'unknown.call'), agent: fc.constantFrom('outreach-bot', 'other'), risk_tags: fc.subarray(['bulk', 'pii']) }).map(factsOf), { minLength: 1, maxLength: 50 });
  const kinds = new Set(registeredKinds(policy));

  test('under the same policy nothing changes; under a candidate the counts are those of judging one by one', () => {
    fc.assert(
      fc.property(history, (recorded) => {
        const [same, other] = [replayTally(), replayTally()];
        let [relaxed, tightened] = [0, 0];
        recorded.forEach((facts, index) => {
          const before = outcomeOf(evaluate(policy, kinds, facts));
          const after = outcomeOf(evaluate(candidate, kinds, facts));
          same.add({ action_id: String(index), action_kind: facts.action_kind, before, after: outcomeOf(evaluate(policy, kinds, facts)) });
          other.add({ action_id: String(index), action_kind: facts.action_kind, before, after });
          // The oracle knows verdicts and tiers only, and needs nothing of the code under test.
          const step = VERDICTS.indexOf(after.verdict) - VERDICTS.indexOf(before.verdict);
          if (step < 0) relaxed += 1;
          else if (step > 0 || (after.tier === 'LOG' && before.tier === 'AUTO')) tightened += 1;
        });
        expect(same.report()).toMatchObject({ total: recorded.length, relaxed: 0, tightened: 0, unchanged: recorded.length, changes: [] });
        expect(other.report()).toMatchObject({ relaxed, tightened, unchanged: recorded.length - relaxed - tightened });
      }),
      { numRuns: 300 },
    );
  });
});

describe('an explanation', () => {
  test('names every rule with what decided it, and what was only claimed', () => {
    const policy = policyFrom({
      classes,
      rules: [
        { id: 'a', match: { kind: 'message.*', agent: 'other' }, decision: 'deny' },
        { id: 'b', match: { kind: 'message.email.send', risk_tags: 'bulk' }, decision: 'require_approval', caps: { max_uses: 2 } },
        { id: 'c', match: { kind: 'crm.read' }, decision: 'deny' },
        { id: 'd', match: { class: 'read' }, decision: 'deny' },
        { id: 'e', match: { env: 'prod' }, decision: 'allow' },
        { id: 'f', match: { kind: 'message.email.send' }, unless: { rule: 'b' }, decision: 'deny' },
      ],
    });
    const facts = factsOf({ risk_tags: ['bulk'], derived: { risk_tags: [], risk_points: 20, amounts: [] } });
    const { rules, ruling, facts: told, caps: intersected } = explain(policy, new Set(registeredKinds(policy)), facts);
    expect(rules).toEqual([
      { rule_id: 'a', decision: 'deny', result: 'not_matched', why: ['agent: does not hold'] },
      { rule_id: 'b', decision: 'require_approval', result: 'matched', why: ['risk_tags: holds'] },
      { rule_id: 'c', decision: 'deny', result: 'not_matched', why: ['kind: message.email.send is not crm.read'] },
      { rule_id: 'd', decision: 'deny', result: 'not_matched', why: ['class: mail is not read'] },
      { rule_id: 'e', decision: 'allow', result: 'missing', why: ['env: a fact is missing, or it cannot be evaluated'] },
      { rule_id: 'f', decision: 'deny', result: 'excepted', why: ['unless: rule b applies'] },
    ]);
    // Without the claimed tag rule b does not except rule f, which therefore denies.
    expect(ruling).toMatchObject({ verdict: 'DENY', rule_id: 'f' });
    expect(told).toContainEqual({ fact: 'risk_tags', value: ['bulk'], source: 'claimed' });
    expect(told).toContainEqual({ fact: 'risk_points', value: 20, source: 'derived' });
    expect(intersected).toEqual([]);
  });
});
