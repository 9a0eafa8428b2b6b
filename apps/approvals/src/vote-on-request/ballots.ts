import { amount, anything, count, hash, list, name, object, oneOf, optional, record, text, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';

/** What an approver may narrow; amounts are integers by unit, as in every cap. */
const voteCaps = object({
  max_amount: optional(record(amount(), 20)),
  allowed_recipients: optional(list(text(320))),
  expires_in_ms: optional(count()),
  max_uses: optional(count(10_000)),
  /** across all uses, by unit; RISK_POINTS among them */
  max_total: optional(record(amount(), 20)),
});

/** `varies`: of the arguments that policy lets differ from use to use of the grant, those that still may; left out: all of them. */
export const approveBody = object({ view_hash: hash(), rationale: optional(text(4_000)), caps: optional(voteCaps), varies: optional(list(text(200), 20)) });
/** A missing reason is REASON_REQUIRED, not a malformed body: it is the decider's to say. */
export const rejectBody = object({ view_hash: hash(), reason_code: optional(name()), reason: optional(text(4_000)), instruction: optional(oneOf('abort', 'reroute', 'escalate')) });
export const respondBody = object({ view_hash: hash(), response: optional(text(20_000)) });

/** `arguments` as a whole, as they should run instead. `as_new_action`: beyond what was asked for, policy decides on them as a new action. */
export const editBody = object({ view_hash: hash(), arguments: anything(), rationale: optional(text(4_000)), as_new_action: optional(truth()) });
export const breakGlassBody = object({ view_hash: hash(), reason: optional(text(4_000)), caps: optional(voteCaps) });

export type Ballot =
  | ({ readonly vote: 'edit' } & Shape<typeof editBody>)
  | ({ readonly vote: 'break-glass' } & Shape<typeof breakGlassBody>)
  | ({ readonly vote: 'approve' } & Shape<typeof approveBody>)
  | ({ readonly vote: 'reject' } & Shape<typeof rejectBody>)
  | ({ readonly vote: 'respond' } & Shape<typeof respondBody>);

/** Answer of every decision: how the request stands now. `version` is its new entity tag. */
export const decisionAnswer = object({
  approval_id: text(36),
  action_id: text(36),
  status: oneOf('open', 'granted', 'rejected', 'answered', 'expired', 'cancelled', 'revoked'),
  version: count(),
  approvals_given: count(),
  /** of the stage that is answered next; 0 when the request has ended */
  approvals_missing: count(),
  grant_id: optional(text(36)),
  arguments_hash: hash(),
  granted_arguments_hash: optional(hash()),
  narrowed: optional(list(text(200))),
  expires_at: optional(text(40)),
  /** of the card that stands in the request now */
  view_hash: hash(),
  /** until when an open request can be decided */
  decide_by: optional(text(40)),
  assigned_to: optional(name()),
  emergency: optional(truth()),
  /** of a revoked grant: `effective` once nothing can be consumed from it any more */
  revocation: optional(oneOf('asked', 'effective')),
});
