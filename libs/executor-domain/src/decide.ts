import type { EvidenceSource, Tool, UnitAmount } from '@exequatur/contracts';
import { assertNever, refuse, toInstant } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { idsOf } from './execution.js';
import type { Execution, ExecutionEvent, ExecutionIds, FailureCode, UnknownCode } from './execution.js';

/** Unix ms by the database's clock, read after all locks. */
interface Metadata {
  readonly now: number;
}
type CommandOf<T extends string, D> = { readonly type: T; readonly data: D; readonly metadata: Metadata };

export type ExecutionCommand =
  /** A managed grant arrived, or its next use was asked for. */
  | CommandOf<'Request', ExecutionIds & { readonly tool: Tool; readonly expiresAt: string; /** who asks for a use of another agent's grant */ readonly child?: ChildUse }>
  /** Reservations holds authority and budget for it; the tool is called next. */
  | CommandOf<'Start', { readonly reservationId: string; readonly executeBy: number }>
  | CommandOf<'Succeed', { readonly providerRequestId?: string; readonly actual: readonly UnitAmount[]; readonly executedArgumentsHash: string; readonly result: string }>
  /** Provably no effect. */
  | CommandOf<'Fail', { readonly code: FailureCode; readonly result: string }>
  | CommandOf<'MarkUnknown', { readonly code: UnknownCode }>
  | CommandOf<'Reconcile', ReconcileData>
  /** Nothing ran and nothing will: `code` is that of reservations' refusal, or of ours. */
  | CommandOf<'Skip', { readonly code: string }>;

/** A child agent uses what was handed on to it of its parent's grant. */
export interface ChildUse {
  readonly agent: string;
  readonly delegationId: string;
}

export interface ReconcileData {
  readonly result: 'executed' | 'not_executed';
  readonly evidence: string;
  /** A person who looked, or what the tool itself answered (an executor that comes back late with the answer included). */
  readonly by: { readonly kind: 'person'; readonly person: string; readonly reason: string } | { readonly kind: 'tool_query' };
  /** Where what was seen lies. */
  readonly references?: readonly EvidenceSource[];
  readonly providerRequestId?: string;
  /** How long the tool may run once called; milliseconds. */
  readonly maxRuntimeMs: number;
}

export type ExecutionRefusalCode = 'NOT_FOUND' | 'CONFLICT' | 'REASON_REQUIRED';
type Decision = readonly ExecutionEvent[] | Refusal<ExecutionRefusalCode>;

/** Clocks of two machines, and the time an answer takes on its way, both generously. */
export const RECONCILE_MARGIN_MS = 5_000;

/** From when on nothing that started in time can still be running, so that "not executed" may be believed; Unix ms. */
export const notExecutedFrom = (executeBy: number, maxRuntimeMs: number): number => executeBy + maxRuntimeMs + RECONCILE_MARGIN_MS;

/**
 * Decides about one use of one managed grant. Every second submission of what is already so adds nothing.
 * - NOT_FOUND: no such execution.
 * - CONFLICT: it is in another state; for Start that means somebody else took it, for "not executed" that it is too early.
 * - REASON_REQUIRED: reconciled without evidence, or by a person without a reason.
 */
export const decide = (command: ExecutionCommand, state: Execution): Decision => {
  switch (command.type) {
    case 'Request': {
      if (state.status !== 'None') return [];
      const { tool, expiresAt, child } = command.data;
      const under = child === undefined ? {} : { child_agent: child.agent, delegation_id: child.delegationId };
      return [{ type: 'ExecutionRequested', data: { ...idsOf(command.data), tool, expires_at: expiresAt, ...under } }];
    }
    case 'Start':
      return start(command.data, command.metadata.now, state);
    case 'Skip':
      if (state.status === 'Skipped') return [];
      return state.status === 'Requested' ? [{ type: 'ExecutionSkipped', data: { ...state.ids, code: command.data.code } }] : elsewhere(state);
    case 'Succeed': {
      if (state.status === 'Succeeded') return [];
      if (state.status !== 'Started') return elsewhere(state);
      const { providerRequestId, actual, executedArgumentsHash, result } = command.data;
      const provider = providerRequestId === undefined ? {} : { provider_request_id: providerRequestId };
      return [{ type: 'ExecutionSucceeded', data: { ...claimIds(state), ...provider, actual, executed_arguments_hash: executedArgumentsHash }, sealed: { result } }];
    }
    case 'Fail':
      if (state.status === 'Failed') return [];
      return state.status === 'Started' ? [failed(claimIds(state), command.data.code, command.data.result)] : elsewhere(state);
    case 'MarkUnknown':
      if (state.status === 'Unknown') return [];
      return state.status === 'Started' ? [{ type: 'ExecutionUnknown', data: { ...claimIds(state), code: command.data.code } }] : elsewhere(state);
    case 'Reconcile':
      return reconcile(command.data, command.metadata.now, state);
    default:
      return assertNever(command);
  }
};

type Claimed = Extract<Execution, { status: 'Started' | 'Unknown' }>;

const claimIds = ({ ids, reservationId }: Claimed): ExecutionIds & { readonly reservation_id: string } => ({ ...ids, reservation_id: reservationId });

const failed = (ids: ExecutionIds & { readonly reservation_id: string }, code: FailureCode, result: string): ExecutionEvent => ({ type: 'ExecutionFailed', data: { ...ids, code }, sealed: { result } });

const elsewhere = (state: Execution): Refusal<ExecutionRefusalCode> => (state.status === 'None' ? refuse('NOT_FOUND') : refuse('CONFLICT', `the execution is ${state.status.toLowerCase()}`));

/** Unlike the others a second start is refused: whoever hears "yes" calls the tool, so only one may hear it. */
const start = ({ reservationId, executeBy }: { readonly reservationId: string; readonly executeBy: number }, now: number, state: Execution): Decision => {
  if (state.status !== 'Requested') return elsewhere(state);
  const ids = { ...state.ids, reservation_id: reservationId };
  const started: ExecutionEvent = { type: 'ExecutionStarted', data: { ...ids, execute_by: toInstant(executeBy) } };
  return now < executeBy ? [started] : [started, failed(ids, 'EXECUTE_BY_PASSED', '')];
};

const reconcile = ({ result, evidence, by, references, providerRequestId, maxRuntimeMs }: ReconcileData, now: number, state: Execution): Decision => {
  if (state.status !== 'Unknown') return elsewhere(state);
  if (evidence.trim() === '') return refuse('REASON_REQUIRED', 'say what shows it', '/evidence');
  if (by.kind === 'person' && by.reason.trim() === '') return refuse('REASON_REQUIRED', 'say why', '/reason');
  const from = notExecutedFrom(state.executeBy, maxRuntimeMs);
  if (result === 'not_executed' && now < from) return refuse('CONFLICT', `it may still be running; "not_executed" can be said from ${toInstant(from)} on`, '/result');
  const data = {
    ...claimIds(state),
    result,
    by: by.kind,
    ...(by.kind === 'person' ? { person: by.person } : {}),
    ...(providerRequestId === undefined ? {} : { provider_request_id: providerRequestId }),
  };
  const sealed = { evidence, ...(by.kind === 'person' ? { reason: by.reason } : {}), ...(references === undefined ? {} : { references }) };
  return [{ type: 'ExecutionReconciled', data, sealed }];
};
