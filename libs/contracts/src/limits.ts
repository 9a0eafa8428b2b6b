import { amount, count, list, name, object, oneOf, optional, text, unit } from './schema.js';
import type { Shape } from './schema.js';

/** How often a budget begins anew, in UTC by the authority's database clock. `run`: on the scope of one run; like lifetime, it never begins anew. */
export const BUDGET_WINDOWS = ['run', 'hour', 'day', 'month', 'lifetime'] as const;
export type BudgetWindow = (typeof BUDGET_WINDOWS)[number];

/**
 * What happens to usage beyond a hold, from strictest to loosest; several budgets on a path: the strictest.
 * reject: the commit is refused. allow_if_available: as much as every budget still covers is charged, never more than a cap.
 * allow_with_overdraft: what a budget does not cover becomes its debt, up to its overdraft_limit.
 */
export const OVERAGE_POLICIES = ['reject', 'allow_if_available', 'allow_with_overdraft'] as const;
export type OveragePolicy = (typeof OVERAGE_POLICIES)[number];

export const RUN_LIMITS = ['max_steps', 'max_tool_calls', 'max_seconds', 'max_usd'] as const;
export type RunLimit = (typeof RUN_LIMITS)[number];

/** `limits.run` of a policy: bounds on everything one agent does in one run. */
export const runLimitsShape = object({
  max_steps: optional(count()),
  max_tool_calls: optional(count()),
  /** since the run was first seen by the authority */
  max_seconds: optional(count()),
  /** micro-cents */
  max_usd: optional(amount()),
});
export type RunLimits = Shape<typeof runLimitsShape>;

export const VELOCITY_SUBJECTS = ['agent', 'kind', 'target'] as const;

/**
 * At most `max_count` claims, or `max_amount` of a unit, in any window of `window_ms`, counted apart for each value of what
 * `by` names (none: for the tenant as a whole). Globs in `kinds` and `agents` choose what is counted; absent: everything.
 */
export const velocityRuleShape = object({
  id: name(),
  by: list(oneOf(...VELOCITY_SUBJECTS), 3),
  /** 1 s to 31 days */
  window_ms: count(2_678_400_000),
  max_count: optional(count()),
  max_amount: optional(object({ unit: unit(), amount: amount() })),
  kinds: optional(list(text(200), 50)),
  agents: optional(list(text(200), 50)),
});
export type VelocityRule = Shape<typeof velocityRuleShape>;

/** `limits.circuit` of a policy; what is absent has the default of reservations-domain. */
export const circuitSettingsShape = object({
  /** of (rejections + denials after approval) in all decided, parts per million; 150,000 is 15 % */
  threshold_ppm: optional(count(1_000_000)),
  window_ms: optional(count(2_678_400_000)),
  minimum_volume: optional(count()),
  /** population stability index, parts per million; 250,000 is 0.25 */
  drift_ppm: optional(count()),
});
export type CircuitSettings = Shape<typeof circuitSettingsShape>;

/** `limits` of a policy in normal form: part of the canonical policy, judged by reservations at every claim. */
export const policyLimitsShape = object({ run: optional(runLimitsShape), velocity: optional(list(velocityRuleShape, 50)), circuit: optional(circuitSettingsShape) });
export type PolicyLimits = Shape<typeof policyLimitsShape>;
