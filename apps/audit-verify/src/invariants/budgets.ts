import { BudgetAdjusted, BudgetClosed, BudgetDefined, OverageAuthorised, ReservationCommitted, ReservationExpired, ReservationExtended, ReservationHeld, ReservationMarkedUnknown, ReservationReleased } from '@exequatur/contracts';
import type { BudgetMove } from '@exequatur/contracts';
import { fromInstant } from '@exequatur/kernel';
import { isEvent } from '../log/event-log.js';
import type { EventLog } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';
import { absent, must, wrong } from './finding.js';
import type { Finding } from './finding.js';

/** One step of a budget, in entry_no order; `held` and `committed` are what the step adds to what stood before. */
interface Entry {
  readonly event: LogEvent;
  readonly entryNo: number;
  readonly after: { readonly held: bigint; readonly committed: bigint; readonly cap: bigint };
  readonly adds: { readonly held: bigint; readonly committed: bigint } | undefined;
  readonly setsCap: boolean;
  /** Start of the window the figures are of; undefined for budgets without windows. */
  readonly window: string | undefined;
  /** Spent beyond the cap, as its own event allowed. */
  readonly debt: bigint;
  /** The budget came into being with this hold. */
  readonly begins: boolean;
}

type Settling = LogEvent<{ readonly reservation_id: string; readonly moves: readonly BudgetMove[] }>;

/** Ends that move budgets. Unknown moves nothing: its hold stands. */
const settlings = (log: EventLog): readonly Settling[] => [...log.of(ReservationCommitted), ...log.of(ReservationReleased), ...log.of(ReservationExpired)];

const after = ({ held, committed, cap }: { readonly held: string; readonly committed: string; readonly cap: string }): Entry['after'] => ({ held: BigInt(held), committed: BigInt(committed), cap: BigInt(cap) });

const termsOf = ({ window_start: window, debt = '0', run_limit: runLimit }: { readonly window_start?: string; readonly debt?: string; readonly run_limit?: string }): Pick<Entry, 'window' | 'debt' | 'begins'> => ({ window, debt: BigInt(debt), begins: runLimit !== undefined });

const entriesByBudget = (log: EventLog): ReadonlyMap<string, Entry[]> => {
  const budgets = new Map<string, Entry[]>();
  const add = (budgetId: string, entry: Entry): void => {
    const known = budgets.get(budgetId);
    if (known) known.push(entry);
    else budgets.set(budgetId, [entry]);
  };
  for (const event of log.of(BudgetDefined)) add(event.data.budget_id, { event, entryNo: event.data.entry_no, after: after({ ...event.data, held: '0', committed: '0' }), adds: { held: 0n, committed: 0n }, setsCap: true, ...termsOf(event.data) });
  for (const event of log.of(BudgetAdjusted)) add(event.data.budget_id, { event, entryNo: event.data.entry_no, after: after(event.data), adds: { held: 0n, committed: 0n }, setsCap: true, ...termsOf(event.data) });
  for (const event of log.of(BudgetClosed)) add(event.data.budget_id, { event, entryNo: event.data.entry_no, after: after(event.data), adds: { held: 0n, committed: 0n }, setsCap: true, ...termsOf({}) });
  for (const event of log.of(ReservationHeld)) {
    for (const move of event.data.holds) add(move.budget_id, { event, entryNo: move.entry_no, after: after(move), adds: { held: BigInt(move.amount), committed: 0n }, setsCap: move.run_limit !== undefined, ...termsOf(move) });
  }
  const held = log.indexed(ReservationHeld, (data) => data.reservation_id);
  for (const event of settlings(log)) {
    const holds = held.get(event.data.reservation_id)?.[0]?.data.holds;
    for (const move of event.data.moves) {
      const hold = holds?.find(({ budget_id: budgetId, unit }) => budgetId === move.budget_id && unit === move.unit);
      const adds = hold === undefined ? undefined : { held: -BigInt(hold.amount), committed: isEvent(event, ReservationCommitted) ? BigInt(move.amount) : 0n };
      add(move.budget_id, { event, entryNo: move.entry_no, after: after(move), adds, setsCap: false, ...termsOf(move) });
    }
  }
  for (const entries of budgets.values()) entries.sort((a, b) => a.entryNo - b.entryNo);
  return budgets;
};

/** 7. On every budget, after every entry: held + committed ≤ cap; entries follow one another without gap. */
export const budget = (log: EventLog): readonly Finding[] => [...[...entriesByBudget(log)].flatMap(([budgetId, entries]) => budgetHistory(budgetId, entries)), ...ancestorsCharged(log)];

const budgetHistory = (budgetId: string, entries: readonly Entry[]): readonly Finding[] => {
  let before: Entry | undefined;
  // The end of a reservation counts in the window it was made in, perhaps behind entries of a newer one.
  const newestOf = new Map<string | undefined, Entry>();
  return entries.flatMap((entry) => {
    const previous = before;
    const ofWindow = newestOf.get(entry.window);
    before = entry;
    newestOf.set(entry.window, entry);
    const { event, entryNo, after: now } = entry;
    const inCap = must(now.held + now.committed <= now.cap + entry.debt, event, `budget ${budgetId}: held ${now.held} + committed ${now.committed} is more than its cap ${now.cap}`);
    if (entryNo !== (previous?.entryNo ?? 0) + 1) {
      if (entryNo === previous?.entryNo) return [...inCap, wrong(event, `budget ${budgetId} has two entries ${entryNo}`)];
      return [...inCap, absent(event, `budget ${budgetId}: no entry between ${previous?.entryNo ?? 0} and ${entryNo}`)];
    }
    return [...inCap, ...(previous !== undefined && ofWindow === undefined ? [] : continues(budgetId, ofWindow, entry))];
  });
};

