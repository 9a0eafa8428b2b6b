import { pipelined } from '@exequatur/event-store';
import type { Locks, PgEventStore, PgTransaction } from '@exequatur/event-store';
import { DEFAULT_LIMITS, isEnd, pathAndAncestors, useNoOf } from '@exequatur/reservations-domain';
import type { ReservationLimits } from '@exequatur/reservations-domain';
import { circuitsOn, hasHalfOpen, lockProbes } from '../circuits/standing-circuits.js';
import { chainOf, lockDelegations } from '../delegations/delegation-rows.js';
import type { DelegationRef } from '../delegations/delegation-rows.js';
import { chargedPath, reservationStream } from './authority-command.js';
import type { AuthorityCommand, AuthorityOutcome, ReserveAsked, SettleAsked } from './authority-command.js';
import { lockBudgets, placeKey, sendExpectedBudgets } from './budget-rows.js';
import type { BudgetNeeds } from './budget-rows.js';
import { claimsOf, decideInOrder } from './decide-in-order.js';
import type { Decided, Locked } from './decide-in-order.js';
import { Foresight, sameUntil } from './foresight.js';
import { admitGrants, lockGrants, sendExpectedGrants } from './grant-rows.js';
import type { UseRef } from './grant-rows.js';
import { LimitHints } from './limit-hints.js';
import { addLimits, forgetLimits, lockLimits, mayFollow, needClaim, noLimitNeeds, noLimits, stillNeeded, together } from './limit-rows.js';
import type { LimitNeeds, LimitRows } from './limit-rows.js';
import { lockReservations } from './reservation-rows.js';
import { sendExpectedBoards } from './tenant-board.js';
import type { TenantBoards } from './tenant-board.js';
import { writeDecided } from './write-decided.js';

const NO_ROWS = Promise.resolve(undefined);
const BEFORE_GUESSED = { name: 'authority-before-guessed', text: 'SAVEPOINT guessed' };
const UNLOCK_GUESSED = { name: 'authority-unlock-guessed', text: 'ROLLBACK TO SAVEPOINT guessed' };

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
 * idempotency keys, grants, reservations, delegations and budgets; the clock is read after all of them.
 *
 * Two flights of statements a transaction, however many commands: all that is read, then all that is written with the commit;
 * one, where everything was decided here just now (`foresee`).
 * A third between them where the policy turns out to have limits that nobody expected, or a circuit is half-open.
 */
export class RuntimeAuthority {
  private readonly hints = new LimitHints();
  private readonly foresight = new Foresight();

  constructor(
    private readonly store: PgEventStore,
    private readonly boards: TenantBoards,
    readonly limits: ReservationLimits = DEFAULT_LIMITS,
  ) {}

  /** What the commands are decided on, locked. Asks in the order of locks and waits once. */
  async read(tx: PgTransaction, commands: readonly AuthorityCommand[]): Promise<Locked> {
    const reserves = commands.filter((command) => command.kind === 'reserve');
    const settles = commands.filter((command) => command.kind === 'settle');
    const guess = this.hints.guess(commands);
    const [boards, , grants, reservations, delegations, budgets, guessed, firstNowMs] = await pipelined(
      this.boards.read(tx, commands.map(({ tenant }) => tenant)),
      admitGrants(tx, reserves.flatMap(({ tenant, presented }) => (presented?.tenant === tenant ? [presented] : []))),
      lockGrants(tx, reserves.flatMap(grantRefs)),
      lockReservations(tx, settles),
      lockDelegations(tx, reserves.flatMap(delegationRefs)),
      lockBudgets(tx, { places: placesOf(commands), heldBy: settles }),
      guess === undefined ? NO_ROWS : this.lockGuessed(tx, guess),
      databaseNow(tx),
    );
    this.hints.remember(boards);
    const circuits = circuitsOn(boards);
    const locked: Locked = { boards, circuits, grants, reservations, delegations, budgets, ...noLimits(), nowMs: firstNowMs, limits: this.limits };
    if (guessed !== undefined) addLimits(locked, budgets, guessed);
    this.foresight.clock.read(firstNowMs);
    const needs = limitsNeededBy(reserves, settles, locked);
    const missing = stillNeeded(needs, locked);
    if (missing === undefined && !hasHalfOpen(circuits)) return locked;
    const again = missing !== undefined && guess !== undefined && !mayFollow(missing, guess);
    if (again) forgetLimits(locked);
    // The time is read after all locks, so once more.
    const [, rows, , nowMs] = await pipelined(again ? tx.query(UNLOCK_GUESSED) : NO_ROWS, missing === undefined ? NO_ROWS : lockLimits(tx, again ? together(needs, guess) : missing), lockProbes(tx, circuits), databaseNow(tx));
    if (rows !== undefined) addLimits(locked, budgets, rows);
    return { ...locked, nowMs };
  }

  /** Behind a savepoint: a guess that turns out to be too little gives its locks back, so that nobody ever takes them in another order. */
  private async lockGuessed(tx: PgTransaction, guess: LimitNeeds): Promise<LimitRows> {
    const [, rows] = await pipelined(tx.query(BEFORE_GUESSED), lockLimits(tx, guess));
    return rows;
  }

  /** One outcome a command. Sends rows and events with the commit: the transaction's only append. */
  decide(tx: PgTransaction, commands: readonly AuthorityCommand[], locked: Locked): Decided {
    const decided = decideInOrder(commands, locked);
    this.store.send(tx, writeDecided(tx, decided, locked));
    this.foresight.remember(commands, locked, decided);
    return decided;
  }

