import type { Grant, ReserveRequest } from '@exequatur/contracts';
import type { Amounts } from '@exequatur/kernel';
import type { Budget } from './budget.js';
import type { ActiveCircuit } from './circuit.js';
import type { Delegation } from './delegation.js';
import type { ActiveFreeze } from './freeze.js';
import type { ReservationLimits } from './limits.js';
import type { PolicyInForceNow } from './policy-now.js';
import type { RunNow } from './run-limits.js';
import type { VelocityCounter } from './velocity.js';

/** Who asks: an agent for itself, or the executor in the tenant of the scope path. */
export type ReserveCaller = { readonly type: 'agent'; readonly tenant: string; readonly agent: string } | { readonly type: 'executor'; readonly tenant: string };

/** What is known here of the grant the request names. */
export interface KnownGrant {
  /** Verified claims; absent when only a tombstone is known. */
  readonly claims?: Grant;
  /** Tombstone: GrantRevoked or ActionWithdrawn arrived, perhaps before the grant did. */
  readonly closed?: 'revoked' | 'withdrawn';
  readonly usesTaken: ReadonlySet<number>;
  /** By unit, RISK_POINTS included: what all its uses so far have claimed; needed where the grant has total_points or total_amounts. */
  readonly claimed?: Amounts;
}

/** Everything a decision to reserve depends on, read under the locks of architecture.md "The database is the arbiter". */
export interface ReserveQuestion {
  readonly request: ReserveRequest;
  readonly caller: ReserveCaller;
  /** Chosen before the locks: the reservation's stream is one of them. */
  readonly reservationId: string;
  readonly grant: KnownGrant | undefined;
  /** Unix ms; the database's clock, read after all locks. */
  readonly nowMs: number;
  readonly freezes: readonly ActiveFreeze[];
  readonly policy: PolicyInForceNow | undefined;
  /** Every budget of the tenant on the scope path and its ancestors. */
  readonly budgets: readonly Budget[];
  readonly fenceEpoch: number;
  readonly limits: ReservationLimits;
  /** The run; needed where the policy in force limits runs, else every claim is refused. Before the first claim: `{ startedAtMs: undefined, budgets: [] }`. */
  readonly run?: RunNow;
  /** The delegation the request names and those above it, locked; absent or incomplete: GRANT_UNKNOWN. */
  readonly delegations?: readonly Delegation[];
  /** Circuits of the tenant that are not closed; half-open ones locked. */
  readonly circuits?: readonly ActiveCircuit[];
  /** Rows of `velocityKeysOf`, locked; needed where a velocity rule counts the claim, else it is refused. */
  readonly velocity?: readonly VelocityCounter[];
}

/** Self grants default to their first use; the executor names it. */
export const useNoOf = (request: ReserveRequest): number => request.use_no ?? 1;
