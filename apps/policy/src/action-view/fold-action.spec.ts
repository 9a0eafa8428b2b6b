import { describe, expect, test } from '@jest/globals';
import { EVENTS } from '@exequatur/contracts';
import type { EventEnvelope } from '@exequatur/contracts';
import fc from 'fast-check';
import { foldAction } from './action-view.js';
import type { ActionView } from './action-view.js';

const typeOf = (name: string): string => EVENTS.find((definition) => definition.name === name)?.type ?? name;
let count = 0;
const event = (name: string, data: object): EventEnvelope => {
  count += 1;
  const id = `01890000-0000-7000-8000-${String(count).padStart(12, '0')}`;
  return {
    specversion: '1.0', id, source: '/tenants/acme/services/x', type: typeOf(name), subject: 's', time: `2026-01-01T00:00:${String(count % 60).padStart(2, '0')}.000Z`, datacontenttype: 'application/json',
    dataschema: 'x', partitionkey: 'k', sequence: '0000000001', tenant: 'acme', correlationid: 'action', actortype: 'service', actorid: 'x', data: { action_id: 'action', ...data },
  };
};
const facts = { tenant: 'acme', scope_path: 'tenant:acme', agent: 'bot', run_id: 'r', action_kind: 'k', tool: { name: 't', version: '1' }, risk_tags: [], risk_points: 1, amounts: [], has_evidence: false, has_reversal: false, execution_mode: 'managed' };
const own = [
  event('ActionProposed', { facts, claimed: {}, arguments_hash: 'a', action_hash: 'b', door: 'http' }),
  event('ApprovalRequired', { approval_id: 'approval', rule_id: 'r', reason: 'why', policy_hash: 'p', policy_version: 1, expires_at: 'later' }),
];
const granted = event('ApprovalGranted', { approval_id: 'approval', grant_id: 'approval', grant: 'jws', granted_arguments_hash: 'c', narrowed: [], expires_at: 'soon' });
const use = (no: number) => ({ grant_id: 'approval', use_no: no, reservation_id: `reservation-${no}`, execution_id: `execution-${no}` });

/** Each inner list keeps its order, as topics and streams do; lists may interleave in any way. */
const stories: Readonly<Record<string, { readonly topics: readonly (readonly EventEnvelope[])[]; readonly status: string; readonly code?: string }>> = {
  'sent': {
    topics: [[granted], [event('ReservationHeld', use(1)), event('ReservationStarted', { reservation_id: 'reservation-1' }), event('ReservationCommitted', { ...use(1), outcome: 'SUCCEEDED' })], [event('ExecutionStarted', use(1)), event('ExecutionSucceeded', { ...use(1), provider_request_id: 'x' })]],
    status: 'executed',
  },
  'refused once, then sent': {
    topics: [[granted], [event('ReservationRefused', { ...use(1), reservation_id: 'other', code: 'BUDGET_EXCEEDED' }), event('ReservationHeld', use(1)), event('ReservationCommitted', { ...use(1), outcome: 'SUCCEEDED' })], [event('ExecutionStarted', use(1)), event('ExecutionSucceeded', use(1))]],
    status: 'executed',
  },
  'unknown, then reconciled as sent': {
    topics: [[granted], [event('ReservationHeld', use(1)), event('ReservationMarkedUnknown', { ...use(1), outcome: 'UNKNOWN' }), event('ReservationCommitted', { ...use(1), outcome: 'SUCCEEDED' })], [event('ExecutionStarted', use(1)), event('ExecutionUnknown', { ...use(1), code: 'TIMED_OUT_UNKNOWN' }), event('ExecutionReconciled', { ...use(1), result: 'executed' })]],
    status: 'executed',
  },
  'failed': {
    topics: [[granted], [event('ReservationHeld', use(1)), event('ReservationReleased', { ...use(1), outcome: 'FAILED' })], [event('ExecutionStarted', use(1)), event('ExecutionFailed', { ...use(1), code: 'CONNECTOR_REFUSED' })]],
    status: 'failed',
    code: 'CONNECTOR_REFUSED',
  },
  'skipped after a refusal': {
    topics: [[granted], [event('ReservationRefused', { ...use(1), code: 'FROZEN' })], [event('ExecutionSkipped', { ...use(1), code: 'FROZEN' })]],
    status: 'failed',
    code: 'FROZEN',
  },
  'withdrawn': { topics: [[event('ActionWithdrawn', { reason: 'x' })], [event('ApprovalCancelled', { approval_id: 'approval', reason: 'withdrawn' })]], status: 'withdrawn' },
};

const fold = (events: readonly EventEnvelope[]): ActionView | undefined => events.reduce<ActionView | undefined>((view, one) => foldAction(view, one), undefined);

/** One interleaving: each number picks the topic that goes next. */
const interleaved = (topics: readonly (readonly EventEnvelope[])[], picks: readonly number[]): readonly EventEnvelope[] => {
  const left = topics.map((topic) => [...topic]);
  const order: EventEnvelope[] = [];
  for (let step = 0; left.some((topic) => topic.length > 0); step += 1) {
    const open = left.filter((topic) => topic.length > 0);
    const next = open[(picks[step] ?? 0) % open.length]?.shift();
    if (next !== undefined) order.push(next);
  }
  return order;
};

describe('invariant 22: the view does not depend on the order in which topics arrive', () => {
  test.each(Object.entries(stories))('%s', (_, { topics, status, code }) => {
    const expected = fold([...own, ...topics.flat()]);
    expect([expected?.status, expected?.code]).toEqual([status, code]);
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 12 }), (picks) => {
        expect(fold([...own, ...interleaved(topics, picks)])).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('redelivered events change nothing', () => {
    for (const { topics } of Object.values(stories)) {
      const events = [...own, ...topics.flat()];
      expect(fold([...events, ...events])).toEqual(fold(events));
    }
  });

  test('the next use of a grant starts anew', () => {
    const first = [event('ReservationHeld', use(1)), event('ReservationCommitted', { ...use(1), outcome: 'SUCCEEDED' })];
    expect(fold([...own, granted, ...first, event('ReservationHeld', use(2))])).toMatchObject({ status: 'reserved', use_no: 2, reservation_id: 'reservation-2' });
  });

  test('an action whose proposal is not known has no view', () => {
    expect(fold([granted])).toBeUndefined();
  });
});
