import { describe, expect, test } from '@jest/globals';
import { specFor } from '@exequatur/testing';
import { factsOf } from './fixtures.js';
import { decide, evolve, grantClaims, initialState } from './index.js';
import type { ActionEvent, ProposeAction, Ruling, WithdrawAction } from './index.js';

const action = specFor<ReturnType<typeof initialState>, ProposeAction | WithdrawAction, ActionEvent>({ decide, evolve, initialState });

const actionId = '01890000-0000-7000-8000-000000000001';
const approvalId = '01890000-0000-7000-8000-000000000002';
const hash = (digit: string) => `sha256:${digit.repeat(64)}`;
const proposed = { action_id: actionId, facts: factsOf(), claimed: {}, arguments_hash: hash('a'), target_hash: hash('b'), action_hash: hash('c'), door: 'http' as const };
const nowMs = Date.UTC(2026, 0, 31, 8);

const propose = (ruling: Partial<Ruling>, actionHash = proposed.action_hash): ProposeAction => ({
  type: 'ProposeAction',
  data: {
    proposed: { ...proposed, action_hash: actionHash },
    narrowable: {},
    ruling: { verdict: 'ALLOW', tier: 'AUTO', rule_id: 'class:x', reason: 'why', caps: {}, on_silence: 'unknown', sample_ppm: 0, action_class: 'x', ...ruling },
    policyHash: hash('d'),
    policyVersion: 3,
  },
  metadata: { nowMs, approvalId, sampleDraw: 499 },
});
const withdraw: WithdrawAction = { type: 'WithdrawAction', data: { actionId, reason: 'changed my mind' } };

const verdict = { action_id: actionId, policy_hash: hash('d'), policy_version: 3, rule_id: 'class:x', reason: 'why', action_class: 'x' };
const allowance = { ...verdict, tier: 'AUTO' as const, sampled: false, grant_id: actionId, expires_at: '2026-01-31T08:10:00.000Z' };
const wasProposed: ActionEvent = { type: 'ActionProposed', data: proposed };
const wasAllowed: ActionEvent = { type: 'ActionAllowed', data: allowance };
const demand = { stages: [{ roles: ['finance'], quorum: 1 }], distinct: true, ttl_ms: 3_600_000, on_timeout: 'deny' as const };
const wasAsked: ActionEvent = {
  type: 'ApprovalRequired',
  data: { ...verdict, approval_id: approvalId, facts: proposed.facts, arguments_hash: hash('a'), target_hash: hash('b'), narrowable: {}, demand, on_silence: 'unknown', expires_at: '2026-01-31T09:00:00.000Z' },
};
const wasWithdrawn: ActionEvent = { type: 'ActionWithdrawn', data: { action_id: actionId, reason: 'changed my mind' } };
const ended = (type: 'ApprovalGranted' | 'ApprovalRejected' | 'ApprovalExpired' | 'ApprovalCancelled'): ActionEvent => ({ type, data: { action_id: actionId } });

describe('proposing', () => {
  test('allowed', () => action.given().when(propose({})).then(wasProposed, wasAllowed));
  test('allowed within caps: the caps say how long', () =>
    action
      .given()
      .when(propose({ verdict: 'ALLOW_WITH_CAPS', caps: { expires_in_ms: 60_000, max_uses: 2 } }))
      .then(wasProposed, { type: 'ActionCapped', data: { ...allowance, caps: { expires_in_ms: 60_000, max_uses: 2 }, expires_at: '2026-01-31T08:01:00.000Z' } }));
  test('approval asked', () => action.given().when(propose({ verdict: 'REQUIRE_APPROVAL', demand })).then(wasProposed, wasAsked));
  test('set aside', () =>
    action
      .given()
      .when(propose({ verdict: 'QUARANTINE', code: 'QUARANTINED_UNKNOWN_KIND' }))
      .then(wasProposed, { type: 'ActionQuarantined', data: { ...verdict, code: 'QUARANTINED_UNKNOWN_KIND' } }));
  test('denied', () =>
    action
      .given()
      .when(propose({ verdict: 'DENY', code: 'POLICY_DENIED' }))
      .then(wasProposed, { type: 'ActionDenied', data: { ...verdict, code: 'POLICY_DENIED' } }));
  test.each(['AUTO', 'LOG'] as const)('A9: %s tier is drawn for review below its share only, and then also asked for', (tier) => {
    const allowed = (sampled: boolean): ActionEvent => ({ type: 'ActionAllowed', data: { ...allowance, tier, sampled } });
    const drawn: ActionEvent = { type: 'ReviewDrawn', data: { ...verdict, tier, facts: proposed.facts, arguments_hash: proposed.arguments_hash } };
    action.given().when(propose({ tier, sample_ppm: 500 })).then(wasProposed, allowed(true), drawn);
    action.given().when(propose({ tier, sample_ppm: 499 })).then(wasProposed, allowed(false));
    action.given(wasProposed, allowed(true), drawn).when(propose({ tier, sample_ppm: 500 })).thenNothing();
  });
  test('the same submission again adds nothing', () => action.given(wasProposed, wasAllowed).when(propose({})).thenNothing());
  test('another action with its id is refused', () => action.given(wasProposed, wasAllowed).when(propose({}, hash('e'))).thenRefused('CONFLICT'));
});

