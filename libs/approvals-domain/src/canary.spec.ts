import { describe, expect, test } from '@jest/globals';
import { isRefusal } from '@exequatur/kernel';
import fc from 'fast-check';
import { approveBy, CONTENT, FIONA, NOW, opened, person, rejectBy, requestFor, respondBy, VOTE_ID } from './approval.fixture.js';
import type { ApprovalCommand, ApprovalEvent, ApprovalState, Voter } from './approval.js';
import { decide } from './decide.js';
import { evolve, initialState } from './evolve.js';

const PLANTED: ApprovalEvent = { ...opened(), data: { ...opened().data, canary: { planted_by: 'ada', like: requestFor().approval_id } } };
const canary = (): ApprovalState => evolve(initialState(), PLANTED);
const real = (): ApprovalState => evolve(initialState(), opened());
const editBy = (voter: Voter, amount: string): ApprovalCommand => ({ type: 'Edit', metadata: { now: NOW, voteEventId: VOTE_ID }, data: { voter, viewHash: opened().data.view_hash, content: CONTENT, arguments: `{"account":"acct_42","amount":"${amount}","note":"x"}`, asNewAction: true } });
const breakBy = (voter: Voter): ApprovalCommand => ({ type: 'BreakGlass', metadata: { now: NOW, voteEventId: VOTE_ID }, data: { voter, viewHash: opened().data.view_hash, content: CONTENT, reason: 'outage' } });

describe('planted requests', () => {
  test.each([
    ['approve', approveBy(FIONA), false],
    ['edit', editBy(FIONA, '50.00'), false],
    ['edit', editBy(FIONA, '500.00'), false],
    ['break-glass', breakBy(person('erin', 'break-glass')), false],
    ['reject', rejectBy(FIONA), true],
    ['respond', respondBy(FIONA), true],
  ] as const)('A9: %s ends it with its own event and nothing else', (vote, command, noticed) => {
    const events = decide(command, canary());
    expect(events).toMatchObject([{ type: 'CanaryAnswered', data: { vote, noticed } }]);
    expect((events as readonly ApprovalEvent[]).reduce(evolve, canary())).toMatchObject({ status: 'Cancelled', canary: { plantedBy: 'ada', answered: { noticed } } });
  });

  test('A9: it is refused like any other, and whoever planted it decides nothing', () => {
    for (const command of [approveBy(person('nobody', 'intern')), approveBy(person('olga', 'finance')), rejectBy(FIONA, ' ')]) expect(decide(command, canary())).toEqual(decide(command, real()));
    expect(decide(approveBy(person('ada', 'finance')), canary())).toMatchObject({ code: 'SELF_APPROVAL' });
  });

  test('A9: no command ever takes a vote or a grant out of it', () => {
    const voter = fc.constantFrom(FIONA, person('georg', 'finance', 'break-glass'), person('ada', 'finance'), person('erin', 'break-glass'), { type: 'agent', id: 'support-bot', roles: [] } as Voter);
    const command = fc.tuple(fc.nat(6), voter).map(([kind, who]): ApprovalCommand => {
      const all: readonly ApprovalCommand[] = [approveBy(who), rejectBy(who), respondBy(who), editBy(who, '50.00'), editBy(who, '900.00'), breakBy(who), { type: 'Revoke', metadata: { now: NOW }, data: { voter: who, reason: 'x' } }];
      return all[kind] ?? approveBy(who);
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 6 }), (commands) => {
        let state = canary();
        for (const each of commands) {
          const decided = decide(each, state);
          if (isRefusal(decided)) continue;
          for (const event of decided as readonly ApprovalEvent[]) expect(event.type).toBe('CanaryAnswered');
          state = (decided as readonly ApprovalEvent[]).reduce(evolve, state);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('revocations', () => {
  test('are effective once, and only after they were asked for', () => {
    const confirm: ApprovalCommand = { type: 'ConfirmRevocation', metadata: { now: NOW } };
    const granted = (decide(approveBy(FIONA), real()) as readonly ApprovalEvent[]).reduce(evolve, real());
    expect(decide(confirm, granted)).toEqual([]);
    const revoked = (decide({ type: 'Revoke', metadata: { now: NOW }, data: { voter: FIONA, reason: 'x' } }, granted) as readonly ApprovalEvent[]).reduce(evolve, granted);
    const events = decide(confirm, revoked) as readonly ApprovalEvent[];
    expect(events).toMatchObject([{ type: 'RevocationTookEffect' }]);
    expect(decide(confirm, events.reduce(evolve, revoked))).toEqual([]);
  });
});
