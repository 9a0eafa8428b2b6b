import type { DataOf, Grant, ReservationHeld } from '@exequatur/contracts';
import { isRefusal } from '@exequatur/kernel';
import { availableOn, budgetAfter, budgetNow, decideBudgetHold, decideReserve, evolveReservation, freezeCovers, settle as settleReservation, velocitySubjects } from '@exequatur/reservations-domain';
import type { Budget, DelegationChain, KnownGrant, LedgerEvent, ReservationEvent, ReservationLimits, ReserveQuestion, SettleCommand } from '@exequatur/reservations-domain';
import { outcomeOfEnd, outcomeOfRefusal } from '../circuits/seen-outcomes.js';
import type { SeenOutcome } from '../circuits/seen-outcomes.js';
import { takeProbes } from '../circuits/standing-circuits.js';
import type { CircuitsNow, TakenProbe } from '../circuits/standing-circuits.js';
import { chainOf, chargeDelegations } from '../delegations/delegation-rows.js';
import type { LockedDelegations } from '../delegations/delegation-rows.js';
import type { AuthorityCommand, AuthorityOutcome, HoldBudgetAsked, ReserveAsked, SettleAsked } from './authority-command.js';
import { budgetsOn, moveBudget } from './budget-rows.js';
import type { LockedBudgets } from './budget-rows.js';
import { grantKey } from './grant-rows.js';
import type { LockedGrant } from './grant-rows.js';
import { beginRun, countClaim, runNow, runOf, velocityNow } from './limit-rows.js';
import type { LockedLimits } from './limit-rows.js';
import type { LockedReservation } from './reservation-rows.js';
import type { TenantBoard } from './tenant-board.js';

/** Everything a batch was read under its locks; deciding changes it, so that each command sees what the one before it did. */
export interface Locked extends LockedLimits {
  readonly boards: ReadonlyMap<string, TenantBoard>;
  /** that are not closed, by tenant */
  readonly circuits: CircuitsNow;
  readonly delegations: LockedDelegations;
  readonly grants: ReadonlyMap<string, LockedGrant>;
  readonly reservations: Map<string, LockedReservation>;
  readonly budgets: LockedBudgets;
  readonly nowMs: number;
  readonly limits: ReservationLimits;
}

/** What was decided beside the reservations' own events: claims to insert, and refusals, which have a stream but no row. */
export interface Decided {
  readonly outcomes: AuthorityOutcome[];
  /** `events`: of the claim and what stands behind it on its stream */
  readonly held: { readonly tenant: string; readonly data: DataOf<typeof ReservationHeld>; readonly events: number; readonly note?: string }[];
  readonly written: { readonly command: AuthorityCommand; readonly events: readonly (ReservationEvent | LedgerEvent)[]; readonly correlationId: string | undefined }[];
  /** for circuits */
  readonly seen: SeenOutcome[];
  readonly probes: TakenProbe[];
}

/** Decides each command in the order of arrival on the locked state, in memory. */
export const decideInOrder = (commands: readonly AuthorityCommand[], locked: Locked): Decided => {
  const decided: Decided = { outcomes: [], held: [], written: [], seen: [], probes: [] };
  for (const command of commands) decided.outcomes.push(decideOne(command, locked, decided));
  return decided;
};

const decideOne = (command: AuthorityCommand, locked: Locked, decided: Decided): AuthorityOutcome => {
  switch (command.kind) {
    case 'reserve':
      return reserve(command, locked, decided);
    case 'settle':
      return settle(command, locked, decided);
    case 'hold_budget':
      return holdBudget(command, locked, decided);
  }
};

/** The grant as far as this caller may know it: its own tenant's row, or what it presented itself. */
const knownGrant = ({ tenant, request, presented }: ReserveAsked, grants: ReadonlyMap<string, LockedGrant>): { row: LockedGrant | undefined; known: KnownGrant | undefined } => {
  const grantId = presented?.grant_id ?? request.grant_id;
  if (grantId === undefined || (request.grant_id !== undefined && request.grant_id !== grantId)) return { row: undefined, known: undefined };
  const row = grants.get(grantKey({ tenant, grantId }));
  if (row !== undefined) return { row, known: { ...(row.claims === undefined ? {} : { claims: row.claims }), ...(row.closed === undefined ? {} : { closed: row.closed }), ...(row.claimed === undefined ? {} : { claimed: row.claimed }), usesTaken: row.usesTaken } };
  // A presented grant of another tenant has no row here; its claims are only good for being refused.
  return { row, known: presented === undefined ? undefined : { claims: presented, usesTaken: new Set() } };
};

