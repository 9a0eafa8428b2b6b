import { beforeAll, describe, expect, test } from '@jest/globals';
import * as contracts from '@exequatur/contracts';
import type { DataOf, EventDefinition, Grant } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { readEvent } from '../log/log-event.js';
import type { LogEvent } from '../log/log-event.js';
import { hashOf, SCOPE, wholeStory, WORKSPACE } from '../spec/story.contract.js';
import { checkInvariants, INVARIANTS } from './index.js';

let good: readonly LogEvent[];
beforeAll(async () => {
  const { leaves } = (await wholeStory()).log;
  good = leaves.map(({ bytes_b64: bytes }, sequence) => {
    const read = readEvent(Buffer.from(bytes, 'base64'), sequence);
    if (read.kind !== 'event') throw new Error(`leaf ${sequence} is ${read.kind}`);
    return read.event;
  });
});

type Change<D> = Partial<D> | ((data: D) => Partial<D>);
type Place = (events: readonly LogEvent[]) => number;

const nth = (definition: EventDefinition, count = 0): Place => (events) => events.filter(({ type }) => type === definition.type)[count]?.sequence ?? -1;
const changedAt = (sequence: number, change: (event: LogEvent) => LogEvent): LogEvent[] => good.map((event) => (event.sequence === sequence ? change(event) : event));
const withData = <D>(definition: EventDefinition<string, D>, change: Change<D>, count = 0): LogEvent[] =>
  changedAt(nth(definition, count)(good), (event) => ({ ...event, data: { ...(event.data as object), ...(typeof change === 'function' ? change(event.data as D) : change) } }));
const withGrant = (definition: EventDefinition, change: Partial<Grant>): LogEvent[] => changedAt(nth(definition)(good), (event) => ({ ...event, grant: { ...(event.grant as Grant), ...change } }));
const without = (definition: EventDefinition, count = 0): LogEvent[] => good.filter(({ sequence }) => sequence !== nth(definition, count)(good));
const dataOf = <D>(definition: EventDefinition<string, D>, count = 0): D => good[nth(definition, count)(good)]?.data as D;
/** A further event behind all others, in the stream of an event of the log. */
const appended = (like: number, definition: EventDefinition, data: object, more: Partial<LogEvent> = {}): LogEvent[] => {
  const model = good[like] as LogEvent;
  const version = good.filter(({ stream }) => stream === model.stream).length + 1;
  const newest = Math.max(...good.map(({ timeMs }) => timeMs));
  return [...good, { ...model, sequence: good.length, id: newId(), type: definition.type, version, timeMs: newest + 1, data, ...more }];
};
const claimed = (events: readonly LogEvent[]): number => nth(contracts.ReservationHeld)(events);
const claimAgain = (more: Partial<DataOf<typeof contracts.ReservationHeld>>): LogEvent[] => {
  const data = dataOf(contracts.ReservationHeld);
  return appended(claimed(good), contracts.ReservationHeld, { ...data, reservation_id: newId(), holds: [], ...more }, { stream: `acme/reservation/${newId()}@reservations`, version: 1 });
};

/** The agent of the first claim hands its grant to `child`. */
const handedOn = (more: Partial<DataOf<typeof contracts.DelegationGranted>> = {}): { delegation_id: string; data: LogEvent } => {
  const { grant_id, run_id, agent, scope_path } = dataOf(contracts.ReservationHeld);
  const delegation_id = newId();
  const authority = { scope_path, caps: {}, max_uses: 1, expires_at: '2030-01-01T00:00:00.000Z' };
  const data = { delegation_id, parent: { type: 'grant' as const, id: grant_id ?? '' }, from_agent: agent, to_agent: 'child', run_id, depth: 1, authority, ...more };
  const event = appended(claimed(good), contracts.DelegationGranted, data, { stream: `acme/delegation/${delegation_id}@reservations`, version: 1 }).at(-1);
  if (event === undefined) throw new Error('nothing was appended');
  return { delegation_id, data: event };
};