describe('withdrawing', () => {
  test('while allowed', () => action.given(wasProposed, wasAllowed).when(withdraw).then(wasWithdrawn));
  test('while people decide', () => action.given(wasProposed, wasAsked).when(withdraw).then(wasWithdrawn));
  test('after a grant', () => action.given(wasProposed, wasAsked, ended('ApprovalGranted')).when(withdraw).then(wasWithdrawn));
  test('the same submission again adds nothing', () => action.given(wasProposed, wasAllowed, wasWithdrawn).when(withdraw).thenNothing());
  test('and after the approval was cancelled for it', () => action.given(wasProposed, wasAsked, wasWithdrawn, ended('ApprovalCancelled')).when(withdraw).thenNothing());
  test('not what never was', () => action.given().when(withdraw).thenRefused('NOT_FOUND'));
  test('not what a person rejected', () => action.given(wasProposed, wasAsked, ended('ApprovalRejected')).when(withdraw).thenRefused('CONFLICT'));
  test('not what expired', () => action.given(wasProposed, wasAsked, ended('ApprovalExpired')).when(withdraw).thenRefused('CONFLICT'));
});

test('an allowance binds everything reservations checks', () => {
  expect(grantClaims(propose({ caps: { max_uses: 3 } }), allowance.expires_at)).toEqual({
    grant_id: actionId, source: 'allowance', action_id: actionId, tenant: 'acme', scope_path: 'tenant:acme/workspace:sales/app:outreach', agent_identity: 'outreach-bot', run_id: 'run-1',
    action_kind: 'message.email.send', action_class: 'x', on_silence: 'unknown', tool: { name: 'mailer.send', version: '1.0' }, target_hash: hash('b'), arguments_hash: hash('a'), granted_arguments_hash: hash('a'),
    binding: 'exact', execution_mode: 'managed', not_before: '2026-01-31T08:00:00.000Z', expires_at: '2026-01-31T08:10:00.000Z', max_uses: 3, risk_points: 20, amounts: [], caps: { max_uses: 3 }, approvers: [],
    policy_hash: hash('d'), policy_version: 3, rule_id: 'class:x', facts: proposed.facts,
  });
});

test('R5: an allowance binds what may differ from use to use by its bounds; a request says which it may be', () => {
  const varying = { fixed_hash: hash('e'), bounded: [{ pointer: '/amount', unit: 'USD', max: '900' }] };
  const asked = propose({ caps: { max_uses: 3 } });
  const claims = grantClaims({ ...asked, data: { ...asked.data, bound: varying } }, allowance.expires_at);
  expect(claims).toMatchObject({ binding: 'bounded', ...varying });
  const waiting = propose({ verdict: 'REQUIRE_APPROVAL', demand: { stages: [{ roles: ['finance'], quorum: 1 }], distinct: true, ttl_ms: 1_000, on_timeout: 'deny' } });
  expect(decide({ ...waiting, data: { ...waiting.data, varies: [{ pointer: '/amount', unit: 'USD' }] } }, initialState())).toMatchObject([{}, { type: 'ApprovalRequired', data: { varies: [{ pointer: '/amount', unit: 'USD' }] } }]);
});

test('A6: totals of an allowance are those of its caps, points apart from amounts', () => {
  const claims = grantClaims(propose({ caps: { max_uses: 3, max_total: { RISK_POINTS: '50', USD_MICROCENTS: '900' } } }), allowance.expires_at);
  expect(claims).toMatchObject({ max_uses: 3, total_points: 50, total_amounts: [{ unit: 'USD_MICROCENTS', amount: '900' }] });
});
