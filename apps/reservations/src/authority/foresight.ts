import type { Grant, PolicyLimits } from '@exequatur/contracts';
import { fromInstant } from '@exequatur/kernel';
import { graceOf, isEnd, pathAndAncestors, windowEndOf } from '@exequatur/reservations-domain';
import type { Budget, ReservationLimits } from '@exequatur/reservations-domain';
import { circuitsOn, hasHalfOpen } from '../circuits/standing-circuits.js';
import { chargedPath } from './authority-command.js';
import type { AuthorityCommand, ReserveAsked, SettleAsked } from './authority-command.js';
import { noBudgets, placeKey } from './budget-rows.js';
import { DatabaseClock, MAX_BEHIND_MS } from './database-clock.js';
import type { Decided, Locked } from './decide-in-order.js';
import { expectedGrant, grantKey } from './grant-rows.js';
import type { LockedGrant } from './grant-rows.js';
import { noLimits } from './limit-rows.js';
import { lockedClaim } from './reservation-rows.js';
import type { LockedReservation } from './reservation-rows.js';
import type { TenantBoard } from './tenant-board.js';

/** Of each kind of row; beyond them the oldest are forgotten, and read when they are needed. */
const MAX_REMEMBERED = 20_000;
/** Batches that are read, at most, before it is tried again. */
const LONGEST_REST = 64;

/**
 * What this instance decided last, remembered, so that the next batch can be decided before its transaction begins. It gives no
 * authority: whatever it says is sent along as expected, and PostgreSQL compares it under the very locks under which it would be
 * read (`RuntimeAuthority.sendForeseen`). Where anything moved meanwhile nothing is written, and the batch is read like any other.
 *
 * Two instances on one hot budget refute one another at nearly every batch, so a refuted one rests for longer each time.
 */
export class Foresight {
  readonly clock = new DatabaseClock();
  private readonly boards = new Map<string, TenantBoard>();
  private readonly budgets = new Map<string, Budget>();
  /** ids of all budgets at a place, by `placeKey` */
  private readonly places = new Map<string, readonly string[]>();
  /** that have not ended */
  private readonly claims = new Map<string, LockedReservation>();
  private rest = 0;
  private resting = 0;

  /** The state that the commands are decided on, as far as this instance knows; undefined where it has to be read. */
  foresee(commands: readonly AuthorityCommand[], limits: ReservationLimits): Locked | undefined {
    if (this.resting > 0) {
      this.resting -= 1;
      return undefined;
    }
    const nowMs = this.clock.guess();
    if (nowMs === undefined) return undefined;
    const boards = new Map<string, TenantBoard>();
    const locked = { boards, circuits: new Map(), grants: new Map<string, LockedGrant>(), delegations: new Map(), reservations: new Map<string, LockedReservation>(), budgets: noBudgets(), ...noLimits(), nowMs, limits };
    for (const command of commands) {
      const board = this.boards.get(command.tenant);
      if (board === undefined || !this.add(locked, command, board)) return undefined;
      boards.set(command.tenant, board);
    }
    const circuits = circuitsOn(boards);
    return hasHalfOpen(circuits) ? undefined : { ...locked, circuits };
  }

  /** As it will be once it is committed; should it never be, the next one on it is refuted. */
  remember(commands: readonly AuthorityCommand[], { boards, budgets, reservations, nowMs }: Locked, { held }: Decided): void {
    this.makeRoom();
    for (const [tenant, board] of boards) this.boards.set(tenant, board);
    for (const command of commands) {
      if (command.kind !== 'settle') for (const place of placesOf(command)) this.places.set(place, budgets.at.get(place) ?? []);
    }
    for (const [id, budget] of budgets.byId) if (budget.runLimit === undefined) this.budgets.set(id, budget);
    for (const { tenant, data, events } of held) {
      const claim = lockedClaim(tenant, data, { version: events, status: 'Held', heldAtMs: nowMs, expiresAtMs: fromInstant(data.expires_at) });
      this.claims.set(data.reservation_id, claim);
    }
    for (const [id, claim] of reservations) {
      const { state, version, events } = claim;
      if ('holds' in state && !isEnd(state.status)) this.claims.set(id, { ...claim, version: version + events.length, expiredAtMs: state.expiresAt, events: [] });
      else this.claims.delete(id);
    }
  }

  /** PostgreSQL found that a batch decided ahead was what it expected. */
  confirmed(): void {
    this.rest = 0;
  }