/** The claims that a reserve is judged by, if it may know any. */
export const claimsOf = (command: ReserveAsked, grants: ReadonlyMap<string, LockedGrant>): Grant | undefined => knownGrant(command, grants).known?.claims;

/** The state of the limits that the policy in force has; nothing, for policies without. */
const limitsNow = ({ tenant, request }: ReserveAsked, claims: Grant | undefined, chain: DelegationChain | undefined, locked: Locked): Pick<ReserveQuestion, 'run' | 'velocity'> | undefined => {
  const limits = locked.boards.get(tenant)?.policy?.limits;
  if (limits === undefined || claims === undefined) return undefined;
  const run = runNow(limits.run, runOf(tenant, request.run_id, claims.agent_identity, chain), locked, locked.budgets);
  const velocity = limits.velocity === undefined ? undefined : velocityNow(limits.velocity, tenant, velocitySubjects(claims, chain), locked, locked.nowMs);
  return { ...(run === undefined ? {} : { run }), ...(velocity === undefined ? {} : { velocity }) };
};

const reserve = (command: ReserveAsked, locked: Locked, decided: Decided): AuthorityOutcome => {
  const { tenant, request, caller, reservationId } = command;
  const board = locked.boards.get(tenant);
  const { row, known } = knownGrant(command, locked.grants);
  const chain = chainOf(tenant, request.delegation_id, locked.delegations);
  const circuits = locked.circuits.get(tenant);
  const decision = decideReserve({
    request,
    caller,
    reservationId,
    grant: known,
    nowMs: locked.nowMs,
    freezes: board?.freezes ?? [],
    policy: board?.policy,
    budgets: budgetsOn(tenant, request.scope_path, locked.budgets),
    fenceEpoch: board?.fenceEpoch ?? 0,
    limits: locked.limits,
    ...limitsNow(command, known?.claims, chain, locked),
    ...(chain === undefined ? {} : { delegations: chain }),
    ...(circuits === undefined ? {} : { circuits }),
  });
  if (!decision.held) {
    // Asking again can help: nothing is recorded and nothing stored, or the answer would be stuck.
    if (decision.code !== 'POLICY_NOT_YET_KNOWN') decided.written.push({ command, events: [{ type: 'ReservationRefused', data: decision.data }], correlationId: decision.data.action_id });
    decided.seen.push(...outcomeOfRefusal(tenant, decision.data, known?.claims));
    return { kind: 'reserved', decision, nowMs: locked.nowMs };
  }
  const { data, budgets, runStartedAtMs, velocity, claimed, warnings, delegations, probes } = decision;
  row?.usesTaken.add(data.use_no ?? 1);
  if (row !== undefined && claimed !== undefined) row.claimed = claimed;
  for (const budget of budgets) moveBudget(locked.budgets, tenant, budget);
  if (runStartedAtMs !== undefined && known?.claims !== undefined) beginRun(locked, runOf(tenant, request.run_id, known.claims.agent_identity, chain), runStartedAtMs);
  if (velocity !== undefined) countClaim(locked, tenant, velocity);
  if (delegations !== undefined) chargeDelegations(tenant, delegations, locked.delegations);
  if (probes !== undefined) decided.probes.push(...takeProbes(locked.circuits, tenant, reservationId, probes));
  const events = eventsOfHold(data, warnings);
  decided.held.push({ tenant, data, events: events.length });
  decided.written.push({ command, events, correlationId: data.action_id });
  return { kind: 'reserved', decision, nowMs: locked.nowMs };
};

/** The claim, and what budgets have to say to it, on one stream. */
const eventsOfHold = (data: DataOf<typeof ReservationHeld>, warnings: readonly LedgerEvent[] | undefined): readonly (ReservationEvent | LedgerEvent)[] => {
  const held: ReservationEvent = { type: 'ReservationHeld', data };
  return warnings === undefined ? [held] : [held, ...warnings];
};

