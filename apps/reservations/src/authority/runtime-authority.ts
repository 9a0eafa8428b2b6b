import { pipelined } from '@exequatur/event-store';
import type { Locks, PgEventStore, PgTransaction } from '@exequatur/event-store';
import { DEFAULT_LIMITS, pathAndAncestors, useNoOf } from '@exequatur/reservations-domain';
import type { ReservationLimits } from '@exequatur/reservations-domain';
import { reservationStream } from './authority-command.js';
import type { AuthorityCommand, AuthorityOutcome, ReserveAsked, SettleAsked } from './authority-command.js';
import { lockBudgets } from './budget-rows.js';
import type { BudgetNeeds } from './budget-rows.js';
import { decideInOrder } from './decide-in-order.js';
import type { Locked } from './decide-in-order.js';
import { admitGrants, lockGrants } from './grant-rows.js';
import type { UseRef } from './grant-rows.js';
import { lockReservations } from './reservation-rows.js';
import type { TenantBoards } from './tenant-board.js';
import { writeDecided } from './write-decided.js';

/** What `PgEventStore.transact` must have locked before `apply` may run on these commands. */
export const authorityLocks = (commands: readonly AuthorityCommand[]): Locks => ({
  fences: [...new Set(commands.map(({ tenant }) => tenant))].map((tenant) => ({ tenant, mode: 'shared' as const })),
  streams: [...new Map(commands.filter(({ kind }) => kind === 'settle').map(({ tenant, reservationId }) => [reservationId, reservationStream(tenant, reservationId)])).values()],
  // Who asks for a claim draws the id of its reservation.
  fresh: commands.filter(({ kind }) => kind !== 'settle').map(({ tenant, reservationId }) => reservationStream(tenant, reservationId)),
});

/**
 * The runtime authority: decides commands in the order given, inside the caller's transaction, and writes rows and events.
 * The order of locks is that of architecture.md 3: fences and streams (`authorityLocks`), then, after the caller's
 * idempotency keys, grants, reservations and budgets; the clock is read after all of them.
 *
 * Two flights of statements a transaction, however many commands: all that is read, then all that is written with the commit.
 */
export class RuntimeAuthority {
  constructor(
    private readonly store: PgEventStore,
    private readonly boards: TenantBoards,
    readonly limits: ReservationLimits = DEFAULT_LIMITS,
  ) {}

  /** What the commands are decided on, locked. Asks in the order of locks and waits once. */
  async read(tx: PgTransaction, commands: readonly AuthorityCommand[]): Promise<Locked> {
    const reserves = commands.filter((command) => command.kind === 'reserve');
    const settles = commands.filter((command) => command.kind === 'settle');
    const [boards, , grants, reservations, budgets, nowMs] = await pipelined(
      this.boards.read(tx, commands.map(({ tenant }) => tenant)),
      admitGrants(tx, reserves.flatMap(({ tenant, presented }) => (presented?.tenant === tenant ? [presented] : []))),
      lockGrants(tx, reserves.flatMap(grantRefs)),
      lockReservations(tx, settles),
      lockBudgets(tx, { places: placesOf(commands), heldBy: settles }),
      databaseNow(tx),
    );
    return { boards, grants, reservations, budgets, nowMs, limits: this.limits };
  }

  /** One outcome a command. Sends rows and events with the commit: the transaction's only append. */
  decide(tx: PgTransaction, commands: readonly AuthorityCommand[], locked: Locked): readonly AuthorityOutcome[] {
    const decided = decideInOrder(commands, locked);
    this.store.send(tx, writeDecided(tx, decided, locked));
    return decided.outcomes;
  }

  async apply(tx: PgTransaction, commands: readonly AuthorityCommand[]): Promise<readonly AuthorityOutcome[]> {
    return commands.length === 0 ? [] : this.decide(tx, commands, await this.read(tx, commands));
  }

  /** A transaction of its own for commands that come neither from HTTP nor from an event: the sweeps. */
  run(commands: readonly AuthorityCommand[]): Promise<readonly AuthorityOutcome[]> {
    return this.store.transactAtOnce(authorityLocks(commands), (tx) => this.apply(tx, commands));
  }
}

const grantRefs = ({ tenant, request, presented }: ReserveAsked): readonly UseRef[] => {
  const grantId = presented?.grant_id ?? request.grant_id;
  return grantId === undefined ? [] : [{ tenant, grantId, useNo: useNoOf(request) }];
};

/** Every budget on the paths: which units a grant charges is known only when it has been read. */
const placesOf = (commands: readonly AuthorityCommand[]): BudgetNeeds['places'] => {
  const places = new Map<string, BudgetNeeds['places'][number]>();
  for (const command of commands) {
    if (command.kind === 'settle') continue;
    const { tenant } = command;
    for (const scopePath of pathAndAncestors(chargedPath(command))) places.set(`${tenant} ${scopePath}`, { tenant, scopePath });
  }
  return [...places.values()];
};

const chargedPath = (command: Exclude<AuthorityCommand, SettleAsked>): string => (command.kind === 'reserve' ? command.request.scope_path : command.hold.scopePath);

/** Unix ms of the database that holds the authority, at this very moment. */
export const databaseNow = async (tx: PgTransaction): Promise<number> => {
  const { rows } = await tx.query<{ now: Date }>({ name: 'authority-now', text: 'SELECT clock_timestamp() AS now' });
  const now = rows[0]?.now;
  if (now === undefined) throw new Error('the database did not say what time it is');
  return now.getTime();
};
