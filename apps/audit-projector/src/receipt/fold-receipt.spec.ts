import { describe, expect, test } from '@jest/globals';
import { EVENTS } from '@exequatur/contracts';
import type { TimelineRow } from '../timeline-view/project.js';
import { foldReceipt } from './fold-receipt.js';
import { isConsidered, outcomeAfter } from './outcome.js';

let count = 0;
const row = (service: string, name: string, data: Readonly<Record<string, unknown>> = {}): TimelineRow => {
  count += 1;
  const eventId = `0000${String(count).padStart(4, '0')}-0000-7000-8000-000000000000`;
  return { tenant: 'acme', event_id: eventId, action_id: 'a', sequence: count, name, type: name, service, version: count, time: new Date(1_800_000_000_000 + count).toISOString(), actor_type: 'service', actor_id: service, event_hash: 'sha256:', data: JSON.stringify(data) };
};

const approved = [
  row('policy', 'ActionProposed', { facts: { agent: 'bot' } }),
  row('policy', 'ApprovalRequired'),
  row('approvals', 'ApprovalOpened', { view_hash: 'sha256:v', renderer: 'card/1' }),
  row('approvals', 'ApprovalVoted'),
  row('approvals', 'ApprovalGranted', { grant_id: 'g', expires_at: 'later' }),
  row('executor', 'ExecutionRequested'),
  row('reservations', 'ReservationHeld'),
  row('executor', 'ExecutionStarted'),
  row('reservations', 'ReservationStarted'),
  row('executor', 'ExecutionSucceeded'),
  row('reservations', 'ReservationCommitted', { outcome: 'SUCCEEDED' }),
];

/** Every rotation and the reverse: enough to meet each pair in both orders. */
const orders = <T>(entries: readonly T[]): readonly (readonly T[])[] => [...entries.map((_, at) => [...entries.slice(at), ...entries.slice(0, at)]), [...entries].reverse()];

describe('folding a receipt', () => {
  test('names each part of the chain', () => {
    const { chain, outcome, ended, agent, steps } = foldReceipt(approved);
    expect([outcome, ended, agent]).toEqual(['executed', true, 'bot']);
    expect(steps.map(({ step }) => step)).toEqual(['proposal', 'verdict', 'approval', 'vote', 'decision', 'execution', 'reservation', 'execution', 'reservation', 'execution', 'settlement']);
    expect(chain).toMatchObject({ proposal: approved[0]?.event_id, verdict: approved[1]?.event_id, card: { view_hash: 'sha256:v' }, votes: [approved[3]?.event_id], grant: { grant_id: 'g', source: 'approval' }, settlements: [approved[10]?.event_id] });
  });

  test('invariant 22: the order in which events were logged changes nothing', () => {
    const expected = foldReceipt(approved);
    for (const order of orders(approved)) expect(foldReceipt(order)).toEqual(expected);
  });
});

describe('the outcome', () => {
  test('it was decided of every event of an action what it makes of the outcome', () => {
    const ofActions = EVENTS.filter(({ data }) => 'action_id' in ((data.json as { readonly properties?: object }).properties ?? {})).map(({ name }) => name);
    expect(ofActions.length).toBeGreaterThan(40);
    expect(ofActions.filter((name) => !isConsidered(name))).toEqual([]);
  });

  const ends: readonly (readonly [string, readonly (readonly [string, Record<string, unknown>?])[]])[] = [
    ['proposed', [['ActionProposed']]],
    ['awaiting_approval', [['ActionProposed'], ['ApprovalRequired'], ['ApprovalOpened'], ['ApprovalVoted']]],
    ['denied', [['ActionProposed'], ['ActionDenied']]],
    ['quarantined', [['ActionProposed'], ['ActionQuarantined']]],
    ['granted', [['ApprovalRequired'], ['ApprovalOpened'], ['ApprovalVoted'], ['GlassBroken'], ['ApprovalGranted'], ['EmergencyReviewed']]],
    ['cancelled', [['ApprovalOpened'], ['CanaryAnswered']]],
    ['cancelled', [['ApprovalOpened'], ['EditProposed'], ['ApprovalCancelled']]],
    ['rejected', [['ApprovalRequired'], ['ApprovalVoted'], ['ApprovalRejected']]],
    ['answered', [['ApprovalRequired'], ['ApprovalAnswered']]],
    ['expired', [['ApprovalRequired'], ['ApprovalExpired']]],
    ['cancelled', [['ApprovalRequired'], ['ApprovalCancelled']]],
    ['withdrawn', [['ApprovalRequired'], ['ApprovalCancelled'], ['ActionWithdrawn']]],
    ['revoked', [['ApprovalGranted'], ['GrantRevoked'], ['GrantClosed'], ['ReservationRefused']]],
    ['refused', [['ActionAllowed'], ['ReservationRefused']]],
    ['refused', [['ApprovalGranted'], ['ExecutionRequested'], ['ReservationRefused'], ['ExecutionSkipped']]],
    ['reserved', [['ActionAllowed'], ['ReservationHeld']]],
    ['executing', [['ActionAllowed'], ['ReservationHeld'], ['ReservationStarted']]],
    ['unknown', [['ReservationHeld'], ['ExecutionStarted'], ['ExecutionUnknown'], ['ReservationMarkedUnknown']]],
    ['executed', [['ReservationHeld'], ['ExecutionUnknown'], ['ExecutionReconciled', { result: 'executed' }]]],
    ['failed', [['ReservationHeld'], ['ExecutionUnknown'], ['ExecutionReconciled', { result: 'not_executed' }], ['ReservationReleased', { outcome: 'FAILED' }]]],
    ['failed', [['ReservationHeld'], ['ExecutionFailed'], ['ReservationReleased', { outcome: 'FAILED' }]]],
    ['released', [['ReservationHeld'], ['ReservationReleased', { outcome: 'NONE' }]]],
    ['released', [['ReservationHeld'], ['ReservationExpired']]],
    ['executed', [['ReservationHeld'], ['ReservationCommitted'], ['ReservationRefused']]],
  ];
  test.each(ends)('%s, in any order of arrival: %j', (outcome, names) => {
    const events = names.map(([name, data = {}]) => ({ name, data }));
    for (const order of orders(events)) expect(outcomeAfter(order)).toBe(outcome);
  });
});
