export { initialState, evolve, type Execution, type ExecutionEvent, type ExecutionIds, type ExecutionStatus, type FailureCode, type UnknownCode } from './execution.js';
export { decide, notExecutedFrom, RECONCILE_MARGIN_MS, type ChildUse, type ExecutionCommand, type ExecutionRefusalCode, type ReconcileData } from './decide.js';
export { classifyOutcome, httpAnswer, type CallEnding, type Outcome } from './outcome.js';
export { DEFAULT_RUNTIME_MS, effectiveCaps, judgeCall, runtimeMs, type CallFacts, type CallGrant } from './judge-call.js';
export { extractFacts, type ExtractedFacts, type Extractors } from './extract-facts.js';
export { judgeQuery, type QueryMapping, type QueryMatch, type QueryVerdict, type ToolAnswer } from './judge-query.js';