  /** What a decision that was not committed, as far as anybody knows, rests on and leaves. */
  forget({ boards, budgets, reservations }: Locked, { held }: Decided): void {
    for (const tenant of boards.keys()) this.boards.delete(tenant);
    for (const id of budgets.byId.keys()) this.budgets.delete(id);
    for (const id of reservations.keys()) this.claims.delete(id);
    for (const { data } of held) this.claims.delete(data.reservation_id);
  }

  refuted(): void {
    this.clock.forget();
    this.rest = Math.min(LONGEST_REST, Math.max(1, this.rest * 2));
    this.resting = this.rest;
  }

  private add(locked: Foretold, command: AuthorityCommand, board: TenantBoard): boolean {
    switch (command.kind) {
      case 'settle':
        return this.addClaim(locked, command);
      case 'hold_budget':
        return this.addPlaces(locked, command);
      case 'reserve':
        // Under another policy than it was granted under, what it may is evaluated anew.
        return isPlain(board.policy?.limits) && command.presented?.policy_hash === board.policy?.hash && addGrant(locked, command) && this.addPlaces(locked, command);
    }
  }

  private addPlaces({ budgets }: Foretold, command: Exclude<AuthorityCommand, SettleAsked>): boolean {
    return placesOf(command).every((place) => {
      const ids = this.places.get(place);
      if (ids === undefined || !ids.every((id) => this.addBudget(budgets, id))) return false;
      if (ids.length > 0 && !budgets.at.has(place)) budgets.at.set(place, [...ids]);
      return true;
    });
  }

  private addBudget({ byId, before }: Locked['budgets'], id: string): boolean {
    const budget = this.budgets.get(id);
    if (budget === undefined) return false;
    byId.set(id, budget);
    before.set(id, budget);
    return true;
  }

  private addClaim({ reservations, budgets }: Foretold, { tenant, reservationId }: SettleAsked): boolean {
    const claim = this.claims.get(reservationId);
    if (claim === undefined || claim.tenant !== tenant || !('holds' in claim.state)) return false;
    if (!reservations.has(reservationId)) reservations.set(reservationId, { ...claim, events: [] });
    return claim.state.holds.every(({ budgetId }) => this.addBudget(budgets, budgetId));
  }

  private makeRoom(): void {
    for (const remembered of [this.boards, this.budgets, this.places, this.claims] as readonly Map<string, unknown>[]) {
      for (const oldest of remembered.keys()) {
        if (remembered.size <= MAX_REMEMBERED) break;
        remembered.delete(oldest);
      }
    }
  }
}

type Foretold = Pick<Locked, 'budgets' | 'reservations'> & { readonly grants: Map<string, LockedGrant> };

/** Without limits that are counted in rows of their own. */
const isPlain = (limits: PolicyLimits | undefined): boolean => limits?.run === undefined && (limits?.velocity?.length ?? 0) === 0;

/** Only a grant that is presented says what it is before it is read; only without totals is what others claimed of it no matter. */
const addGrant = ({ grants }: Foretold, { tenant, request, presented }: ReserveAsked): boolean => {
  if (presented === undefined || presented.tenant !== tenant || request.delegation_id !== undefined || hasTotals(presented)) return false;
  const key = grantKey({ tenant, grantId: presented.grant_id });
  if (!grants.has(key)) grants.set(key, expectedGrant(presented));
  return true;
};

const hasTotals = ({ total_points, total_amounts }: Grant): boolean => total_points !== undefined || total_amounts !== undefined;

const placesOf = (command: Exclude<AuthorityCommand, SettleAsked>): readonly string[] => pathAndAncestors(chargedPath(command)).map((scopePath) => placeKey(command.tenant, scopePath));

/**
 * Unix ms before which the same would be decided at any time from the guess on: no claim or grant runs out, and no budget begins
 * anew. At most so late that what is counted from the guess is as good as counted from then.
 */
export const sameUntil = ({ nowMs, limits, reservations, grants, budgets }: Locked): number => {
  const moments = [
    ...[...reservations.values()].flatMap(({ state }) => ('holds' in state ? [state.executeBy, state.expiresAt, state.expiresAt + graceOf(state, limits)] : [])),
    ...[...grants.values()].flatMap(({ claims }) => (claims === undefined ? [] : [fromInstant(claims.not_before), fromInstant(claims.expires_at)])),
    ...[...budgets.before.values()].flatMap(({ window }) => windowEndOf(window, nowMs) ?? []),
  ];
  return moments.reduce((until, moment) => (moment > nowMs && moment < until ? moment : until), nowMs + MAX_BEHIND_MS);
};
