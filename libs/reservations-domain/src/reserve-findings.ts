import type { Caps, Grant } from '@exequatur/contracts';
import type { Amounts } from '@exequatur/kernel';
import type { BoundedUse } from './bounded-arguments.js';
import type { Budget, Uncovered } from './budget.js';
import type { Charge } from './charge-budgets.js';
import type { DelegationChain } from './judge-delegation.js';
import type { PolicyAgreement } from './policy-now.js';
import type { RunCharge } from './run-limits.js';
import type { VelocityCounter } from './velocity.js';

/** What the checks found out on the way; a later check may read what an earlier one wrote. */
export interface ReserveFindings {
  grant: Grant | undefined;
  /** who asks, as it may be named */
  agent: string | undefined;
  delegations: DelegationChain | undefined;
  boundedUse: BoundedUse | undefined;
  agreement: PolicyAgreement | undefined;
  caps: Caps;
  amounts: Amounts;
  /** Across all uses of the grant, this one included; where the grant bounds them. */
  claimed: Amounts | undefined;
  chargedDelegations: DelegationChain | undefined;
  probes: readonly string[] | undefined;
  velocity: readonly VelocityCounter[] | undefined;
  /** Charged budgets as they will be, with the hold on each. */
  charges: readonly Charge[];
  runCharges: readonly RunCharge[];
  /** The budget a refusal is about, and why; for operators, never for agents. */
  refusedBudget: Budget | undefined;
  uncoveredBecause: Uncovered | undefined;
  /** The limit, rule, circuit or delegation a refusal is about; for operators. */
  refusedBy: string | undefined;
  retryAfterMs: number | undefined;
}

export const noFindings = (): ReserveFindings => ({
  grant: undefined,
  agent: undefined,
  delegations: undefined,
  boundedUse: undefined,
  agreement: undefined,
  caps: {},
  amounts: {},
  claimed: undefined,
  chargedDelegations: undefined,
  probes: undefined,
  velocity: undefined,
  charges: [],
  runCharges: [],
  refusedBudget: undefined,
  uncoveredBecause: undefined,
  refusedBy: undefined,
  retryAfterMs: undefined,
});
