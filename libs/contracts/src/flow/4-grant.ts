import { capsShape, unitAmount } from '../caps.js';
import { EXECUTION_MODES, ON_SILENCE, policyFacts, tool } from '../facts.js';
import { amount, base64url, count, hash, instant, list, name, object, oneOf, optional, scopePath, text, uuid } from '../schema.js';
import type { Shape } from '../schema.js';

/**
 * One argument that may differ from use to use. `unit` is as written in arguments: USD is read as dollars, other units as
 * integers; `max` is the most in the ledger's unit (micro-cents for USD), and what a use asks for is held in place of the
 * grant's amount of that unit. `one_of`: a text, or a list of texts, all among these. A bound has `max` with `unit`, or `one_of`.
 */
export const argumentBound = object({ pointer: text(200), unit: optional(text(32)), max: optional(amount()), one_of: optional(list(text(320), 100)) });
export type ArgumentBound = Shape<typeof argumentBound>;

/**
 * Claims of a grant: signed, consumable authority. JWS compact (RFC 7515), alg EdDSA, header {alg, kid, typ: "exq-grant+jwt"}.
 * Signed by approvals (source approval, grant_id = approval_id) or policy (source allowance, grant_id = action_id).
 * Reservations checks every field against the request to reserve, each with its own code (codes.ts, group authority).
 */
export const grantShape = object({
  grant_id: uuid(),
  source: oneOf('approval', 'allowance'),
  action_id: uuid(),
  tenant: name(),
  scope_path: scopePath(),
  agent_identity: name(),
  run_id: name(),
  thread_id: optional(name()),
  action_kind: name(),
  action_class: optional(name()),
  on_silence: oneOf(...ON_SILENCE),
  tool,
  target_hash: optional(hash()),
  /** as proposed */
  arguments_hash: hash(),
  /** what may run: equal to arguments_hash, or the recorded narrowing */
  granted_arguments_hash: hash(),
  /** exact: those bytes. bounded: the fixed part is fixed_hash, each bounded value is inside its bound, every use has its own hash. */
  binding: oneOf('exact', 'bounded'),
  /** bounded: hash of SHA-256(salt ‖ canonical arguments with null at every bounded pointer) */
  fixed_hash: optional(hash()),
  bounded: optional(list(argumentBound, 20)),
  execution_mode: oneOf(...EXECUTION_MODES),
  not_before: instant(),
  expires_at: instant(),
  max_uses: count(10_000),
  /** held per use, in unit RISK_POINTS */
  risk_points: count(1_000_000),
  /** held per use, other units */
  amounts: list(unitAmount, 20),
  /** across all uses, released ones included; absent: max_uses times what a use holds */
  total_points: optional(count()),
  total_amounts: optional(list(unitAmount, 20)),
  /** HMAC of the target under a tenant key: the same target reads the same across actions. For velocity by target. */
  target_key: optional(hash()),
  caps: capsShape,
  approvers: list(object({ person: name(), role: name(), stage: count(10), vote_event_id: uuid() }), 50),
  /** hash of SHA-256(salt ‖ rationale); the text is sealed in the votes */
  rationale_hash: optional(hash()),
  policy_hash: hash(),
  policy_version: count(),
  rule_id: text(200),
  view_hash: optional(hash()),
  facts: policyFacts,
});
export type Grant = Shape<typeof grantShape>;
export const GRANT_JWS_TYPE = 'exq-grant+jwt';

/**
 * Claims of the authorization token that stands in the answer of a reserve, never in an event or log. JWS compact, EdDSA, by
 * reservations. The optional claims came later; libs/authority-verify refuses a token without aud, exp and caps.
 */
export const authorizationShape = object({
  reservation_id: uuid(),
  grant_id: uuid(),
  action_id: optional(uuid()),
  use_no: optional(count(10_000)),
  tenant: name(),
  tool,
  /** RFC 7519: whom the token is for, the name of the tool */
  aud: optional(name()),
  granted_arguments_hash: hash(),
  /** base64url of the 16 bytes of the action's salt, when the authority knows them; without it the caller hands the salt over */
  salt: optional(base64url(32)),
  /** returned caps: grant ∩ policy now */
  caps: optional(capsShape),
  execute_by: instant(),
  /** RFC 7519: Unix seconds; exp is execute_by rounded up */
  iat: optional(count()),
  exp: optional(count()),
});
export type Authorization = Shape<typeof authorizationShape>;
export const AUTHORIZATION_JWS_TYPE = 'exq-authorization+jwt';