  async apply(tx: PgTransaction, commands: readonly AuthorityCommand[]): Promise<readonly AuthorityOutcome[]> {
    return commands.length === 0 ? [] : this.decide(tx, commands, await this.read(tx, commands)).outcomes;
  }

  /**
   * The same decision before any transaction, on what was decided last, be it committed or on its way; undefined where that does
   * not say enough. The next one may be made on this one at once.
   */
  foresee(commands: readonly AuthorityCommand[]): Decision | undefined {
    const locked = this.foresight.foresee(commands, this.limits);
    if (locked === undefined) return undefined;
    const decided = decideInOrder(commands, locked);
    if (!commands.every((command, index) => isCertain(command, decided.outcomes[index]))) return undefined;
    this.foresight.remember(commands, locked, decided);
    return { commands, locked, decided };
  }

  /**
   * Sends a decision that was made ahead, and before it, in the order of locks, what it rests on: one flight with the commit. The
   * transaction fails with class 23 where anything of that is not so (`isRefuted`).
   */
  sendForeseen(tx: PgTransaction, { commands, locked, decided }: Decision): void {
    sendExpectedGrants(tx, locked.grants);
    sendExpectedBudgets(tx, placesOf(commands), locked.budgets);
    sendExpectedBoards(tx, locked.boards, locked.nowMs, sameUntil(locked));
    this.store.send(tx, writeDecided(tx, decided, locked));
  }

  confirmed(): void {
    this.foresight.confirmed();
  }

  /** It was not as a decision expected. */
  refuted(): void {
    this.foresight.refuted();
  }

  /** A decision made ahead was not committed, or nobody knows. */
  forget({ locked, decided }: Decision): void {
    this.foresight.forget(locked, decided);
  }

  /** A transaction of its own for commands that come neither from HTTP nor from an event: the sweeps. */
  run(commands: readonly AuthorityCommand[]): Promise<readonly AuthorityOutcome[]> {
    return this.store.transactAtOnce(authorityLocks(commands), (tx) => this.apply(tx, commands));
  }
}

/** Commands, what they were decided on, and what came of them. */
export interface Decision {
  readonly commands: readonly AuthorityCommand[];
  readonly locked: Locked;
  readonly decided: Decided;
}

/** Class 23, integrity constraint violation: a condition that was expected does not hold. */
export const isRefuted = (error: unknown): boolean => error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('23');

/**
 * What is written is checked as it is written, and what a hold on budget is refused for is expected of budgets and fences. Every
 * other "no" is said on what was read: whether a use is taken comes before whether a budget covers it.
 */
const isCertain = (command: AuthorityCommand, outcome: AuthorityOutcome | undefined): boolean => {
  switch (outcome?.kind) {
    case 'reserved':
      return outcome.decision.held || command.kind === 'hold_budget';
    case 'settled':
      return outcome.events.length > 0;
    default:
      return false;
  }
};

const grantRefs = ({ tenant, request, presented }: ReserveAsked): readonly UseRef[] => {
  const grantId = presented?.grant_id ?? request.grant_id;
  return grantId === undefined ? [] : [{ tenant, grantId, useNo: useNoOf(request) }];
};

const delegationRefs = ({ tenant, request }: ReserveAsked): readonly DelegationRef[] => (request.delegation_id === undefined ? [] : [{ tenant, delegationId: request.delegation_id }]);

/** Every budget on the paths: which units a grant charges is known only when it has been read. */
const placesOf = (commands: readonly AuthorityCommand[]): BudgetNeeds['places'] => {
  const places = new Map<string, BudgetNeeds['places'][number]>();
  for (const command of commands) {
    if (command.kind === 'settle') continue;
    const { tenant } = command;
    for (const scopePath of pathAndAncestors(chargedPath(command))) places.set(placeKey(tenant, scopePath), { tenant, scopePath });
  }
  return [...places.values()];
};

/** By the policy in force and the grants as they are. A hold on a budget that was not locked is one on a limit of its run. */
const limitsNeededBy = (reserves: readonly ReserveAsked[], settles: readonly SettleAsked[], locked: Locked): LimitNeeds => {
  const needs = noLimitNeeds();
  for (const command of reserves) {
    const limits = locked.boards.get(command.tenant)?.policy?.limits;
    const claims = limits === undefined ? undefined : claimsOf(command, locked.grants);
    if (limits !== undefined && claims !== undefined) needClaim(needs, command, limits, claims, chainOf(command.tenant, command.request.delegation_id, locked.delegations));
  }
  for (const { tenant, reservationId } of settles) {
    const state = locked.reservations.get(reservationId)?.state;
    if (state !== undefined && 'holds' in state && !isEnd(state.status) && state.holds.some(({ budgetId }) => !locked.budgets.byId.has(budgetId))) needs.settled.push({ tenant, reservationId });
  }
  return needs;
};

/** Unix ms of the database that holds the authority, at this very moment. */
export const databaseNow = async (tx: PgTransaction): Promise<number> => {
  const { rows } = await tx.query<{ now: Date }>({ name: 'authority-now', text: 'SELECT clock_timestamp() AS now' });
  const now = rows[0]?.now;
  if (now === undefined) throw new Error('the database did not say what time it is');
  return now.getTime();
};
