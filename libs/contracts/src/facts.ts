import { unitAmount } from './caps.js';
import { count, fraction, list, name, object, oneOf, optional, scopePath, truth } from './schema.js';
import type { Shape } from './schema.js';

export const tool = object({ name: name(), version: name() });
export type Tool = Shape<typeof tool>;

export const EXECUTION_MODES = ['managed', 'self'] as const;
export const ON_SILENCE = ['unknown', 'expire'] as const;

/**
 * What policy judged, derived on the server; free of personal data, so that it can stand in events and grants and
 * reservations can evaluate a newer policy on exactly the same facts.
 */
export const policyFacts = object({
  tenant: name(),
  scope_path: scopePath(),
  agent: name(),
  run_id: name(),
  action_kind: name(),
  tool,
  environment: optional(name()),
  risk_tags: list(name(), 50),
  /** the larger of the tool table's and the agent's claim */
  risk_points: count(1_000_000),
  /** extracted from arguments by the tool table, else claimed; excludes RISK_POINTS */
  amounts: list(unitAmount, 20),
  has_evidence: truth(),
  has_reversal: truth(),
  confidence: optional(fraction()),
  execution_mode: oneOf(...EXECUTION_MODES),
});
export type PolicyFacts = Shape<typeof policyFacts>;

/** One approval stage: `quorum` distinct people holding one of `roles`. */
export const approvalStage = object({ roles: list(name(), 20), quorum: count(20) });
export type ApprovalStage = Shape<typeof approvalStage>;

export const approvalDemand = object({
  stages: list(approvalStage, 10),
  /** distinct people across stages */
  distinct: truth(),
  sla_ms: optional(count()),
  ttl_ms: count(),
  on_timeout: oneOf('deny'),
});
export type ApprovalDemand = Shape<typeof approvalDemand>;

export const VERDICTS = ['ALLOW', 'ALLOW_WITH_CAPS', 'REQUIRE_APPROVAL', 'QUARANTINE', 'DENY'] as const;
export type Verdict = (typeof VERDICTS)[number];
