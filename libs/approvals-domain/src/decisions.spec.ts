import { describe, expect, test } from '@jest/globals';
import { canonicalText, isRefusal, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { specFor } from '@exequatur/testing';
import { approveBy, CONTENT, FIONA, NOW, opened, OTHER_VOTE_ID, person, proposalOf, REFUND, rejectBy, requestFor, SALT, VOTE_ID } from './approval.fixture.js';
import type { ApprovalCommand, ApprovalEvent, ApprovalRefusalCode, ApprovalState, OpenedContent, Voter } from './approval.js';
import { contextOf } from './card-context.js';
import type { Card } from './card.js';
import { decide } from './decide.js';
import { evolve, initialState } from './evolve.js';

const approval = specFor({ decide, evolve, initialState });
const GEORG = person('georg', 'finance');
const OLGA = person('olga', 'finance', 'operator');
const ERIN = person('erin', 'break-glass');
const AGENT: Voter = { type: 'agent', id: 'support-bot', roles: [] };
const ids = { approval_id: requestFor().approval_id, action_id: requestFor().action_id };
const at = { now: NOW };
const later = (ms: number): { now: number } => ({ now: NOW + ms });
const iso = (ms: number): string => new Date(NOW + ms).toISOString();
const demand = requestFor().demand;
const DEADLINE = Date.parse(requestFor().expires_at);

const stateAfter = (...past: readonly ApprovalEvent[]): ApprovalState => past.reduce<ApprovalState>(evolve, initialState());
const decided = (command: ApprovalCommand, ...past: readonly ApprovalEvent[]): readonly ApprovalEvent[] => {
  const decision = decide(command, stateAfter(...past));
  if (isRefusal(decision)) throw new Error(`refused: ${decision.code} ${decision.detail ?? ''}`);
  return decision;
};
const find = <T extends ApprovalEvent['type']>(events: readonly ApprovalEvent[], type: T): Extract<ApprovalEvent, { type: T }> => {
  const found = events.find((event): event is Extract<ApprovalEvent, { type: T }> => event.type === type);
  if (found === undefined) throw new Error(`no ${type} among ${events.map((event) => event.type).join(', ')}`);
  return found;
};

describe('deferring, assigning, escalating', () => {
  const defer = (voter = FIONA, until = iso(60_000)): ApprovalCommand => ({ type: 'Defer', metadata: at, data: { voter, until, reason: 'after the call' } });
  test('puts it off until a time before its deadline', () => approval.given(opened()).when(defer()).then({ type: 'ApprovalDeferred', data: { ...ids, person: 'fiona', until: iso(60_000) }, sealed: { reason: 'after the call' } }));
  test.each([['the past', iso(-1)], ['the deadline', requestFor().expires_at]])('not until %s', (_, until) => approval.given(opened()).when(defer(FIONA, until)).thenRefused('CONFLICT'));
  test('it is due again once, then nothing more', () => {
    const deferred = decided(defer(), opened());
    const due = { type: 'ApprovalReminded', data: { ...ids, cause: 'deferred' } } as const;
    approval.given(opened(), ...deferred).when({ type: 'Remind', metadata: later(59_999) }).thenNothing();
    approval.given(opened(), ...deferred).when({ type: 'Remind', metadata: later(60_000) }).then(due);
    approval.given(opened(), ...deferred, due).when({ type: 'Remind', metadata: later(60_000) }).thenNothing();
  });

  const assign = (voter = FIONA, ms = 900_000): ApprovalCommand => ({ type: 'Assign', metadata: at, data: { voter, until: iso(ms) } });
  test('takes it for a while', () => approval.given(opened()).when(assign()).then({ type: 'ApprovalAssigned', data: { ...ids, person: 'fiona', until: iso(900_000) } }));
  test('another takes it over: a sign, not a lock', () => approval.given(opened(), ...decided(assign(), opened())).when(assign(GEORG)).then({ type: 'ApprovalAssigned', data: { ...ids, person: 'georg', until: iso(900_000) } }));
  test('whoever has it gives it back, nobody else does, and not for a day', () => {
    const mine = decided(assign(), opened());
    approval.given(opened(), ...mine).when(assign(FIONA, 0)).then({ type: 'ApprovalAssigned', data: { ...ids, person: 'fiona', until: iso(0) } });
    approval.given(opened(), ...mine).when(assign(GEORG, 0)).thenRefused('CONFLICT');
    approval.given(opened()).when(assign(FIONA, 86_400_000)).thenRefused('CONFLICT');
  });

  const senior = requestFor(REFUND, { demand: { ...demand, on_timeout: 'escalate', escalate_to: 'cfo', escalation_ms: 600_000, sla_ms: 3_600_000 } });
  const escalate = (to: { toRole?: string; toPerson?: string }, voter = FIONA): ApprovalCommand => ({ type: 'Escalate', metadata: at, data: { voter, ...to } });
  const toCfo = { type: 'ApprovalEscalated', data: { ...ids, cause: 'person', person: 'fiona', to_role: 'cfo' } } as const;
  test('to the role that policy names', () => approval.given(opened(senior)).when(escalate({ toRole: 'cfo' })).then(toCfo));
  test('the same submission again changes nothing', () => approval.given(opened(senior), toCfo).when(escalate({ toRole: 'cfo' })).thenRefused('CONFLICT'));
  test('invariant 17: to no role that policy has not named', () => {
    approval.given(opened(senior)).when(escalate({ toRole: 'intern' })).thenRefused('WIDENS_AUTHORITY');
    approval.given(opened()).when(escalate({ toRole: 'cfo' })).thenRefused('WIDENS_AUTHORITY');
  });
  test('a person asked by name gets no vote by that', () => {
    const asked = decided(escalate({ toPerson: 'irma' }), opened());
    approval.given(opened(), ...asked).when(approveBy(person('irma', 'intern'))).thenRefused('NOT_ELIGIBLE');
    approval.given(opened()).when(escalate({ toPerson: 'olga' })).thenRefused('SELF_APPROVAL');
  });
  test('the senior role votes in the quorum that was asked for', () => {
    const two = requestFor(REFUND, { demand: { ...senior.demand, stages: [{ roles: ['finance'], quorum: 2 }] } });
    const viewHash = opened(two).data.view_hash;
    approval.given(opened(two)).when(approveBy(person('carla', 'cfo'), { viewHash })).thenRefused('NOT_ELIGIBLE');
    const voted = decided(approveBy(person('carla', 'cfo'), { viewHash }), opened(two), toCfo);
    expect(voted.map(({ type }) => type)).toEqual(['ApprovalVoted']);
    expect(decided(approveBy(FIONA, { viewHash }, { id: OTHER_VOTE_ID }), opened(two), toCfo, ...voted).map(({ type }) => type)).toEqual(['ApprovalVoted', 'ApprovalGranted']);
  });

  describe('silence', () => {
    const overtime = { type: 'ApprovalEscalated', data: { ...ids, cause: 'timeout', to_role: 'cfo', expires_at: new Date(DEADLINE + 600_000).toISOString() } } as const;
    const expire = (now: number): ApprovalCommand => ({ type: 'Expire', metadata: { now } });
    test('escalates once, for a second term', () => {
      approval.given(opened(senior)).when(expire(DEADLINE - 1)).thenNothing();
      approval.given(opened(senior)).when(expire(DEADLINE)).then(overtime);
      approval.given(opened(senior), overtime).when(expire(DEADLINE)).thenNothing();
    });
    test('invariant 27: and then ends as silence', () => approval.given(opened(senior), overtime).when(expire(DEADLINE + 600_000)).then({ type: 'ApprovalExpired', data: { ...ids, on_timeout: 'escalate', expires_at: overtime.data.expires_at } }));
    test('the senior role decides in the second term', () => {
      const viewHash = opened(senior).data.view_hash;
      expect(decided(approveBy(person('carla', 'cfo'), { viewHash }, { now: DEADLINE + 1 }), opened(senior), overtime).at(-1)?.type).toBe('ApprovalGranted');
      approval.given(opened(senior)).when(approveBy(person('carla', 'cfo'), { viewHash }, { now: DEADLINE + 1 })).thenRefused('APPROVAL_EXPIRED');
    });
    test('expires to a logged no-op', () => {
      const request = requestFor(REFUND, { demand: { ...demand, on_timeout: 'expire' } });
      approval.given(opened(request)).when(expire(DEADLINE)).then({ type: 'ApprovalExpired', data: { ...ids, on_timeout: 'expire', expires_at: requestFor().expires_at } });
    });
    const slaWarning = 3_600_000 * 0.8;
    test('before the SLA is over it is escalated, once', () => {
      const bySla = { type: 'ApprovalEscalated', data: { ...ids, cause: 'sla', to_role: 'cfo' } } as const;
      approval.given(opened(senior)).when({ type: 'Remind', metadata: later(slaWarning - 1) }).thenNothing();
      approval.given(opened(senior)).when({ type: 'Remind', metadata: later(slaWarning) }).then(bySla);
      approval.given(opened(senior), bySla).when({ type: 'Remind', metadata: later(slaWarning) }).thenNothing();
    });
    test('without a senior role people are reminded, once', () => {
      const request = requestFor(REFUND, { demand: { ...demand, sla_ms: 3_600_000 } });
      const reminded = { type: 'ApprovalReminded', data: { ...ids, cause: 'sla' } } as const;
      approval.given(opened(request)).when({ type: 'Remind', metadata: later(slaWarning) }).then(reminded);
      approval.given(opened(request), reminded).when({ type: 'Remind', metadata: later(slaWarning) }).thenNothing();
    });
  });

  test.each<[string, ApprovalCommand]>([
    ['defer', defer(AGENT)],
    ['assign', assign(AGENT)],
    ['escalate', escalate({ toPerson: 'irma' }, AGENT)],
    ['request information', { type: 'RequestInformation', metadata: at, data: { voter: AGENT, questionId: VOTE_ID, question: '?' } }],
  ])('an agent may not %s', (_, command) => approval.given(opened()).when(command).thenRefused('NOT_A_PERSON'));
  test.each<[string, Voter, ApprovalRefusalCode]>([['the owner', OLGA, 'SELF_APPROVAL'], ['a stranger', person('ina', 'intern'), 'NOT_ELIGIBLE']])('%s may not steer it', (_, voter, code) => approval.given(opened()).when(assign(voter)).thenRefused(code));
  test('an ended request is not steered', () => approval.given(opened(), ...decided(rejectBy(FIONA), opened())).when(assign(GEORG)).thenRefused('ALREADY_DECIDED'));
});

describe('asking and remarking', () => {
  const QUESTION = VOTE_ID;
  const ask = (question = 'Which order?'): ApprovalCommand => ({ type: 'RequestInformation', metadata: at, data: { voter: FIONA, questionId: QUESTION, question } });
  const asked = decided(ask(), opened());
  const content: OpenedContent = { ...CONTENT, context: { ...CONTENT.context, exchanges: [{ question_id: QUESTION, asked_by: 'fiona', question: 'Which order?' }] } };
  const give = (voter = AGENT, answer = 'Order 17\u202e'): ApprovalCommand => ({ type: 'GiveInformation', metadata: at, data: { voter, questionId: QUESTION, answer, content } });

  test('a question is sealed', () => expect(asked).toEqual([{ type: 'InformationRequested', data: { ...ids, person: 'fiona', question_id: QUESTION }, sealed: { question: 'Which order?' } }]));
  test('an empty one is none', () => approval.given(opened()).when(ask(' ')).thenRefused('REASON_REQUIRED'));
  test('the answer makes another card, with its words made visible; the earlier card can no longer be voted on', () => {
    const given = find(decided(give(), opened(), ...asked), 'InformationGiven');
    const card = JSON.parse(given.sealed?.card ?? '{}') as Card;
    expect(card.more?.exchanges).toEqual([{ asked_by: 'fiona', question: 'Which order?', answered_by: 'support-bot', answer: 'Order 17\\u202e' }]);
    expect(card.warnings).toEqual([{ where: 'answer of the agent side', found: 'direction_controls' }]);
    approval.given(opened(), ...asked, given).when(approveBy(FIONA)).thenRefused('VIEW_CHANGED');
    expect(decided(approveBy(FIONA, { viewHash: given.data.view_hash }), opened(), ...asked, given).at(-1)?.type).toBe('ApprovalGranted');
  });
  test('once, by the agent of the action or its owner', () => {
    approval.given(opened(), ...asked, ...decided(give(), opened(), ...asked)).when(give()).thenRefused('CONFLICT');
    approval.given(opened(), ...asked).when(give({ type: 'agent', id: 'other-bot', roles: [] })).thenRefused('NOT_ELIGIBLE');
    approval.given(opened()).when(give()).thenRefused('NOT_FOUND');
    expect(decided(give(OLGA), opened(), ...asked)).toHaveLength(1);
  });

  const remark = (voter: Voter, text = 'Unusual amount'): ApprovalCommand => ({ type: 'Annotate', metadata: at, data: { voter, source: 'risk-model-3', score: '0.82', text, content: CONTENT } });
  const SCORER: Voter = { type: 'agent', id: 'risk-scorer', roles: [] };
  test('a model’s remark stands in the card with its source and is no vote', () => {
    const remarked = find(decided(remark(SCORER), opened()), 'ApprovalAnnotated');
    expect((JSON.parse(remarked.sealed?.card ?? '{}') as Card).more?.annotations).toEqual([{ by: 'risk-scorer', by_type: 'agent', by_requester: false, source: 'risk-model-3', score: '0.82', text: 'Unusual amount' }]);
    expect(stateAfter(opened(), remarked)).toMatchObject({ status: 'Open', votes: [] });
  });
  test('what the requesting agent remarks is marked so', () => expect((JSON.parse(find(decided(remark(AGENT), opened()), 'ApprovalAnnotated').sealed?.card ?? '{}') as Card).more?.annotations[0]?.by_requester).toBe(true));
  test('nobody fills a card with remarks', () => {
    const past: ApprovalEvent[] = [opened()];
    for (let count = 0; count < 5; count += 1) past.push(...decided(remark(SCORER), ...past));
    approval.given(...past).when(remark(SCORER)).thenRefused('CONFLICT');
    expect(decided(remark(FIONA), ...past)).toHaveLength(1);
  });
});

describe('editing the arguments', () => {
  const EDITED = { account: 'acct_42', amount: '60.00', note: 'broken, part refund' };
  const edit = (args: JsonValue = EDITED, voter = FIONA, content = CONTENT, viewHash = opened().data.view_hash): ApprovalCommand => ({ type: 'Edit', metadata: { ...at, voteEventId: OTHER_VOTE_ID }, data: { voter, viewHash, content, arguments: canonicalText(args), rationale: 'part of it' } });

  test('within what was proposed: recorded, voted by the editor, and granted exactly so', () => {
    const events = decided(edit(), opened());
    expect(events.map(({ type }) => type)).toEqual(['ApprovalEdited', 'ApprovalVoted', 'ApprovalGranted']);
    const granted = find(events, 'ApprovalGranted');
    expect(granted.sealed?.arguments).toBe(canonicalText(EDITED));
    expect(granted.data).toMatchObject({ granted_arguments_hash: saltedHash(SALT, Buffer.from(canonicalText(EDITED))), arguments_hash: requestFor().arguments_hash, narrowed: ['/amount', '/note'] });
    expect(granted.claims).toMatchObject({ amounts: [{ unit: 'USD_MICROCENTS', amount: '6000000000' }], view_hash: find(events, 'ApprovalEdited').data.view_hash });
  });
  test('the card then shows what was changed, and by whom', () => {
    const { sealed } = find(decided(edit(), opened()), 'ApprovalEdited');
    const card = JSON.parse(sealed?.card ?? '{}') as Card;
    expect(card.more?.edited).toEqual({ by: 'fiona', changes: [{ pointer: '/amount', before: '"100.00"', now: '"60.00"' }, { pointer: '/note', before: '"broken on arrival"', now: '"broken, part refund"' }] });
    expect(card.parameters).toContainEqual({ pointer: '/amount', type: 'text', value: '60.00' });
    expect(contextOf(sealed?.context).edit?.by).toBe('fiona');
  });
  test('the same submission again is refused: it is decided', () => approval.given(opened(), ...decided(edit(), opened())).when(edit()).thenRefused('ALREADY_DECIDED'));
  test('invariant 17: votes for other arguments are void, and those who gave them vote again', () => {
    const two = requestFor(REFUND, { demand: { ...demand, stages: [{ roles: ['finance'], quorum: 2 }] } });
    const view = opened(two).data.view_hash;
    const first = decided(approveBy(FIONA, { viewHash: view }), opened(two));
    const edited = decided(edit(EDITED, GEORG, CONTENT, view), opened(two), ...first);
    expect(edited.map(({ type }) => type)).toEqual(['ApprovalEdited', 'ApprovalVoted']);
    expect(stateAfter(opened(two), ...first, ...edited)).toMatchObject({ status: 'Open', votes: [{ person: 'georg' }] });
    approval.given(opened(two), ...first, ...edited).when(approveBy(FIONA, { viewHash: view })).thenRefused('VIEW_CHANGED');
    const content = { ...CONTENT, editedArguments: canonicalText(EDITED), acceptedArguments: canonicalText(EDITED) };
    const again = decided(approveBy(FIONA, { viewHash: find(edited, 'ApprovalEdited').data.view_hash, content }), opened(two), ...first, ...edited);
    expect(find(again, 'ApprovalGranted').sealed?.arguments).toBe(canonicalText(EDITED));
  });
  test('invariant 17: a larger amount than edited is not granted by a later vote', () => {
    const two = requestFor(REFUND, { demand: { ...demand, stages: [{ roles: ['finance'], quorum: 2 }] } });
    const edited = decided(edit(EDITED, GEORG, CONTENT, opened(two).data.view_hash), opened(two));
    const content = { ...CONTENT, editedArguments: canonicalText(EDITED), acceptedArguments: canonicalText(EDITED) };
    const wider = decided(approveBy(FIONA, { viewHash: find(edited, 'ApprovalEdited').data.view_hash, content, caps: { max_amount: { USD_MICROCENTS: '9000000000' } } }), opened(two), ...edited);
    expect(find(wider, 'ApprovalGranted').claims?.amounts).toEqual([{ unit: 'USD_MICROCENTS', amount: '6000000000' }]);
  });
  test.each<[string, JsonValue, string]>([
    ['a larger amount', { ...EDITED, amount: '100.01' }, '/arguments/amount'],
    ['an amount in another form', { ...EDITED, amount: 60 }, '/arguments/amount'],
    ['an amount that cannot be read', { ...EDITED, amount: '6e1' }, '/arguments/amount'],
    ['no amount', { account: 'acct_42', note: 'x' }, '/arguments/amount'],
    ['another target', { ...EDITED, account: 'acct_43' }, '/arguments/account'],
  ])('invariant 17: %s is WIDENS_AUTHORITY', (_, args, pointer) => {
    expect(decide(edit(args), stateAfter(opened()))).toMatchObject({ refused: true, code: 'WIDENS_AUTHORITY', pointer });
  });
  test('invariant 17: recipients only from among the proposed', () => {
    const mail = { to: ['ann@customer.example', 'bob@customer.example'], body: 'Hello' };
    const request = requestFor(mail, { narrowable: { recipients: '/to' }, facts: { ...requestFor().facts, amounts: [] } });
    const content = { ...CONTENT, proposal: { ...proposalOf(mail), target: 'ann@customer.example' } };
    const event = opened(request, content.proposal);
    const state = stateAfter(event);
    const to = (...recipients: string[]) => decide(edit({ ...mail, to: recipients }, FIONA, content, event.data.view_hash), state);
    expect(to('ann@customer.example')).toHaveLength(3);
    for (const outside of [['ann@customer.example', 'eve@evil.example'], ['bob@customer.example'], []]) expect(to(...outside)).toMatchObject({ code: 'WIDENS_AUTHORITY' });
  });
  test('invariant 17: what cannot be compared is widening: amounts without a declared place, a target that stands nowhere', () => {
    const estimate = requestFor(REFUND, { facts: { ...requestFor().facts, amounts: [...requestFor().facts.amounts, { unit: 'TOKENS', amount: '1000' }] } });
    expect(decide(edit(EDITED, FIONA, CONTENT, opened(estimate).data.view_hash), stateAfter(opened(estimate)))).toMatchObject({ code: 'WIDENS_AUTHORITY' });
    const hidden = requestFor(REFUND, { target_hash: `sha256:${'b'.repeat(64)}` });
    const content = { ...CONTENT, proposal: proposalOf(REFUND, { target: 'somewhere else' }) };
    const event = opened(hidden, content.proposal);
    expect(decide(edit(EDITED, FIONA, content, event.data.view_hash), stateAfter(event))).toMatchObject({ code: 'WIDENS_AUTHORITY' });
  });
  test('nothing changed is no edit', () => approval.given(opened()).when(edit(REFUND)).thenRefused('CONFLICT'));
  test('invariant 11: the owner does not edit their own agent’s request', () => approval.given(opened()).when(edit(EDITED, OLGA)).thenRefused('SELF_APPROVAL'));
  test('an editor of a later stage changes it, and the first stage votes anew', () => {
    const staged = requestFor(REFUND, { demand: { ...demand, stages: [{ roles: ['finance'], quorum: 1 }, { roles: ['finance-lead'], quorum: 1 }] } });
    const view = opened(staged).data.view_hash;
    const first = decided(approveBy(FIONA, { viewHash: view }), opened(staged));
    const edited = decided(edit(EDITED, person('lea', 'finance-lead'), CONTENT, view), opened(staged), ...first);
    expect(edited.map(({ type }) => type)).toEqual(['ApprovalEdited']);
    expect(stateAfter(opened(staged), ...first, ...edited)).toMatchObject({ stage: 0, votes: [] });
  });
});

describe('who may, when it counts', () => {
  const two = requestFor(REFUND, { demand: { ...demand, stages: [{ roles: ['finance'], quorum: 2 }] } });
  const viewHash = opened(two).data.view_hash;
  const first = decided(approveBy(FIONA, { viewHash }), opened(two));
  const lapsed = { type: 'VoteLapsed', data: { ...ids, person: 'fiona', vote_event_id: VOTE_ID, reason: 'role_lost' } } as const;
  const recheck = (...voters: Voter[]): ApprovalCommand => ({ type: 'Recheck', metadata: at, data: { voters } });

  test('invariant 11: a vote lapses when its person lost the role, or is gone', () => {
    approval.given(opened(two), ...first).when(recheck(FIONA)).thenNothing();
    approval.given(opened(two), ...first).when(recheck(person('fiona', 'approver'))).then(lapsed);
    approval.given(opened(two), ...first).when(recheck()).then(lapsed);
    approval.given(opened(two), ...first, lapsed).when(recheck()).thenNothing();
  });
  test('invariant 11: a lapsed vote fills no quorum, and the person may vote anew with the role', () => {
    expect(decided(approveBy(GEORG, { viewHash }, { id: OTHER_VOTE_ID }), opened(two), ...first, lapsed).map(({ type }) => type)).toEqual(['ApprovalVoted']);
    expect(decided(approveBy(FIONA, { viewHash }, { id: OTHER_VOTE_ID }), opened(two), ...first, lapsed).map(({ type }) => type)).toEqual(['ApprovalVoted']);
  });

  const lent = (id: string, from: string, ...own: string[]): Voter => ({ ...person(id, ...own), lent: [{ role: 'finance', from }] });
  test('a lent role votes, in the name of whoever lent it', () => {
    const voted = find(decided(approveBy(lent('hugo', 'fiona'), { viewHash }), opened(two)), 'ApprovalVoted');
    expect(voted.data).toMatchObject({ person: 'hugo', role: 'finance', on_behalf_of: 'fiona' });
  });
  test('invariant 11: whoever lent it has voted with it, and one person borrows no second vote', () => {
    const past = decided(approveBy(lent('hugo', 'fiona'), { viewHash }), opened(two));
    approval.given(opened(two), ...past).when(approveBy(FIONA, { viewHash })).thenRefused('ALREADY_VOTED');
    approval.given(opened(two), ...past).when(approveBy(lent('hugo', 'georg'), { viewHash })).thenRefused('ALREADY_VOTED');
    approval.given(opened(two), ...first).when(approveBy(lent('hugo', 'fiona'), { viewHash })).thenRefused('ALREADY_VOTED');
  });
  test('invariant 11: the requester lends nobody a vote on their own agent’s request', () => approval.given(opened(two)).when(approveBy(lent('hugo', 'olga'), { viewHash })).thenRefused('SELF_APPROVAL'));
  test('invariant 11: a vote with a lent role lapses with the loan', () => {
    const past = decided(approveBy(lent('hugo', 'fiona'), { viewHash }), opened(two));
    approval.given(opened(two), ...past).when(recheck(lent('hugo', 'fiona'))).thenNothing();
    approval.given(opened(two), ...past).when(recheck(person('hugo'))).then({ ...lapsed, data: { ...lapsed.data, person: 'hugo' } });
  });
  test('the loser is told who decided', () => expect(decide(approveBy(GEORG), stateAfter(opened(), ...decided(rejectBy(FIONA), opened())))).toMatchObject({ code: 'ALREADY_DECIDED', detail: 'the request is rejected by fiona' }));
});

describe('breaking the glass', () => {
  const two = requestFor(REFUND, { demand: { ...demand, stages: [{ roles: ['finance'], quorum: 2 }, { roles: ['finance-lead'], quorum: 1 }] } });
  const viewHash = opened(two).data.view_hash;
  const smash = (voter = ERIN, more: { reason?: string; viewHash?: string } = {}): ApprovalCommand => ({ type: 'BreakGlass', metadata: { ...at, voteEventId: VOTE_ID }, data: { voter, viewHash, content: CONTENT, reason: 'customers cannot log in', ...more } });
  const broken = decided(smash(), opened(two));

  test('one person grants alone: one use, five minutes, marked as an emergency', () => {
    expect(broken.map(({ type }) => type)).toEqual(['ApprovalVoted', 'GlassBroken', 'ApprovalGranted']);
    expect(find(broken, 'GlassBroken')).toMatchObject({ data: { person: 'erin', votes_missing: 3 }, sealed: { reason: 'customers cannot log in' } });
    expect(find(broken, 'ApprovalGranted')).toMatchObject({ data: { emergency: true, expires_at: iso(300_000) }, claims: { max_uses: 1, expires_at: iso(300_000), approvers: [{ person: 'erin', role: 'break-glass' }] } });
  });
  test('the same submission again is refused', () => approval.given(opened(two), ...broken).when(smash()).thenRefused('ALREADY_DECIDED'));
  test.each<[string, ApprovalCommand, ApprovalRefusalCode]>([
    ['without the role', smash(FIONA), 'NOT_ELIGIBLE'],
    ['an agent', smash({ ...AGENT, roles: ['break-glass'] }), 'NOT_A_PERSON'],
    ['the owner', smash(person('olga', 'break-glass')), 'SELF_APPROVAL'],
    ['without a reason', smash(ERIN, { reason: ' ' }), 'REASON_REQUIRED'],
    ['on another card', smash(ERIN, { viewHash: `sha256:${'0'.repeat(64)}` }), 'VIEW_CHANGED'],
  ])('not %s', (_, command, code) => approval.given(opened(two)).when(command).thenRefused(code));
  test('invariant 17: nor wider than proposed', () => {
    const wider: ApprovalCommand = { type: 'BreakGlass', metadata: { ...at, voteEventId: VOTE_ID }, data: { voter: ERIN, viewHash, content: CONTENT, reason: 'x', caps: { max_amount: { USD_MICROCENTS: '10000000001' } } } };
    approval.given(opened(two)).when(wider).thenRefused('WIDENS_AUTHORITY');
  });

  const review = (voter: Voter, words = 'the outage was real'): ApprovalCommand => ({ type: 'Review', metadata: at, data: { voter, judgement: 'justified', words } });
  const reviewed = { type: 'EmergencyReviewed', data: { ...ids, person: 'fiona', judgement: 'justified' }, sealed: { words: 'the outage was real' } } as const;
  test('somebody else reviews it, once', () => {
    approval.given(opened(two), ...broken).when(review(FIONA)).then(reviewed);
    approval.given(opened(two), ...broken, reviewed).when(review(FIONA)).thenRefused('ALREADY_DECIDED');
  });
  test('not whoever broke it, nor the owner, nor a stranger, nor without words', () => {
    approval.given(opened(two), ...broken).when(review(person('erin', 'finance'))).thenRefused('SELF_APPROVAL');
    approval.given(opened(two), ...broken).when(review(OLGA)).thenRefused('SELF_APPROVAL');
    approval.given(opened(two), ...broken).when(review(person('ina', 'intern'))).thenRefused('NOT_ELIGIBLE');
    approval.given(opened(two), ...broken).when(review(FIONA, ' ')).thenRefused('REASON_REQUIRED');
    approval.given(opened(two)).when(review(FIONA)).thenRefused('CONFLICT');
  });
});

describe('parking a run', () => {
  const store = (voter = AGENT): ApprovalCommand => ({ type: 'StoreCheckpoint', metadata: at, data: { voter, hash: `sha256:${'c'.repeat(64)}`, sizeBytes: 3 } });
  test('the agent of the action, while it waits', () => approval.given(opened()).when(store()).then({ type: 'CheckpointStored', data: { ...ids, agent: 'support-bot', run_id: 'run-1', checkpoint_hash: `sha256:${'c'.repeat(64)}`, size_bytes: 3 } }));
  test('nobody else, and not once it has ended', () => {
    approval.given(opened()).when(store({ ...AGENT, id: 'other-bot' })).thenRefused('NOT_FOUND');
    approval.given(opened(), ...decided(rejectBy(FIONA), opened())).when(store()).thenRefused('ALREADY_DECIDED');
  });
});
