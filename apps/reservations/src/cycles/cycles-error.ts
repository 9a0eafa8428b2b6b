import { CODES } from '@exequatur/contracts';
import type { Code } from '@exequatur/contracts';
import { Problem } from '@exequatur/service-kit';
import type { ProblemDocument } from '@exequatur/service-kit';

/** `ErrorCode` of the protocol, with the status this service answers it with. */
const STATUS = {
  INVALID_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  UNIT_MISMATCH: 400,
  BUDGET_EXCEEDED: 409,
  BUDGET_FROZEN: 409,
  BUDGET_CLOSED: 409,
  OVERDRAFT_LIMIT_EXCEEDED: 409,
  DEBT_OUTSTANDING: 409,
  RESERVATION_FINALIZED: 409,
  IDEMPOTENCY_MISMATCH: 409,
  MAX_EXTENSIONS_EXCEEDED: 409,
  ACTION_QUOTA_EXCEEDED: 409,
  ACTION_KIND_DENIED: 409,
  ACTION_KIND_NOT_ALLOWED: 409,
  TENANT_CLOSED: 409,
  RESERVATION_EXPIRED: 410,
  LIMIT_EXCEEDED: 429,
  INTERNAL_ERROR: 500,
} as const;
export type CyclesErrorCode = keyof typeof STATUS;

/** Codes that mean the same under another name; others follow from their status. */
const NAMED: Partial<Record<Code, CyclesErrorCode>> = {
  BUDGET_EXCEEDED: 'BUDGET_EXCEEDED',
  // The protocol: actual above reserved with overage_policy REJECT.
  COMMIT_EXCEEDS_RESERVED: 'BUDGET_EXCEEDED',
  BUDGET_UNKNOWN: 'NOT_FOUND',
  OVERDRAFT_LIMIT_EXCEEDED: 'OVERDRAFT_LIMIT_EXCEEDED',
  FROZEN: 'BUDGET_FROZEN',
  CIRCUIT_OPEN: 'BUDGET_FROZEN',
  POLICY_CHANGED_DENY: 'ACTION_KIND_DENIED',
  RESERVATION_EXPIRED: 'RESERVATION_EXPIRED',
  RESERVATION_FINALIZED: 'RESERVATION_FINALIZED',
  IDEMPOTENCY_KEY_REUSED: 'IDEMPOTENCY_MISMATCH',
  // "Try again with the same key": the protocol has this for 429 only.
  IDEMPOTENCY_IN_FLIGHT: 'LIMIT_EXCEEDED',
  VELOCITY_EXCEEDED: 'ACTION_QUOTA_EXCEEDED',
  RUN_LIMIT_EXCEEDED: 'ACTION_QUOTA_EXCEEDED',
};

const BY_STATUS: Readonly<Record<number, CyclesErrorCode>> = { 401: 'UNAUTHORIZED', 403: 'FORBIDDEN', 404: 'NOT_FOUND', 429: 'LIMIT_EXCEEDED' };

/** What the protocol calls one of our codes. */
export const cyclesErrorOf = (code: Code): CyclesErrorCode => {
  const { status } = CODES[code];
  return NAMED[code] ?? BY_STATUS[status] ?? (status >= 500 ? 'INTERNAL_ERROR' : 'INVALID_REQUEST');
};

/** Reasons of DecisionReasonCode that are no ErrorCode. */
const REASONS: Partial<Record<Code, string>> = { BUDGET_UNKNOWN: 'BUDGET_NOT_FOUND' };
export const reasonCodeOf = (code: Code): string => REASONS[code] ?? cyclesErrorOf(code);

/** A refusal that the protocol tells apart more finely than our codes do. */
export class CyclesProblem extends Problem {
  constructor(
    code: Code,
    readonly cyclesError: CyclesErrorCode,
    detail?: string,
  ) {
    super(code, detail);
  }

  override document(): ProblemDocument & { readonly cycles_error: CyclesErrorCode } {
    return { ...super.document(), cycles_error: this.cyclesError };
  }
}

/**
 * Denials that come with `details.deny_detail`. Which scope refused, and what it has left, is for operators; so is what a quota
 * counted, without which the protocol wants no deny_detail of a quota.
 */
const DENIALS: readonly CyclesErrorCode[] = ['BUDGET_EXCEEDED', 'BUDGET_FROZEN', 'BUDGET_CLOSED', 'OVERDRAFT_LIMIT_EXCEEDED', 'DEBT_OUTSTANDING', 'ACTION_KIND_DENIED'];

/** `ErrorResponse` of the protocol for a problem of ours. */
export const errorResponse = (problem: ProblemDocument & { readonly cycles_error?: CyclesErrorCode }, requestId: string, traceId: string) => {
  const error = problem.cycles_error ?? cyclesErrorOf(problem.code);
  const faults = (problem.errors ?? []).map(({ pointer, expected }) => `${pointer === '' ? 'the body' : pointer}: ${expected}`);
  const message = [problem.detail ?? problem.title, ...faults].join('; ');
  return {
    // 503 stays 503: proxies and clients know what to do with it.
    status: problem.status >= 500 ? problem.status : STATUS[error],
    body: { error, message, request_id: requestId, trace_id: traceId, ...(DENIALS.includes(error) ? { details: { deny_detail: { reason_code: error } } } : {}) },
  };
};
