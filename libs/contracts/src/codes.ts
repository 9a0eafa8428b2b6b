/**
 * Every reason code with its HTTP status, whether a retry can help, and what it means. This table is the only place that
 * maps codes to statuses; the reference page is generated from it. Codes are stable: they stand in events, metrics and answers.
 */
interface CodeEntry {
  readonly group: 'proposal' | 'approval' | 'authority' | 'execution' | 'request';
  readonly status: number;
  readonly retryable: boolean;
  readonly title: string;
}
const code = (group: CodeEntry['group'], status: number, title: string, retryable = false): CodeEntry => ({ group, status, retryable, title });

export const CODES = {
  // proposal: these stand in a 201 verdict, the statuses serve where one is answered as a problem
  POLICY_DENIED: code('proposal', 403, 'Policy denies this action'),
  APPROVAL_REQUIRED: code('proposal', 403, 'A person must approve this action'),
  QUARANTINED_UNKNOWN_KIND: code('proposal', 403, 'The action kind is not registered; the action is set aside'),
  QUARANTINED_POLICY_ERROR: code('proposal', 403, 'Policy could not be evaluated; the action is set aside'),
  QUARANTINED_OUT_OF_BOUNDS: code('proposal', 403, 'The action is outside what its tool declares; it is set aside'),
  PREVIOUSLY_REJECTED: code('proposal', 403, 'A person already rejected this action in this run'),
  TOOL_NOT_ALLOWED: code('proposal', 403, 'This tool or tool version is not allowed'),
  // approval
  SELF_APPROVAL: code('approval', 403, 'The requester or the owner of the agent cannot decide'),
  NOT_ELIGIBLE: code('approval', 403, 'This person has no role of the current stage'),
  NOT_A_PERSON: code('approval', 403, 'Only people decide'),
  ALREADY_VOTED: code('approval', 409, 'This person already voted'),
  ALREADY_DECIDED: code('approval', 409, 'The request is already decided'),
  APPROVAL_EXPIRED: code('approval', 410, 'The time to decide has passed'),
  VIEW_CHANGED: code('approval', 409, 'The card changed since it was shown'),
  WIDENS_AUTHORITY: code('approval', 422, 'The decision would allow more than was proposed'),
  STEP_UP_REQUIRED: code('approval', 403, 'This decision needs a more recent sign-in'),
  REASON_REQUIRED: code('approval', 422, 'A reason is required'),
  // authority
  GRANT_UNKNOWN: code('authority', 403, 'No such grant'),
  GRANT_REVOKED: code('authority', 403, 'The grant was revoked or its action withdrawn'),
  TENANT_MISMATCH: code('authority', 403, 'The grant belongs to another tenant'),
  SCOPE_MISMATCH: code('authority', 403, 'The scope path is not the granted one'),
  AGENT_MISMATCH: code('authority', 403, 'The grant belongs to another agent'),
  RUN_MISMATCH: code('authority', 403, 'The grant belongs to another run or thread'),
  KIND_MISMATCH: code('authority', 403, 'The action kind is not the granted one'),
  MODE_MISMATCH: code('authority', 403, 'The execution mode is not the granted one'),
  TOOL_MISMATCH: code('authority', 403, 'The tool or its version is not the granted one'),
  TARGET_MISMATCH: code('authority', 403, 'The target is not the granted one'),
  ARGUMENTS_MISMATCH: code('authority', 403, 'The arguments are not the granted ones'),
  CAP_EXCEEDED: code('authority', 403, 'A cap of the grant is exceeded'),
  GRANT_NOT_YET_VALID: code('authority', 403, 'The grant is not valid yet', true),
  GRANT_EXPIRED: code('authority', 410, 'The grant has expired'),
  GRANT_EXHAUSTED: code('authority', 409, 'The grant has no such use left'),
  POINTS_EXCEEDED: code('authority', 403, 'More risk points than granted'),
  POLICY_CHANGED_DENY: code('authority', 403, 'Policy changed since and now denies this'),
  POLICY_CHANGED_APPROVAL_REQUIRED: code('authority', 403, 'Policy changed since and now asks for more approval'),
  POLICY_NOT_YET_KNOWN: code('authority', 503, 'The policy this grant was made under is not in force here yet', true),
  VELOCITY_EXCEEDED: code('authority', 409, 'Too many such actions in the window', true),
  RUN_LIMIT_EXCEEDED: code('authority', 409, 'The run has reached a limit'),
  BUDGET_EXCEEDED: code('authority', 409, 'The budget does not cover this'),
  BUDGET_UNKNOWN: code('authority', 409, 'No budget on the scope path for this unit'),
  FROZEN: code('authority', 423, 'Frozen by a person', true),
  CIRCUIT_OPEN: code('authority', 423, 'Paused by the circuit breaker', true),
  RESERVATION_EXPIRED: code('authority', 410, 'The reservation has expired'),
  RESERVATION_FINALIZED: code('authority', 409, 'The reservation has already ended'),
  OVERDRAFT_LIMIT_EXCEEDED: code('authority', 409, 'More was used than was reserved, and the overdraft does not cover it'),
  COMMIT_EXCEEDS_RESERVED: code('authority', 409, 'More was used than was reserved'),
  // execution
  EXECUTE_BY_PASSED: code('execution', 410, 'The last moment to execute has passed'),
  CONNECTOR_UNKNOWN: code('execution', 409, 'No connector is configured for this tool'),
  CONTENT_ERASED: code('execution', 410, 'The action was erased; nothing can be executed'),
  CONNECTOR_REFUSED: code('execution', 409, 'The tool refused'),
  EGRESS_NOT_ALLOWED: code('execution', 403, 'The address is not on the allow-list'),
  TIMED_OUT_UNKNOWN: code('execution', 504, 'The tool did not answer in time; the outcome is unknown'),
  CONNECTION_LOST_UNKNOWN: code('execution', 502, 'The connection was lost after sending; the outcome is unknown'),
  PROVABLY_NOT_SENT: code('execution', 502, 'Nothing was sent'),
  // request
  MALFORMED: code('request', 400, 'The request is not well formed'),
  INVALID: code('request', 422, 'A field has a value it cannot have'),
  TOO_LARGE: code('request', 413, 'The request is too large'),
  IDEMPOTENCY_KEY_REQUIRED: code('request', 400, 'An Idempotency-Key header is required'),
  IDEMPOTENCY_KEY_REUSED: code('request', 422, 'The Idempotency-Key was used with another request'),
  IDEMPOTENCY_IN_FLIGHT: code('request', 409, 'The first request with this Idempotency-Key is still running', true),
  UNAUTHENTICATED: code('request', 401, 'Credentials are missing or not valid'),
  FORBIDDEN: code('request', 403, 'This principal may not do this'),
  NOT_FOUND: code('request', 404, 'Not found'),
  METHOD_NOT_ALLOWED: code('request', 405, 'This path does not take this method'),
  UNSUPPORTED_MEDIA_TYPE: code('request', 415, 'The content type is not application/json'),
  STALE: code('request', 412, 'The resource changed since it was read'),
  IF_MATCH_REQUIRED: code('request', 428, 'An If-Match header is required'),
  LEGAL_HOLD: code('request', 409, 'A legal hold forbids to erase this action'),
  CONFLICT: code('request', 409, 'It exists already or is in another state'),
  BUSY: code('request', 429, 'Too many requests', true),
  DEPENDENCY_DOWN: code('request', 503, 'A dependency is down; no authority is given', true),
  INTERNAL: code('request', 500, 'An unexpected error', true),
} as const satisfies Readonly<Record<string, CodeEntry>>;

export type Code = keyof typeof CODES;

export const STOP_REASONS = ['approval_required', 'approval_rejected', 'approval_timeout', 'policy_denied', 'quarantined', 'budget_exceeded', 'run_limit', 'frozen', 'circuit_open', 'cancelled', 'outcome_unknown'] as const;
export type StopReason = (typeof STOP_REASONS)[number];