test('a claim of a child under what it was handed breaks no invariant', () => {
  const { delegation_id, data } = handedOn();
  const { agent } = dataOf(contracts.ReservationHeld);
  expect(checkInvariants([...withData(contracts.ReservationHeld, { agent: 'child', delegations: [delegation_id], delegated_by: [agent] }), data])).toEqual([]);
});

/** The first approval is bounded: points may differ up to 21, and its use has arguments of its own. */
const bounded = ({ varies = [{ pointer: '/points', unit: 'RISK_POINTS' }], most = 21, fixed = hashOf('7') }: { varies?: readonly contracts.ArgumentBound[]; most?: number; fixed?: string } = {}): LogEvent[] => {
  const own = hashOf('8');
  const changes = new Map<number, (event: LogEvent) => LogEvent>([
    [nth(contracts.ApprovalRequired)(good), (event) => ({ ...event, data: { ...(event.data as object), varies } })],
    [nth(contracts.ApprovalGranted)(good), (event) => ({ ...event, grant: { ...(event.grant as Grant), binding: 'bounded', fixed_hash: hashOf('7'), bounded: [{ pointer: '/points', unit: 'RISK_POINTS', max: String(most) }], risk_points: most } })],
    [claimed(good), (event) => ({ ...event, data: { ...(event.data as object), fixed_hash: fixed, granted_arguments_hash: own } })],
    [nth(contracts.ExecutionSucceeded)(good), (event) => ({ ...event, data: { ...(event.data as object), executed_arguments_hash: own } })],
  ]);
  return good.map((event) => changes.get(event.sequence)?.(event) ?? event);
};

test('a use of a bounded grant with other arguments, and less than it might hold, breaks no invariant', () => {
  expect(checkInvariants(bounded())).toEqual([]);
});

test('the good log breaks no invariant', () => {
  expect(checkInvariants(good)).toEqual([]);
});

test('the invariants are independent of the order in which leaves arrived', () => {
  const reversed = [...good].reverse();
  expect(checkInvariants(reversed)).toEqual([]);
});

/** [invariant, what is wrong, the bad log, where it is found] */
type Case = readonly [number, string, () => readonly LogEvent[], Place?];
const last: Place = () => good.length;

