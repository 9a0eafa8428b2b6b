import type { Code, EventEnvelope, StopReason } from '@exequatur/contracts';
import { sealedPart } from './action-view.js';
import type { ActionView, ActionViewStatus } from './action-view.js';
import { moved } from './status-order.js';

interface Step {
  readonly status?: ActionViewStatus;
  /** which entry of `why` the code is */
  readonly says?: 'refused' | 'failed' | 'unknown';
  readonly code?: Code;
}

/** What the fields below say, wherever they stand; each is absent on some events. */
interface UseData {
  readonly use_no?: number;
  readonly reservation_id?: string;
  readonly execution_id?: string;
  readonly provider_request_id?: string;
  readonly code?: Code;
  readonly outcome?: 'SUCCEEDED' | 'FAILED' | 'UNKNOWN' | 'NONE';
  readonly result?: 'executed' | 'not_executed';
}

/** What became of the grant: facts of the reservations and executions topics. */
export const foldExecution = (view: ActionView, name: string, event: EventEnvelope): ActionView => {
  const data = event.data as UseData;
  const step = stepOf(name, data);
  if (step === undefined) return view;
  const isNextUse = data.use_no !== undefined && data.use_no > (view.use_no ?? 0) && name !== 'ReservationRefused';
  const before = isNextUse && view.use_no !== undefined ? afterEarlierUse(view) : view;
  const part = name === 'ExecutionSucceeded' ? sealedPart(event) : undefined;
  return {
    ...withStep(before, step),
    ...(isNextUse ? { use_no: data.use_no } : {}),
    ...(data.reservation_id === undefined || name === 'ReservationRefused' ? {} : { reservation_id: data.reservation_id }),
    ...(data.execution_id === undefined ? {} : { execution_id: data.execution_id }),
    ...(data.provider_request_id === undefined ? {} : { provider_request_id: data.provider_request_id }),
    ...(part === undefined ? {} : { sealed: { ...before.sealed, result: part } }),
  };
};

const withStep = (view: ActionView, { status, says, code }: Step): ActionView => ({
  ...view,
  status: status === undefined ? view.status : moved(view.status, status),
  ...(says === undefined || code === undefined ? {} : { why: { ...view.why, [says]: { code, ...stopReason(code) } } }),
});

const stepOf = (name: string, data: UseData): Step | undefined => {
  switch (name) {
    case 'ReservationHeld':
      return { status: 'reserved' };
    case 'ReservationRefused':
      return { says: 'refused', ...codeOf(data) };
    case 'ReservationStarted':
    case 'ExecutionStarted':
      return { status: 'executing' };
    case 'ReservationCommitted':
    case 'ExecutionSucceeded':
      return { status: 'executed' };
    case 'ReservationReleased':
      return { status: data.outcome === 'FAILED' ? 'failed' : 'released' };
    case 'ReservationExpired':
      return { status: 'released', says: 'failed', code: 'RESERVATION_EXPIRED' };
    case 'ReservationMarkedUnknown':
      return { status: 'unknown' };
    case 'ExecutionUnknown':
      return { status: 'unknown', says: 'unknown', ...codeOf(data) };
    case 'ExecutionFailed':
    case 'ExecutionSkipped':
      return { status: 'failed', says: 'failed', ...codeOf(data) };
    case 'ExecutionReconciled':
      return { status: data.result === 'executed' ? 'executed' : 'failed' };
    default:
      return undefined;
  }
};

const codeOf = ({ code }: UseData): { code?: Code } => (code === undefined ? {} : { code });

/** The next use of a grant starts where the grant stood. */
const afterEarlierUse = (view: ActionView): ActionView => {
  const { reservation_id: _reservation, execution_id: _execution, provider_request_id: _provider, ...rest } = view;
  const { refused: _refused, failed: _failed, unknown: _unknown, ...why } = view.why;
  return { ...rest, why, status: view.approval_id === undefined ? 'allowed' : 'granted' };
};

const STOP_REASON_OF: Readonly<Partial<Record<Code, StopReason>>> = {
  BUDGET_EXCEEDED: 'budget_exceeded',
  BUDGET_UNKNOWN: 'budget_exceeded',
  FROZEN: 'frozen',
  CIRCUIT_OPEN: 'circuit_open',
  RUN_LIMIT_EXCEEDED: 'run_limit',
  POLICY_CHANGED_DENY: 'policy_denied',
  POLICY_CHANGED_APPROVAL_REQUIRED: 'approval_required',
  TIMED_OUT_UNKNOWN: 'outcome_unknown',
  CONNECTION_LOST_UNKNOWN: 'outcome_unknown',
};

const stopReason = (code: Code): { stop_reason?: StopReason } => {
  const reason = STOP_REASON_OF[code];
  return reason === undefined ? {} : { stop_reason: reason };
};
