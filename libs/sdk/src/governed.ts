import type { Proposal, Tool } from '@exequatur/contracts';
import type { ActionView, ExequaturClient, Proposed, Reserved } from './client.js';
import { ActionDenied, ApprovalPending, ExequaturProblem, NoEffect, OutcomeUnknown } from './errors.js';

export interface GovernedOptions<A> {
  readonly client: ExequaturClient;
  readonly tool: Tool;
  readonly action_kind: string;
  readonly scope_path: string;
  readonly run_id: string;
  readonly thread_id?: string;
  /** what the call acts on, from its arguments; must equal what the tool table extracts on the server */
  readonly target?: (args: A) => string;
  /** anything else the proposal should say: reasoning, evidence, reversal, business_impact, … */
  readonly describe?: (args: A) => Partial<Omit<Proposal, 'arguments' | 'execution_mode' | 'tool'>>;
  /** `throw` ApprovalPending at once (default), or `wait` for people up to wait_ms */
  readonly on_pending?: 'throw' | 'wait';
  readonly wait_ms?: number;
  /** the run's state, parked before ApprovalPending is thrown; `resumeRun` gives it back, in another process if need be */
  readonly checkpoint?: (args: A) => Uint8Array;
}

/**
 * Wraps a tool so that nothing runs without authority: propose → (approval) → reserve → start → tool → outcome. The tool is
 * called with the granted arguments, which an approver may have narrowed. Self-execution: the outcome is the agent's word.
 *
 * @throws ApprovalPending a person has to decide; call `resumeGoverned` with its action_id afterwards
 * @throws ActionDenied denied, quarantined, rejected, expired, or refused by the authority
 * @throws OutcomeUnknown the tool failed after it may have acted (throw NoEffect from the tool to say it did not)
 */
export const governed =
  <A, R>(tool: (args: A, reservation: Reserved) => Promise<R>, options: GovernedOptions<A>) =>
  async (args: A): Promise<R | string> => {
    const proposed = await options.client.propose(proposalOf(args, options));
    if (proposed.verdict === 'ALLOW' || proposed.verdict === 'ALLOW_WITH_CAPS') {
      return execute(tool, options, proposed.action_id, { args, argumentsHash: proposed.arguments_hash, grant: proposed.grant, targetHash: proposed.target_hash, salt: proposed.salt });
    }
    if (proposed.verdict !== 'REQUIRE_APPROVAL') throw denied(proposed);
    if (options.checkpoint !== undefined && proposed.approval_id !== undefined) await options.client.park(proposed.approval_id, options.checkpoint(args));
    if (options.on_pending !== 'wait') throw new ApprovalPending(proposed.action_id, options.client.approvalUrl(proposed.approval_id ?? ''));
    return resumeGoverned(tool, options, proposed.action_id);
  };

/** Goes on with an action that waited for people: waits up to wait_ms, then executes what was granted. */
export const resumeGoverned = async <A, R>(tool: (args: A, reservation: Reserved) => Promise<R>, options: GovernedOptions<A>, actionId: string): Promise<R | string> => {
  const view = await decided(options.client, actionId, options.wait_ms ?? 300_000);
  if (view.status === 'answered') return view.response ?? '';
  if (view.status === 'awaiting_approval') throw new ApprovalPending(actionId, options.client.approvalUrl(view.approval_id ?? ''));
  if (view.status !== 'granted' || view.granted_arguments_hash === undefined) throw denied(view);
  return execute(tool, options, actionId, { args: view.granted_arguments as A, argumentsHash: view.granted_arguments_hash, grant: view.grant, targetHash: view.target_hash, salt: view.salt });
};

const LONGEST_POLL_MS = 30_000;

const decided = async (client: ExequaturClient, actionId: string, waitMs: number): Promise<ActionView> => {
  const until = performance.now() + waitMs;
  for (;;) {
    const remaining = until - performance.now();
    const view = await client.wait(actionId, Math.max(0, Math.min(remaining, LONGEST_POLL_MS)));
    if (view.status !== 'awaiting_approval' || performance.now() >= until) return view;
  }
};