const CASES: readonly Case[] = [
  [1, 'a claim on a grant nobody gave', () => withData(contracts.ReservationHeld, { grant_id: newId() }), claimed],
  [1, 'a claim without a grant', () => withData(contracts.ReservationHeld, ({ grant_id: _grant, ...rest }) => ({ ...rest, grant_id: undefined as never })), claimed],
  [1, 'a claim for another action', () => withData(contracts.ReservationHeld, { action_id: newId() }), claimed],
  [1, 'two events that grant the same', () => appended(nth(contracts.ApprovalGranted)(good), contracts.ApprovalGranted, dataOf(contracts.ApprovalGranted), {}), claimed],
  [2, 'claimed after the grant expired', () => withGrant(contracts.ApprovalGranted, { expires_at: '2026-11-20T09:00:30.000Z' }), claimed],
  [2, 'claimed before the grant was valid', () => withGrant(contracts.ApprovalGranted, { not_before: '2026-11-21T09:00:00.000Z' }), claimed],
  [2, 'an effect started after execute_by', () => changedAt(nth(contracts.ExecutionStarted)(good), (event) => ({ ...event, timeMs: event.timeMs + 60_000 })), nth(contracts.ExecutionSucceeded)],
  [2, 'another execute_by than was held', () => withData(contracts.ExecutionStarted, { execute_by: '2026-11-20T12:00:00.000Z' }), nth(contracts.ExecutionStarted)],
  [3, 'other arguments claimed', () => withData(contracts.ReservationHeld, { granted_arguments_hash: hashOf('f') }), claimed],
  [3, 'another fixed part than granted claimed', () => bounded({ fixed: hashOf('6') }), claimed],
  [3, 'another tool version claimed', () => withData(contracts.ReservationHeld, { tool: { name: 'mailer.send', version: '2.0' } }), claimed],
  [3, 'another run claimed', () => withData(contracts.ReservationHeld, { run_id: 'run-2' }), claimed],
  [3, 'another agent claimed', () => withData(contracts.ReservationHeld, { agent: 'someone' }), claimed],
  [3, 'claimed under a delegation nobody granted', () => withData(contracts.ReservationHeld, { agent: 'child', delegations: [newId()], delegated_by: ['outreach-agent'] }), claimed],
  [3, 'claimed under a delegation of another grant', () => {
    const { delegation_id, data } = handedOn({ parent: { type: 'grant', id: newId() } });
    return [...withData(contracts.ReservationHeld, { agent: 'child', delegations: [delegation_id], delegated_by: ['outreach-agent'] }), data];
  }, claimed],
  [3, 'another target claimed', () => withData(contracts.ReservationHeld, { target_hash: hashOf('f') }), claimed],
  [3, 'other arguments executed', () => withData(contracts.ExecutionSucceeded, { executed_arguments_hash: hashOf('f') }), nth(contracts.ExecutionSucceeded)],
  [3, 'a grant for another agent than proposed', () => withGrant(contracts.ActionCapped, { agent_identity: 'someone' }), nth(contracts.ActionCapped)],
  [3, 'narrowed without a record of it', () => withData(contracts.ApprovalGranted, { narrowed: [] }), nth(contracts.ApprovalGranted)],
  [3, 'an allowance with other arguments', () => withGrant(contracts.ActionAllowed, { granted_arguments_hash: hashOf('f') }), nth(contracts.ActionAllowed)],
  [3, 'a grant without a proposal', () => without(contracts.ActionProposed), nth(contracts.ApprovalGranted)],
  [4, 'a use past the maximum', () => withData(contracts.ReservationHeld, { use_no: 2 }), claimed],
  [4, 'more claimed altogether than granted', () => withGrant(contracts.ApprovalGranted, { total_points: 19 }), claimed],
  [4, 'more uses than granted', () => claimAgain({ use_no: 2 }), last],
  [5, 'one use claimed twice', () => claimAgain({}), last],
  [5, 'one effect key started twice', () => appended(nth(contracts.ExecutionStarted)(good), contracts.ExecutionStarted, dataOf(contracts.ExecutionStarted)), last],
  [5, 'an effect key of its own', () => withData(contracts.ReservationHeld, { execution_id: newId() }), claimed],
  [6, 'started again while unknown', () => {
    const unknownAt = nth(contracts.ExecutionUnknown)(good);
    return changedAt(nth(contracts.ExecutionReconciled)(good), (event) => ({ ...event, type: contracts.ExecutionStarted.type, data: { ...dataOf(contracts.ExecutionStarted), ...(good[unknownAt]?.data as object) } }));
  }, nth(contracts.ExecutionReconciled)],
  [6, 'reconciled though it was not unknown', () => appended(nth(contracts.ExecutionSucceeded)(good), contracts.ExecutionReconciled, { ...dataOf(contracts.ExecutionReconciled), execution_id: dataOf(contracts.ExecutionSucceeded).execution_id }, { actorType: 'person', actorId: 'lena' }), last],
  [6, 'reconciled by nobody', () => changedAt(nth(contracts.ExecutionReconciled)(good), (event) => ({ ...event, actorType: 'service', actorId: 'executor' })), nth(contracts.ExecutionReconciled)],
  [7, 'more held than the cap', () => withData(contracts.ReservationHeld, ({ holds }) => ({ holds: holds.map((hold) => ({ ...hold, held: '2000' })) })), claimed],
  [7, 'an entry that does not follow', () => withData(contracts.ReservationCommitted, ({ moves }) => ({ moves: moves.map((move) => ({ ...move, held: '5' })) })), nth(contracts.ReservationCommitted)],
  [7, 'a cap that grew by itself', () => withData(contracts.ReservationHeld, ({ holds }) => ({ holds: holds.map((hold) => ({ ...hold, cap: '100000' })) })), claimed],
  [7, 'an entry left out', () => without(contracts.ReservationExpired), (events) => nth(contracts.ReservationHeld, 4)(events)],
  [7, 'two entries of one number', () => withData(contracts.ReservationHeld, ({ holds }) => ({ holds: holds.map((hold) => ({ ...hold, entry_no: hold.entry_no - 1 })) }), 1), nth(contracts.ReservationHeld, 1)],
  [7, 'an ancestor’s budget not charged', () => withData(contracts.ReservationHeld, ({ holds }) => ({ holds: holds.slice(1) })), claimed],
  [7, 'moves on a budget that was never defined', () => without(contracts.BudgetDefined), claimed],
  [8, 'two ends', () => appended(claimed(good), contracts.ReservationReleased, { ...dataOf(contracts.ReservationReleased), reservation_id: dataOf(contracts.ReservationHeld).reservation_id, moves: [] }), last],
  [8, 'an end that forgets a budget', () => withData(contracts.ReservationExpired, { moves: [] }), nth(contracts.ReservationExpired)],
  [8, 'held for ever', () => without(contracts.ReservationExpired).map((event) => (event.sequence === good.length - 1 ? { ...event, service: 'reservations' as const, timeMs: event.timeMs + 3_600_000 } : event)), nth(contracts.ReservationHeld, 3)],
  [9, 'committed before anything happened', () => without(contracts.ExecutionSucceeded), nth(contracts.ReservationCommitted)],
  [9, 'released though nothing says it failed', () => without(contracts.ExecutionReconciled), nth(contracts.ReservationReleased)],
  [9, 'an effect that was never started', () => without(contracts.ExecutionStarted), nth(contracts.ExecutionSucceeded)],
  [9, 'something after the end', () => appended(claimed(good), contracts.ReservationStarted, { ...dataOf(contracts.ReservationStarted) }), last],
  [9, 'started before it was held', () => {
    const [held, started] = [claimed(good), nth(contracts.ReservationStarted)(good)];
    return good.map((event) => (event.sequence === held ? { ...event, version: 2 } : event.sequence === started ? { ...event, version: 1 } : event));
  }, nth(contracts.ReservationStarted)],
  [10, 'more committed than held', () => withData(contracts.ReservationCommitted, ({ moves }) => ({ moves: moves.map((move) => ({ ...move, amount: '21' })) })), nth(contracts.ReservationCommitted)],
  [10, 'more used than held', () => withData(contracts.ReservationCommitted, { actual: [{ unit: 'RISK_POINTS', amount: '21' }] }), nth(contracts.ReservationCommitted)],
  [11, 'the owner of the agent approved', () => withData(contracts.ApprovalOpened, { agent_owner: 'fred' }), nth(contracts.ApprovalGranted)],
  [11, 'one stage without its quorum', () => withData(contracts.ApprovalOpened, ({ demand }) => ({ demand: { ...demand, stages: demand.stages.map((stage) => ({ ...stage, quorum: 2 })) } })), nth(contracts.ApprovalGranted)],
  [11, 'one person on two accounts', () => withData(contracts.PersonLinked, { subject: 'idp#2' }), nth(contracts.ApprovalGranted)],
  [11, 'a role nobody gave', () => withData(contracts.PersonLinked, { roles: ['approver'] }), nth(contracts.ApprovalGranted)],
  [11, 'a vote by an agent', () => changedAt(nth(contracts.ApprovalVoted)(good), (event) => ({ ...event, actorType: 'agent' })), nth(contracts.ApprovalVoted)],
  [11, 'a rejecting vote counted as approval', () => withData(contracts.ApprovalVoted, { vote: 'reject' }), nth(contracts.ApprovalGranted)],
  [11, 'one person in two stages', () => withData(contracts.ApprovalVoted, { person: 'lena', role: 'finance' }).map((event) => (event.sequence === nth(contracts.ApprovalVoted)(good) ? { ...event, actorId: 'lena' } : event)), nth(contracts.ApprovalGranted)],
  [12, 'a budget by an agent', () => changedAt(nth(contracts.BudgetDefined)(good), (event) => ({ ...event, actorType: 'agent', actorId: 'outreach-agent' })), nth(contracts.BudgetDefined)],
  [12, 'a policy by the executor', () => changedAt(nth(contracts.PolicyPublished)(good), (event) => ({ ...event, actorType: 'service', actorId: 'executor' })), nth(contracts.PolicyPublished)],
  [13, 'a policy hash of another policy', () => changedAt(nth(contracts.PolicyPublished)(good), (event) => ({ ...event, canonicalHash: hashOf('f') })), nth(contracts.PolicyPublished)],
  [13, 'a request under another policy than its verdict', () => withData(contracts.ApprovalOpened, { policy_hash: hashOf('f') }), nth(contracts.ApprovalOpened)],
  [13, 'a claim under a policy that is not in force', () => withData(contracts.ReservationHeld, { policy_version: 2 }), claimed],
  [13, 'a changed policy that was not evaluated again', () => withGrant(contracts.ApprovalGranted, { policy_hash: hashOf('f') }), claimed],
  [13, 'in force and never published', () => without(contracts.PolicyPublished), nth(contracts.PolicyInForce)],
  [14, 'claimed from a closed grant', () => appended(nth(contracts.GrantClosed)(good), contracts.GrantClosed, { grant_id: dataOf(contracts.ReservationHeld).grant_id, reason: 'revoked' }, { timeMs: 0 }), claimed],
  [14, 'rejected and granted', () => withData(contracts.ApprovalRejected, { approval_id: dataOf(contracts.ApprovalGranted).approval_id }), nth(contracts.ApprovalGranted)],
  [14, 'denied and granted', () => withData(contracts.ActionDenied, { action_id: dataOf(contracts.ActionAllowed).action_id }), nth(contracts.ActionAllowed)],
  [14, 'revoked without effect', () => without(contracts.GrantClosed), nth(contracts.GrantRevoked)],
  [15, 'claimed under a freeze', () => withData(contracts.ReservationHeld, { fence_epoch: 2 }, 4), nth(contracts.ReservationHeld, 4)],
  [15, 'claimed under a freeze of the agent whose authority it uses', () => {
    const freeze = dataOf(contracts.FreezeApplied);
    const events = withData(contracts.FreezeApplied, { scope: 'agent', value: 'boss' });
    return events.map((event) => (event.sequence === nth(contracts.ReservationHeld, 4)(good) ? { ...event, data: { ...(event.data as object), fence_epoch: freeze.fence_epoch, delegated_by: ['boss'] } } : event));
  }, nth(contracts.ReservationHeld, 4)],
  [15, 'claimed under an open circuit', () => {
    const { agent, fence_epoch } = dataOf(contracts.ReservationHeld);
    const rate = { rejections: 9, denials_after_approval: 0, volume: 20, rate_ppm: 450_000, threshold_ppm: 150_000, window_ms: 3_600_000 };
    return appended(nth(contracts.FreezeApplied)(good), contracts.CircuitOpened, { circuit_id: newId(), agent, ...rate, because: 'rate', fence_epoch }, { stream: `acme/circuit/${newId()}@reservations`, version: 1 });
  }, claimed],
  [16, 'quiesced while a claim still holds', () => without(contracts.ReservationExpired), nth(contracts.FreezeQuiesced)],
  [16, 'a claim from before that ends later and was not listed', () => withData(contracts.ReservationHeld, { fence_epoch: 1 }, 4), nth(contracts.ReservationCommitted, 2)],
  [16, 'a start after everything was quiet', () => changedAt(nth(contracts.ReservationStarted)(good), (event) => ({ ...event, timeMs: event.timeMs + 3_600_000 })), nth(contracts.ReservationStarted)],
  [17, 'a claim wider than its grant', () => withData(contracts.ReservationHeld, { caps: {} }, 2), nth(contracts.ReservationHeld, 2)],
  [17, 'a grant wider than policy’s caps', () => withGrant(contracts.ActionCapped, { caps: {} }), nth(contracts.ActionCapped)],
  [17, 'a grant for more altogether than its caps', () => withGrant(contracts.ApprovalGranted, { caps: { max_total: { RISK_POINTS: '20' } }, total_points: 21 }), nth(contracts.ApprovalGranted)],
  [17, 'more held than a use of a bounded grant may ask for', () => bounded({ most: 19 }), claimed],
  [17, 'what policy binds differs from use to use', () => bounded({ varies: [] }), nth(contracts.ApprovalGranted)],
  [17, 'fewer points held than granted', () => withGrant(contracts.ApprovalGranted, { risk_points: 21 }), claimed],
  [17, 'a granted unit not held', () => withGrant(contracts.ApprovalGranted, { amounts: [{ unit: 'USD_MICROCENTS', amount: '5' }] }), claimed],
  [18, 'facts of another tenant', () => withData(contracts.ActionProposed, ({ facts }) => ({ facts: { ...facts, tenant: 'globex' } })), nth(contracts.ActionProposed)],
  [18, 'a claim on another tenant’s scope', () => withData(contracts.ReservationHeld, { scope_path: SCOPE.replace('acme', 'globex') }), claimed],
  [18, 'an event of another tenant', () => changedAt(nth(contracts.ReservationRefused)(good), (event) => ({ ...event, tenant: 'globex' })), nth(contracts.ReservationRefused)],
  [19, 'a version left out', () => without(contracts.ReservationStarted), nth(contracts.ReservationCommitted)],
  [19, 'two events of one version', () => appended(claimed(good), contracts.ReservationExtended, { reservation_id: dataOf(contracts.ReservationHeld).reservation_id, expires_at: '2026-11-20T09:00:00.000Z' }, { version: 2 }), last],
  [26, 'a vote on another card', () => withData(contracts.ApprovalVoted, { view_hash: hashOf('9') }), nth(contracts.ApprovalVoted)],
  [26, 'a vote on the card that a remark replaced', () => appended(nth(contracts.ApprovalOpened)(good), contracts.ApprovalAnnotated, { ...dataOf(contracts.ApprovalOpened), view_hash: hashOf('9') }, { version: 1 }), nth(contracts.ApprovalVoted)],
];

