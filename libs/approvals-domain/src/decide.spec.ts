import { describe, expect, test } from '@jest/globals';
import { canonicalBytes, canonicalText, isRefusal, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { specFor } from '@exequatur/testing';
import type { ApprovalEvent, ApprovalState, Voter } from './approval.js';
import { approveBy, CONTENT, FIONA, NOW, opened, OTHER_VOTE_ID, person, proposalOf, REFUND, rejectBy, requestFor, respondBy, SALT, VOTE_ID } from './approval.fixture.js';
import { decide } from './decide.js';
import { evolve, initialState } from './evolve.js';
import { renderCard } from './render-card.js';
import type { RequestFacts } from './request-facts.js';

const approval = specFor({ decide, evolve, initialState });

/** The events of a decision that is expected to be none refused. */
const decided = (command: Parameters<typeof decide>[0], ...past: ApprovalEvent[]): readonly ApprovalEvent[] => {
  const decision = decide(command, past.reduce<ApprovalState>(evolve, initialState()));
  if (isRefusal(decision)) throw new Error(`refused: ${decision.code}`);
  return decision;
};
const grantOf = (events: readonly ApprovalEvent[]): Extract<ApprovalEvent, { type: 'ApprovalGranted' }> => {
  const granted = events.find((event) => event.type === 'ApprovalGranted');
  if (granted?.type !== 'ApprovalGranted') throw new Error('nothing was granted');
  return granted;
};
const hashOf = (args: Parameters<typeof canonicalText>[0]): string => saltedHash(SALT, Buffer.from(canonicalText(args), 'utf8'));
const approved = (): readonly ApprovalEvent[] => decided(approveBy(FIONA), opened());
const expire = (now: number): Parameters<typeof decide>[0] => ({ type: 'Expire', metadata: { now } });
const cancel: Parameters<typeof decide>[0] = { type: 'Cancel', metadata: { now: NOW } };
const revokeBy = (voter: Voter, reason = 'the customer called'): Parameters<typeof decide>[0] => ({ type: 'Revoke', metadata: { now: NOW }, data: { voter, reason } });
const open = (): Parameters<typeof decide>[0] => {
  const event = opened();
  if (event.sealed === undefined) throw new Error('the fixture seals its card');
  return { type: 'Open', metadata: { now: NOW }, data: { opened: event.data, sealed: event.sealed } };
};

describe('opening', () => {
  test('opens once', () => approval.given().when(open()).then(opened()));
  test('the same submission again adds nothing', () => approval.given(opened()).when(open()).thenNothing());
  test('an ended request is not opened again', () => approval.given(opened(), ...approved()).when(open()).thenNothing());
});

describe('approving', () => {
  test('one vote fills a quorum of one and grants exactly what was proposed', () => {
    const events = approved();
    expect(events.map(({ type }) => type)).toEqual(['ApprovalVoted', 'ApprovalGranted']);
    const { data, claims, sealed } = grantOf(events);
    expect(data).toMatchObject({ approver_ids: ['fiona'], vote_event_ids: [VOTE_ID], narrowed: [], granted_arguments_hash: hashOf(REFUND), arguments_hash: hashOf(REFUND), expires_at: '2026-03-01T10:15:00.000Z' });
    expect(claims).toEqual({
      grant_id: requestFor().approval_id,
      source: 'approval',
      action_id: requestFor().action_id,
      tenant: 'acme',
      scope_path: 'tenant:acme/workspace:support',
      agent_identity: 'support-bot',
      run_id: 'run-1',
      action_kind: 'payment.refund',
      action_class: 'financial',
      on_silence: 'unknown',
      tool: { name: 'billing.refund', version: '1' },
      arguments_hash: hashOf(REFUND),
      granted_arguments_hash: hashOf(REFUND),
      binding: 'exact',
      execution_mode: 'managed',
      not_before: '2026-03-01T10:00:00.000Z',
      expires_at: '2026-03-01T10:15:00.000Z',
      max_uses: 1,
      risk_points: 20,
      amounts: [{ unit: 'USD_MICROCENTS', amount: '10000000000' }],
      caps: {},
      approvers: [{ person: 'fiona', role: 'finance', stage: 0, vote_event_id: VOTE_ID }],
      policy_hash: requestFor().policy_hash,
      policy_version: 3,
      rule_id: 'refund-large',
      view_hash: opened().data.view_hash,
      facts: requestFor().facts,
    });
    expect(sealed?.arguments).toBe(canonicalText(REFUND));
  });
  test('the same submission again is refused: the request is decided', () => approval.given(opened(), ...approved()).when(approveBy(FIONA)).thenRefused('ALREADY_DECIDED'));
  test('narrower: the granted bytes hold the cap, and the grant names both hashes', () => {
    const narrower = { account: 'acct_42', amount: '42.00', note: 'broken on arrival' };
    const { data, claims, sealed } = grantOf(decided(approveBy(FIONA, { caps: { max_amount: { USD_MICROCENTS: '4200000000' }, expires_in_ms: 60_000 }, rationale: 'as agreed' }), opened()));
    expect(sealed?.arguments).toBe(canonicalText(narrower));
    expect(data).toMatchObject({ narrowed: ['/amount'], granted_arguments_hash: hashOf(narrower), arguments_hash: hashOf(REFUND), expires_at: '2026-03-01T10:01:00.000Z' });
    expect(claims).toMatchObject({
      amounts: [{ unit: 'USD_MICROCENTS', amount: '4200000000' }],
      caps: { max_amount: { USD_MICROCENTS: '4200000000' }, expires_in_ms: 60_000 },
      rationale_hash: saltedHash(SALT, Buffer.from('as agreed')),
    });
  });
  test('A6: a total across uses, of policy or of a voter, is signed into the grant', () => {
    const request = requestFor(undefined, { caps: { max_uses: 4, max_total: { RISK_POINTS: '70' } } });
    const { claims } = grantOf(decided(approveBy(FIONA, { caps: { max_total: { USD_MICROCENTS: '25000000000' } }, viewHash: opened(request).data.view_hash }), opened(request)));
    expect(claims).toMatchObject({ max_uses: 4, total_points: 70, total_amounts: [{ unit: 'USD_MICROCENTS', amount: '25000000000' }], caps: { max_total: { RISK_POINTS: '70', USD_MICROCENTS: '25000000000' } } });
  });
  describe('R5: arguments that policy lets differ from use to use', () => {
    const AMOUNT = { pointer: '/amount', unit: 'USD' };
    const request = requestFor(undefined, { caps: { max_uses: 4 }, varies: [AMOUNT, { pointer: '/note', one_of: ['broken on arrival', 'lost'] }] });
    const approving = (more: Parameters<typeof approveBy>[1] = {}) => approveBy(FIONA, { viewHash: opened(request).data.view_hash, ...more });
    const fixed = (args: JsonValue): string => saltedHash(SALT, canonicalBytes(args));

    test('are bounds of the grant: an amount at most as granted, a text one of those listed', () => {
      expect(grantOf(decided(approving(), opened(request))).claims).toMatchObject({ binding: 'bounded', fixed_hash: fixed({ account: 'acct_42', amount: null, note: null }), bounded: [{ ...AMOUNT, max: '10000000000' }, { pointer: '/note', one_of: ['broken on arrival', 'lost'] }], max_uses: 4 });
    });
    test('invariant 17: are narrowed with the argument itself, and fixed where a voter says so', () => {
      const { claims } = grantOf(decided(approving({ caps: { max_amount: { USD_MICROCENTS: '4000000000' } }, varies: ['/amount'] }), opened(request)));
      expect(claims).toMatchObject({ binding: 'bounded', fixed_hash: fixed({ account: 'acct_42', amount: null, note: 'broken on arrival' }), bounded: [{ ...AMOUNT, max: '4000000000' }], amounts: [{ unit: 'USD_MICROCENTS', amount: '4000000000' }] });
      const exact = grantOf(decided(approving({ varies: [] }), opened(request)));
      expect(exact.claims).toMatchObject({ binding: 'exact' });
      expect(exact.claims).not.toHaveProperty('bounded');
    });
    test('are those that every vote of a quorum lets differ', () => {
      const dual = { ...request, demand: { ...request.demand, stages: [{ roles: ['finance'], quorum: 2 }] } };
      const first = decided(approveBy(FIONA, { viewHash: opened(dual).data.view_hash, varies: ['/amount'] }), opened(dual));
      expect(first).toMatchObject([{ type: 'ApprovalVoted', data: { varies: ['/amount'] } }]);
      const last = decided(approveBy(person('georg', 'finance'), { viewHash: opened(dual).data.view_hash, varies: ['/note', '/amount'] }, { id: OTHER_VOTE_ID }), opened(dual), ...first);
      expect(grantOf(last).claims?.bounded).toEqual([{ ...AMOUNT, max: '10000000000' }]);
    });
    test('are never more than policy says', () => approval.given(opened(request)).when(approving({ varies: ['/amount', '/account'] })).thenRefused('WIDENS_AUTHORITY'));
    test('stand on the card', () => {
      const { limits, next_effect } = renderCard(request, proposalOf(REFUND));
      expect(limits).toEqual([{ limit: 'May differ from use to use', value: '/amount, up to what is granted here' }, { limit: 'May differ from use to use', value: '/note, one of: broken on arrival, lost' }]);
      expect(next_effect).not.toContain('may differ');
      expect(renderCard({ ...request, facts: { ...request.facts, execution_mode: 'self' } }, proposalOf(REFUND)).next_effect).toContain('some may differ');
    });
  });

  test.each([
    ['more money', { max_amount: { USD_MICROCENTS: '10000000001' } }],
    ['another unit', { max_amount: { TOKENS: '1' } }],
    ['a smaller unit that no argument carries', { max_amount: { RISK_POINTS: '1' } }],
    ['longer', { expires_in_ms: 15 * 60_000 + 1 }],
    ['more often', { max_uses: 2 }],
    ['recipients of a tool that has none', { allowed_recipients: ['eve@evil.example'] }],
    ['nothing at all', { max_uses: 0 }],
  ])('%s than proposed is refused', (_what, caps) => approval.given(opened()).when(approveBy(FIONA, { caps })).thenRefused('WIDENS_AUTHORITY'));
});

describe('who may decide', () => {
  test('invariant 11: the owner of the agent may not approve', () => approval.given(opened()).when(approveBy(person('olga', 'finance'))).thenRefused('SELF_APPROVAL'));
  test('invariant 11: nor reject, nor respond', () => {
    approval.given(opened()).when(rejectBy(person('olga', 'finance'))).thenRefused('SELF_APPROVAL');
    approval.given(opened()).when(respondBy(person('olga', 'finance'))).thenRefused('SELF_APPROVAL');
  });
  test('invariant 11: whom the agent acts for may not approve, nor lend anybody a vote on it', () => {
    const behind: Voter = { ...FIONA, actedFor: true };
    for (const command of [approveBy(behind), rejectBy(behind), respondBy(behind)]) approval.given(opened()).when(command).thenRefused('SELF_APPROVAL');
    const lent = { role: 'finance', from: 'fiona' };
    approval.given(opened()).when(approveBy({ ...person('hugo'), lent: [{ ...lent, actedFor: true }] })).thenRefused('SELF_APPROVAL');
    expect(decided(approveBy({ ...person('hugo'), lent: [{ ...lent, actedFor: false }] }), opened())).toHaveLength(2);
  });
  test('invariant 12: an agent never votes, whatever roles it claims', () => approval.given(opened()).when(approveBy({ type: 'agent', id: 'support-bot', roles: ['finance'] })).thenRefused('NOT_A_PERSON'));
  test('invariant 12: nor does a service or the platform admin', () => {
    approval.given(opened()).when(approveBy({ type: 'service', id: 'executor', roles: ['finance'] })).thenRefused('NOT_A_PERSON');
    approval.given(opened()).when(approveBy({ type: 'root', id: 'root', roles: ['finance'] })).thenRefused('NOT_A_PERSON');
  });
  test('a person without a role of the stage is not eligible', () => approval.given(opened()).when(approveBy(person('pia', 'approver'))).thenRefused('NOT_ELIGIBLE'));
  test('a vote on another card is refused', () => approval.given(opened()).when(approveBy(FIONA, { viewHash: `sha256:${'0'.repeat(64)}` })).thenRefused('VIEW_CHANGED'));
  test('a request that was never opened is not found', () => approval.given().when(approveBy(FIONA)).thenRefused('NOT_FOUND'));
});

const staged = (more: Partial<RequestFacts['demand']> = {}): RequestFacts =>
  requestFor(REFUND, { demand: { stages: [{ roles: ['finance'], quorum: 2 }, { roles: ['finance-lead'], quorum: 1 }], distinct: true, ttl_ms: 1, on_timeout: 'deny', ...more } });
const shown = (request: RequestFacts): { viewHash: string } => ({ viewHash: opened(request).data.view_hash });

describe('quorums and stages', () => {
  const request = staged();
  const first = decided(approveBy(FIONA, shown(request)), opened(request));
  const second = decided(approveBy(person('georg', 'finance'), shown(request), { id: OTHER_VOTE_ID }), opened(request), ...first);

  test('a vote below the quorum grants nothing', () => expect(first.map(({ type }) => type)).toEqual(['ApprovalVoted']));
  test('the same person again counts once', () => approval.given(opened(request), ...first).when(approveBy(FIONA, shown(request))).thenRefused('ALREADY_VOTED'));
  test('a later stage waits for the earlier one', () => approval.given(opened(request), ...first).when(approveBy(person('lea', 'finance-lead'), shown(request))).thenRefused('NOT_ELIGIBLE'));
  test('invariant 11: one person does not fill two stages', () => approval.given(opened(request), ...first, ...second).when(approveBy(person('fiona', 'finance-lead'), shown(request))).thenRefused('ALREADY_VOTED'));
  test('unless the rule says that people need not be distinct', () => {
    const relaxed = staged({ distinct: false });
    const votes = [approveBy(FIONA, shown(relaxed)), approveBy(person('georg', 'finance'), shown(relaxed))].reduce<ApprovalEvent[]>((past, vote) => [...past, ...decided(vote, ...past)], [opened(relaxed)]);
    expect(grantOf(decided(approveBy(person('fiona', 'finance-lead'), shown(relaxed)), ...votes)).data.approver_ids).toEqual(['fiona', 'georg']);
  });
  test('the last stage grants, naming all three', () => {
    const { claims } = grantOf(decided(approveBy(person('lea', 'finance-lead'), shown(request)), opened(request), ...first, ...second));
    expect(claims?.approvers.map(({ person: who, stage }) => [who, stage])).toEqual([['fiona', 0], ['georg', 0], ['lea', 1]]);
  });
  test('caps of several people intersect: the last voter accepts what is granted', () => {
    const narrowed = decided(approveBy(FIONA, { ...shown(request), caps: { max_amount: { USD_MICROCENTS: '4200000000' } } }), opened(request));
    const voted = narrowed[0];
    if (voted?.type !== 'ApprovalVoted') throw new Error('the first event is the vote');
    const content = { ...CONTENT, acceptedArguments: voted.sealed?.granted_arguments ?? '' };
    const wider = decided(approveBy(person('georg', 'finance'), { ...shown(request), content, caps: { max_amount: { USD_MICROCENTS: '5000000000' }, expires_in_ms: 1_000 } }), opened(request), ...narrowed);
    const { claims, sealed } = grantOf(decided(approveBy(person('lea', 'finance-lead'), { ...shown(request), content }), opened(request), ...narrowed, ...wider));
    expect(sealed?.arguments).toContain('"amount":"42.00"');
    expect(claims?.caps).toEqual({ max_amount: { USD_MICROCENTS: '4200000000' }, expires_in_ms: 1_000 });
  });
  test('a reject in any stage ends it', () => approval.given(opened(request), ...first).when(rejectBy(person('georg', 'finance'), undefined, shown(request).viewHash)).then(...rejected(request)));
});

const rejected = (request = requestFor(), who = 'georg'): readonly ApprovalEvent[] => {
  const ids = { approval_id: request.approval_id, action_id: request.action_id };
  const view_hash = opened(request).data.view_hash;
  return [
    { type: 'ApprovalVoted', id: VOTE_ID, data: { ...ids, person: who, role: 'finance', stage: 0, vote: 'reject', view_hash, granted_arguments_hash: request.arguments_hash } },
    { type: 'ApprovalRejected', data: { ...ids, person: who, reason_code: 'wrong_facts', instruction: 'abort', view_hash }, sealed: { reason: 'not broken, says the photograph' } },
  ];
};

describe('the other ends', () => {
  test('one person rejects, with a reason', () => approval.given(opened()).when(rejectBy(FIONA)).then(...rejected(requestFor(), 'fiona')));
  test('a rejection needs a reason', () => approval.given(opened()).when(rejectBy(FIONA, '  \n')).thenRefused('REASON_REQUIRED'));
  test('an answer stands in for the tool', () => expect(decided(respondBy(FIONA), opened())[1]).toMatchObject({ type: 'ApprovalAnswered', sealed: { response: 'Offer a replacement instead.' } }));
  test('invariant 14: after a rejection nobody grants', () => approval.given(opened(), ...rejected()).when(approveBy(FIONA)).thenRefused('ALREADY_DECIDED'));
  test('invariant 14: after an answer nobody grants', () => approval.given(opened(), ...decided(respondBy(FIONA), opened())).when(approveBy(FIONA)).thenRefused('ALREADY_DECIDED'));

  const deadline = Date.parse(requestFor().expires_at);
  const expired: ApprovalEvent = { type: 'ApprovalExpired', data: { approval_id: requestFor().approval_id, action_id: requestFor().action_id, on_timeout: 'deny', expires_at: requestFor().expires_at } };
  test('a vote a millisecond before the deadline counts', () => expect(decided(approveBy(FIONA, {}, { now: deadline - 1 }), opened())).toHaveLength(2));
  test('a vote at the deadline is too late, swept or not', () => {
    approval.given(opened()).when(approveBy(FIONA, {}, { now: deadline })).thenRefused('APPROVAL_EXPIRED');
    approval.given(opened(), expired).when(approveBy(FIONA)).thenRefused('APPROVAL_EXPIRED');
  });
  test('silence expires at the deadline, once, and not before', () => {
    approval.given(opened()).when(expire(deadline - 1)).thenNothing();
    approval.given(opened()).when(expire(deadline)).then(expired);
    approval.given(opened(), expired).when(expire(deadline)).thenNothing();
  });
  test('invariant 27: silence after a grant takes nothing back and gives nothing', () => approval.given(opened(), ...approved()).when(expire(deadline)).thenNothing());

  const cancelled: ApprovalEvent = { type: 'ApprovalCancelled', data: { approval_id: requestFor().approval_id, action_id: requestFor().action_id, reason: 'withdrawn' } };
  test('a withdrawn action cancels its open request, once', () => {
    approval.given(opened()).when(cancel).then(cancelled);
    approval.given(opened(), cancelled).when(cancel).thenNothing();
    approval.given(opened(), cancelled).when(approveBy(FIONA)).thenRefused('ALREADY_DECIDED');
    approval.given().when(cancel).thenNothing();
  });
});

describe('revoking', () => {
  const revoked: ApprovalEvent = { type: 'GrantRevoked', data: { approval_id: requestFor().approval_id, action_id: requestFor().action_id, grant_id: requestFor().approval_id, person: 'fiona' }, sealed: { reason: 'the customer called' } };
  test('a person with a role of the request takes the grant back', () => approval.given(opened(), ...approved()).when(revokeBy(FIONA)).then(revoked));
  test('the same submission again is refused', () => approval.given(opened(), ...approved(), revoked).when(revokeBy(FIONA)).thenRefused('ALREADY_DECIDED'));
  test('so may an operator, even the owner of the agent', () => expect(decided(revokeBy(person('olga', 'operator')), opened(), ...approved())).toHaveLength(1));
  test('nobody else may', () => {
    approval.given(opened(), ...approved()).when(revokeBy(person('pia', 'auditor'))).thenRefused('NOT_ELIGIBLE');
    approval.given(opened(), ...approved()).when(revokeBy({ type: 'agent', id: 'support-bot', roles: ['operator'] })).thenRefused('NOT_A_PERSON');
  });
  test('not without a reason, not before there is a grant', () => {
    approval.given(opened(), ...approved()).when(revokeBy(FIONA, ' ')).thenRefused('REASON_REQUIRED');
    approval.given(opened()).when(revokeBy(FIONA)).thenRefused('CONFLICT');
    approval.given().when(revokeBy(FIONA)).thenRefused('NOT_FOUND');
  });
});
