import type { Code, StopReason } from '@exequatur/contracts';

/** An answer of Exequatur that is not a success: RFC 9457 problem details with our stable `code`. */
export class ExequaturProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: Code,
    readonly detail: string,
    readonly retryable: boolean,
    readonly errors: readonly { readonly pointer: string; readonly expected: string }[] = [],
  ) {
    super(`${code} (${status}): ${detail}`);
    this.name = 'ExequaturProblem';
  }
}

/** No service could be reached, or none answered in time; whether the request took effect is not known. Retry with the same key. */
export class ExequaturUnreachable extends Error {
  override readonly name = 'ExequaturUnreachable';
}

/** A person has to decide first. Keep `action_id`; `url` is where people decide and where to wait. */
export class ApprovalPending extends Error {
  override readonly name = 'ApprovalPending';
  constructor(
    readonly action_id: string,
    readonly url: string,
  ) {
    super(`action ${action_id} waits for approval`);
  }
}

/** The action may not run: denied by policy, set aside, rejected by a person, expired, or refused by the authority. */
export class ActionDenied extends Error {
  override readonly name = 'ActionDenied';
  constructor(
    readonly action_id: string,
    readonly code: string,
    readonly stop_reason: StopReason | undefined,
    /** what the agent should do, in the policy's or the reviewer's words */
    readonly instruction: string,
  ) {
    super(`action ${action_id} may not run: ${code}`);
  }
}

/** The tool may or may not have acted. Do not repeat it; the hold stands until someone reconciles it. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown';
  readonly stop_reason: StopReason = 'outcome_unknown';
  constructor(
    readonly action_id: string,
    readonly reservation_id: string,
    cause: unknown,
  ) {
    super(`whether action ${action_id} took effect is not known`, { cause });
  }
}

/** A tool throws this to say that provably nothing happened; any other error counts as unknown. */
export class NoEffect extends Error {
  override readonly name = 'NoEffect';
}