interface Granted<A> {
  readonly args: A;
  readonly argumentsHash: string;
  readonly grant: string | undefined;
  readonly targetHash: string | undefined;
  readonly salt: string | undefined;
}

const execute = async <A, R>(tool: (args: A, reservation: Reserved) => Promise<R>, options: GovernedOptions<A>, actionId: string, granted: Granted<A>): Promise<R> => {
  const askedAt = performance.now();
  const reserved = await refusedAsDenied(actionId, options.client.reserve(reserveRequest(options, granted)));
  await options.client.start(reserved.reservation_id);
  if (performance.now() - askedAt > reserved.execute_within_ms || Date.now() > Date.parse(reserved.execute_by)) {
    await options.client.outcome(reserved.reservation_id, { status: 'FAILED' });
    throw new ActionDenied(actionId, 'EXECUTE_BY_PASSED', undefined, 'The last moment to execute has passed; propose again.');
  }
  const result = await called(tool, granted.args, reserved, options.client, actionId);
  await options.client.outcome(reserved.reservation_id, { status: 'SUCCEEDED' });
  return result;
};

const called = async <A, R>(tool: (args: A, reservation: Reserved) => Promise<R>, args: A, reserved: Reserved, client: ExequaturClient, actionId: string): Promise<R> => {
  try {
    return await tool(args, reserved);
  } catch (cause) {
    const status = cause instanceof NoEffect ? 'FAILED' : 'UNKNOWN';
    await client.outcome(reserved.reservation_id, { status });
    throw status === 'FAILED' ? cause : new OutcomeUnknown(actionId, reserved.reservation_id, cause);
  }
};

const reserveRequest = <A>(options: GovernedOptions<A>, granted: Granted<A>): Parameters<ExequaturClient['reserve']>[0] => ({
  ...(granted.grant === undefined ? {} : { grant: granted.grant }),
  execution_mode: 'self',
  scope_path: options.scope_path,
  run_id: options.run_id,
  ...(options.thread_id === undefined ? {} : { thread_id: options.thread_id }),
  action_kind: options.action_kind,
  tool: options.tool,
  ...(granted.targetHash === undefined ? {} : { target_hash: granted.targetHash }),
  arguments_hash: granted.argumentsHash,
  ...(granted.salt !== undefined && isBounded(granted.grant) ? { arguments: granted.args, salt: granted.salt } : {}),
});

/** Whether the authority wants to see the arguments themselves. Only read here: whoever grants by it checks its signature. */
const isBounded = (grant: string | undefined): boolean => {
  const [, claims] = grant?.split('.') ?? [];
  return claims !== undefined && (JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as { readonly binding?: unknown }).binding === 'bounded';
};

const refusedAsDenied = async <T>(actionId: string, answer: Promise<T>): Promise<T> => {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ExequaturProblem) || error.retryable) throw error;
    const stopReason = error.code === 'BUDGET_EXCEEDED' ? 'budget_exceeded' : undefined;
    throw new ActionDenied(actionId, error.code, stopReason, error.detail);
  }
};

const proposalOf = <A>(args: A, options: GovernedOptions<A>): Proposal => ({
  ...options.describe?.(args),
  scope_path: options.scope_path,
  run_id: options.run_id,
  ...(options.thread_id === undefined ? {} : { thread_id: options.thread_id }),
  action_kind: options.action_kind,
  tool: options.tool,
  ...(options.target === undefined ? {} : { target: options.target(args) }),
  arguments: args,
  execution_mode: 'self',
});

const denied = (view: ActionView | Proposed): ActionDenied => {
  const rejection = 'rejection' in view ? view.rejection : undefined;
  const words = rejection === undefined ? (view.instruction ?? '') : `${rejection.instruction}: ${rejection.reason}`;
  return new ActionDenied(view.action_id, view.code ?? view.status.toUpperCase(), view.stop_reason, words);
};
