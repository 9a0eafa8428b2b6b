export { initialState, evolve, type Execution, type ExecutionEvent, type ExecutionIds, type ExecutionStatus, type FailureCode, type UnknownCode } from './execution.js';
export { decide, notExecutedFrom, RECONCILE_MARGIN_MS, type ExecutionCommand, type ExecutionRefusalCode, type ReconcileData } from './decide.js';
export { classifyOutcome, httpAnswer, type CallEnding, type Outcome } from './outcome.js';
export { DEFAULT_RUNTIME_MS, effectiveCaps, judgeCall, runtimeMs, type CallFacts } from './judge-call.js';