describe.each(CASES)('invariant %d', (number, what, bad, place) => {
  test(`finds: ${what}`, () => {
    const found = checkInvariants(bad()).filter(({ invariant }) => invariant === number);
    expect(found.length).toBeGreaterThan(0);
    if (place !== undefined) expect(found.map(({ sequence }) => sequence)).toContain(place(good));
  });
});

test('every invariant has a bad log here', () => {
  expect([...new Set(CASES.map(([number]) => number))]).toEqual(INVARIANTS.map(({ number }) => number));
});

test('what is missing beside recent events is open, beside older ones it is not', () => {
  const bad = without(contracts.GrantClosed);
  expect(checkInvariants(bad, { settleMs: 3_600_000 }).filter(({ open }) => open !== true)).toEqual([]);
  expect(checkInvariants(bad, { settleMs: 1 }).some(({ open }) => open !== true)).toBe(true);
});

test('a budget that stands aside of the scope path is not charged', () => {
  const aside = { ...dataOf(contracts.BudgetDefined), budget_id: newId(), scope_path: `${WORKSPACE}-2` };
  const extra: LogEvent = { ...(good[nth(contracts.BudgetDefined)(good)] as LogEvent), id: newId(), sequence: good.length, stream: 'acme/budget/aside@reservations', data: aside };
  expect(checkInvariants([...good, extra])).toEqual([]);
});
