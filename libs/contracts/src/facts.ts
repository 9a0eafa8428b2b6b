import { unitAmount } from './caps.js';
import { count, fraction, list, name, object, oneOf, optional, record, scopePath, text, truth, uuid } from './schema.js';
import type { Shape } from './schema.js';

export const tool = object({ name: name(), version: name() });
export type Tool = Shape<typeof tool>;

export const EXECUTION_MODES = ['managed', 'self'] as const;
export const ON_TIMEOUT = ['deny', 'escalate', 'expire'] as const;
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
  /** the delegation the proposal names: whoever executes claims under it. Nothing here says that it stands */
  delegation_id: optional(uuid()),
  /** what the tool is about, and what data it touches: from the tool table, never claimed */
  topics: optional(list(name(), 50)),
  data_labels: optional(list(name(), 50)),
  /** only where the tool table discloses it: a target may be personal */
  target: optional(text(1_000)),
  recipient_count: optional(count(100_000)),
  /** distinct domains of the recipients that are addresses, lower case */
  recipient_domains: optional(list(text(253))),
  rows: optional(count()),
  model: optional(name()),
  /** own facts that the tool table extracts by name */
  named: optional(record(text(200), 20)),
  /**
   * Present where the agent's claims add to what the server found: the same facts without them. Policy judges both and takes
   * the stricter answer, so that a claim never loosens one.
   */
  derived: optional(object({ environment: optional(name()), risk_tags: list(name(), 50), risk_points: count(1_000_000), amounts: list(unitAmount, 20) })),
});
export type PolicyFacts = Shape<typeof policyFacts>;

/** One approval stage: `quorum` distinct people holding one of `roles`. */
export const approvalStage = object({ roles: list(name(), 20), quorum: count(20) });
export type ApprovalStage = Shape<typeof approvalStage>;

export const approvalDemand = object({
  stages: list(approvalStage, 10),
  /** distinct people across stages */
  distinct: truth(),
  /** answered within this from the start; before it is over the request is escalated, or people are reminded */
  sla_ms: optional(count()),
  ttl_ms: count(),
  /** what silence ends in: denied, given to a senior role for a second term, or a logged no-op. Never a yes */
  on_timeout: oneOf(...ON_TIMEOUT),
  /** the senior role that may answer too, once a request was escalated */
  escalate_to: optional(name()),
  /** the second term, after the first is over without an answer; the first one's length when absent */
  escalation_ms: optional(count()),
  /** pointers into the arguments: an earlier request of the same kind and target that differs only there counts as alike */
  alike_except: optional(list(text(200), 20)),
});
export type ApprovalDemand = Shape<typeof approvalDemand>;

export const VERDICTS = ['ALLOW', 'ALLOW_WITH_CAPS', 'REQUIRE_APPROVAL', 'QUARANTINE', 'DENY'] as const;
export type Verdict = (typeof VERDICTS)[number];