const holdBudget = (command: HoldBudgetAsked, locked: Locked, decided: Decided): AuthorityOutcome => {
  const { tenant, reservationId, hold, dryRun, note } = command;
  const { nowMs, limits } = locked;
  const board = locked.boards.get(tenant);
  const budgets = budgetsOn(tenant, hold.scopePath, locked.budgets);
  const asked = { ...hold, tenant, reservationId, nowMs, limits, budgets, freezes: board?.freezes ?? [], policy: board?.policy, fenceEpoch: board?.fenceEpoch ?? 0 };
  const all = decideBudgetHold(asked);
  const decision = command.orLess === true && !all.held && all.code === 'BUDGET_EXCEEDED' ? decideBudgetHold({ ...asked, amounts: coveredOf(hold.amounts, budgets, nowMs) }) : all;
  const outcome: AuthorityOutcome = { kind: 'reserved', decision, nowMs, otherUnits: budgets.length > 0 };
  if (dryRun === true) return outcome;
  if (!decision.held) {
    decided.written.push({ command, events: [{ type: 'ReservationRefused', data: decision.data }], correlationId: undefined });
    return outcome;
  }
  for (const budget of decision.budgets) moveBudget(locked.budgets, tenant, budget);
  const events = eventsOfHold(decision.data, decision.warnings);
  decided.held.push({ tenant, data: decision.data, events: events.length, ...(note === undefined ? {} : { note }) });
  decided.written.push({ command, events, correlationId: undefined });
  return outcome;
};

/** Of each unit what all of its budgets still cover, at most what was asked for. */
const coveredOf = (amounts: HoldBudgetAsked['hold']['amounts'], budgets: readonly Budget[], nowMs: number): HoldBudgetAsked['hold']['amounts'] =>
  amounts.map(({ unit, amount }) => {
    const left = budgets.filter((budget) => budget.unit === unit).map((budget) => availableOn(budgetNow(budget, nowMs)));
    return { unit, amount: left.reduce((least, each) => (each < least ? each : least), BigInt(amount)).toString() };
  });

const withMetadata = ({ command }: SettleAsked, reservation: LockedReservation, locked: Locked, frozen: boolean): SettleCommand => {
  const metadata = { nowMs: locked.nowMs, limits: locked.limits, frozen, budgets: locked.budgets.byId };
  if (command.type === 'ExtendReservation') return { type: command.type, data: { ...command.data, heldAtMs: reservation.heldAtMs }, metadata };
  return { ...command, metadata } as SettleCommand;
};

/** The claim is there, and is not one of those that the command is for. */
const misfit = ({ onlyMode, onlyPurpose, onlyUnit }: SettleAsked, { mode, state }: LockedReservation): AuthorityOutcome | undefined => {
  if (onlyMode !== undefined && onlyMode !== mode) return { kind: 'refused', code: 'MODE_MISMATCH' };
  if (onlyPurpose === undefined) return undefined;
  if (!('holds' in state) || state.budgetOnly !== true) return { kind: 'refused', code: 'NOT_FOUND' };
  return onlyUnit === undefined || state.holds.every(({ unit }) => unit === onlyUnit) ? undefined : { kind: 'refused', code: 'INVALID', detail: `the reservation holds ${state.holds[0]?.unit ?? 'another unit'}`, status: state.status };
};

const settle = (command: SettleAsked, locked: Locked, decided: Decided): AuthorityOutcome => {
  const reservation = locked.reservations.get(command.reservationId);
  if (reservation === undefined || (command.onlyAgent !== undefined && command.onlyAgent !== reservation.agent)) return { kind: 'refused', code: 'NOT_FOUND' };
  const notThisOne = misfit(command, reservation);
  if (notThisOne !== undefined) return notThisOne;
  const freezes = locked.boards.get(command.tenant)?.freezes ?? [];
  const frozen = freezes.some((freeze) => freezeCovers(freeze, reservation.subject));
  const { state } = reservation;
  const events = settleReservation(withMetadata(command, reservation, locked, frozen), state);
  if (isRefusal(events)) return { kind: 'refused', code: events.code, ...(events.detail === undefined ? {} : { detail: events.detail }), ...('holds' in state ? { status: state.status } : {}) };
  for (const event of events) {
    reservation.state = evolveReservation(reservation.state, event);
    reservation.events.push(event);
    if (reservation.isProbe) decided.seen.push(...outcomeOfEnd(command.tenant, reservation.subject, command.reservationId, event.type));
    for (const move of 'moves' in event.data ? event.data.moves : []) {
      const budget = locked.budgets.byId.get(move.budget_id);
      if (budget !== undefined) moveBudget(locked.budgets, command.tenant, budgetAfter(budget, move));
    }
  }
  if (events.length > 0) decided.written.push({ command, events, correlationId: reservation.actionId });
  return { kind: 'settled', reservation: reservation.state, nowMs: locked.nowMs, events };
};

