import type { Locks, PgTransaction } from '@exequatur/event-store';
import type { PgEventStore } from '@exequatur/event-store';
import { DEFAULT_LIMITS, pathAndAncestors, useNoOf } from '@exequatur/reservations-domain';
import type { ReservationLimits } from '@exequatur/reservations-domain';
import { reservationStream } from './authority-command.js';
import type { AuthorityCommand, AuthorityOutcome, ReserveAsked } from './authority-command.js';
import { lockBudgets } from './budget-rows.js';
import type { BudgetNeeds } from './budget-rows.js';
import { decideInOrder } from './decide-in-order.js';
import { admitGrants, grantKey, lockGrants } from './grant-rows.js';
import type { LockedGrant, UseRef } from './grant-rows.js';
import { lockReservations } from './reservation-rows.js';
import type { TenantBoards } from './tenant-board.js';
import { writeDecided } from './write-decided.js';

/** What `PgEventStore.transact` must have locked before `apply` may run on these commands. */
export const authorityLocks = (commands: readonly AuthorityCommand[]): Locks => ({
  fences: [...new Set(commands.map(({ tenant }) => tenant))].map((tenant) => ({ tenant, mode: 'shared' as const })),
  streams: [...new Map(commands.map(({ tenant, reservationId }) => [reservationId, reservationStream(tenant, reservationId)])).values()],
});

/**
 * The runtime authority: decides commands in the order given, inside the caller's transaction, and writes rows and events.
 * The order of locks is that of architecture.md 3: fences and streams (`authorityLocks`), then, after the caller's
 * idempotency keys, grants, reservations and budgets; the clock is read after all of them.
 */
export class RuntimeAuthority {
  constructor(
    private readonly store: PgEventStore,
    private readonly boards: TenantBoards,
    readonly limits: ReservationLimits = DEFAULT_LIMITS,
  ) {}

  /** One outcome a command. Appends events itself: the transaction's only append. */
  async apply(tx: PgTransaction, commands: readonly AuthorityCommand[]): Promise<readonly AuthorityOutcome[]> {
    if (commands.length === 0) return [];
    const boards = await this.boards.read(tx, commands.map(({ tenant }) => tenant));
    const reserves = commands.filter((command) => command.kind === 'reserve');
    const settles = commands.filter((command) => command.kind === 'settle');
    await admitGrants(tx, reserves.flatMap(({ tenant, presented }) => (presented?.tenant === tenant ? [presented] : [])));
    const grants = await lockGrants(tx, reserves.flatMap(grantRefs));
    const reservations = await lockReservations(tx, settles);
    const budgets = await lockBudgets(tx, budgetNeeds(reserves, grants, [...reservations.keys()]));
    const locked = { boards, grants, reservations, budgets, nowMs: await databaseNow(tx), limits: this.limits };
    const decided = decideInOrder(commands, locked);
    const writes = await writeDecided(tx, decided, locked);
    if (writes.length > 0) await this.store.append(tx, writes);
    return decided.outcomes;
  }

  /** A transaction of its own for commands that come neither from HTTP nor from an event: the sweeps. */
  run(commands: readonly AuthorityCommand[]): Promise<readonly AuthorityOutcome[]> {
    return this.store.transact(authorityLocks(commands), (tx) => this.apply(tx, commands));
  }
}

const grantRefs = ({ tenant, request, presented }: ReserveAsked): readonly UseRef[] => {
  const grantId = presented?.grant_id ?? request.grant_id;
  return grantId === undefined ? [] : [{ tenant, grantId, useNo: useNoOf(request) }];
};

/** Only budgets that a decision can move are locked: of the granted and asked units, on the path. */
const budgetNeeds = (reserves: readonly ReserveAsked[], grants: ReadonlyMap<string, LockedGrant>, heldBy: readonly string[]): BudgetNeeds => {
  const places = new Map<string, BudgetNeeds['places'][number]>();
  for (const command of reserves) {
    const { tenant, request } = command;
    const claims = grantRefs(command).map((ref) => grants.get(grantKey(ref))?.claims)[0];
    if (claims === undefined) continue;
    const units = new Set(['RISK_POINTS', ...claims.amounts.map(({ unit }) => unit), ...(request.amounts ?? []).map(({ unit }) => unit)]);
    for (const scopePath of pathAndAncestors(request.scope_path)) for (const unit of units) places.set(`${tenant} ${scopePath} ${unit}`, { tenant, scopePath, unit });
  }
  return { places: [...places.values()], heldBy };
};

/** Unix ms of the database that holds the authority, at this very moment. */
export const databaseNow = async (tx: PgTransaction): Promise<number> => {
  const { rows } = await tx.query<{ now: Date }>({ name: 'authority-now', text: 'SELECT clock_timestamp() AS now' });
  const now = rows[0]?.now;
  if (now === undefined) throw new Error('the database did not say what time it is');
  return now.getTime();
};