const continues = (budgetId: string, previous: Entry | undefined, { event, entryNo, after: now, adds, setsCap, debt, begins }: Entry): readonly Finding[] => {
  if (previous === undefined) return must(isEvent(event, BudgetDefined) || begins, event, `budget ${budgetId} moves before it was defined`);
  // What lies beyond the cap is told apart as debt; its own event says how much.
  if (adds === undefined || debt > 0n || previous.debt > 0n) return [];
  const follows = now.held === previous.after.held + adds.held && now.committed === previous.after.committed + adds.committed && (setsCap || now.cap === previous.after.cap);
  return must(follows, event, `budget ${budgetId}: entry ${entryNo} does not follow from entry ${previous.entryNo}`);
};

/** A budget this much older than a claim was certainly known when the claim was decided. */
const KNOWN_AFTER_MS = 10_000;

const ancestorsCharged = (log: EventLog): readonly Finding[] => {
  const budgets = log.of(BudgetDefined);
  const closed = log.indexed(BudgetClosed, (data) => data.budget_id);
  return log.of(ReservationHeld).flatMap((held) => {
    // A limit of the run is a ceiling of its own and no budget of the path.
    const units = new Set(held.data.holds.flatMap(({ unit, run_limit: runLimit }) => (runLimit === undefined ? [unit] : [])));
    return budgets
      .filter(({ data, timeMs }) => units.has(data.unit) && timeMs + KNOWN_AFTER_MS < held.timeMs && `${held.data.scope_path}/`.startsWith(`${data.scope_path}/`))
      .filter(({ data }) => !held.data.holds.some((hold) => hold.budget_id === data.budget_id) && !closed.has(data.budget_id))
      .map(({ data }) => wrong(held, `budget ${data.budget_id} on ${data.scope_path} was not charged`));
  });
};

/** Longer than any configured grace and sweep together: after it a hold without an end is forgotten. */
const SWEPT_WITHIN_MS = 600_000;

/** 8. What was reserved is committed or returned, once; past its time only what is unknown still holds. */
export const conserved = (log: EventLog): readonly Finding[] => {
  const ends = new Map<string, Settling[]>();
  for (const event of settlings(log)) ends.set(event.data.reservation_id, [...(ends.get(event.data.reservation_id) ?? []), event]);
  const unknown = new Set(log.of(ReservationMarkedUnknown).map(({ data }) => data.reservation_id));
  const extended = log.indexed(ReservationExtended, (data) => data.reservation_id);
  const newest = log.newestOf('reservations');
  return log.of(ReservationHeld).flatMap((held) => {
    const id = held.data.reservation_id;
    const [end, ...more] = ends.get(id) ?? [];
    if (end === undefined) {
      const until = Math.max(...[held, ...(extended.get(id) ?? [])].map(({ data }) => fromInstant(data.expires_at)));
      return must(unknown.has(id) || until + SWEPT_WITHIN_MS > newest, held, 'still holds long after its time, without an end and without being unknown');
    }
    return [...more.map((event) => wrong(event, `reservation ${id} has more than one end`)), ...sameBudgets(held.data.holds, end)];
  });
};

const sameBudgets = (holds: readonly BudgetMove[], end: Settling): readonly Finding[] => {
  const keysOf = (moves: readonly BudgetMove[]): string => moves.map(({ budget_id: budgetId, unit }) => `${budgetId} ${unit}`).sort().join();
  return must(keysOf(holds) === keysOf(end.data.moves), end, 'the end moves other budgets than the reservation holds on');
};

/** 10. Of no unit and no budget more is committed than was reserved, unless an earlier event on the same stream allowed it. */
export const overage = (log: EventLog): readonly Finding[] => {
  const held = log.indexed(ReservationHeld, (data) => data.reservation_id);
  const authorised = log.indexed(OverageAuthorised, (data) => data.reservation_id);
  return log.of(ReservationCommitted).flatMap((event) => {
    const holds = held.get(event.data.reservation_id)?.[0]?.data.holds;
    if (holds === undefined) return [];
    const overages = (authorised.get(event.data.reservation_id) ?? []).filter(({ version }) => version < event.version).flatMap(({ data }) => data.overages);
    const extra = (match: (overage: (typeof overages)[number]) => boolean): bigint => overages.filter(match).reduce((largest, { extra: more }) => (BigInt(more) > largest ? BigInt(more) : largest), 0n);
    const most = (match: (hold: BudgetMove) => boolean): bigint => holds.filter(match).reduce((largest, { amount }) => (BigInt(amount) > largest ? BigInt(amount) : largest), 0n);
    return [
      ...event.data.moves.flatMap((move) => must(BigInt(move.amount) <= most((hold) => hold.budget_id === move.budget_id && hold.unit === move.unit) + extra((over) => over.budget_id === move.budget_id && over.unit === move.unit), event, `more ${move.unit} is committed on ${move.budget_id} than was held`)),
      ...event.data.actual.flatMap(({ unit, amount }) => must(BigInt(amount) <= most((hold) => hold.unit === unit) + extra((over) => over.unit === unit), event, `more ${unit} was used than was held`)),
    ];
  });
};
