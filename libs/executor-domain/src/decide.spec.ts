import { describe, expect, test } from '@jest/globals';
import { fromInstant, isRefusal } from '@exequatur/kernel';
import { specFor } from '@exequatur/testing';
import { decide, evolve, initialState, notExecutedFrom } from './index.js';
import type { ExecutionCommand, ExecutionEvent, ReconcileData } from './index.js';

const ids = { execution_id: 'e', action_id: 'a', grant_id: 'g', use_no: 1 };
const claimed = { ...ids, reservation_id: 'r' };
const tool = { name: 'mailer.send', version: '1.0' };
const EXECUTE_BY = '2026-01-01T00:00:10.000Z';
const executeBy = fromInstant(EXECUTE_BY);
const early = { now: executeBy - 1 };
const late = { now: executeBy };
const RUNTIME_MS = 60_000;
const hash = `sha256:${'0'.repeat(64)}`;

const requested: ExecutionEvent = { type: 'ExecutionRequested', data: { ...ids, tool, expires_at: EXECUTE_BY } };
const started: ExecutionEvent = { type: 'ExecutionStarted', data: { ...claimed, execute_by: EXECUTE_BY } };
const succeeded: ExecutionEvent = { type: 'ExecutionSucceeded', data: { ...claimed, provider_request_id: 'p', actual: [], executed_arguments_hash: hash }, sealed: { result: 'ok' } };
const failed = (code: 'EXECUTE_BY_PASSED' | 'CONNECTOR_REFUSED', result = ''): ExecutionEvent => ({ type: 'ExecutionFailed', data: { ...claimed, code }, sealed: { result } });
const unknown: ExecutionEvent = { type: 'ExecutionUnknown', data: { ...claimed, code: 'TIMED_OUT_UNKNOWN' } };
const skipped: ExecutionEvent = { type: 'ExecutionSkipped', data: { ...ids, code: 'BUDGET_EXCEEDED' } };
const reconciled = (result: 'executed' | 'not_executed'): ExecutionEvent => ({ type: 'ExecutionReconciled', data: { ...claimed, result, by: 'person', person: 'oscar' }, sealed: { evidence: 'seen', reason: 'the ledger says so' } });

const request: ExecutionCommand = { type: 'Request', data: { ...ids, tool, expiresAt: EXECUTE_BY }, metadata: early };
const start = (metadata = early): ExecutionCommand => ({ type: 'Start', data: { reservationId: 'r', executeBy }, metadata });
const succeed: ExecutionCommand = { type: 'Succeed', data: { providerRequestId: 'p', actual: [], executedArgumentsHash: hash, result: 'ok' }, metadata: early };
const fail: ExecutionCommand = { type: 'Fail', data: { code: 'CONNECTOR_REFUSED', result: '400' }, metadata: early };
const markUnknown: ExecutionCommand = { type: 'MarkUnknown', data: { code: 'TIMED_OUT_UNKNOWN' }, metadata: early };
const skip: ExecutionCommand = { type: 'Skip', data: { code: 'BUDGET_EXCEEDED' }, metadata: early };
const reconcile = (result: 'executed' | 'not_executed', now: number, change: Partial<ReconcileData> = {}): ExecutionCommand => ({
  type: 'Reconcile',
  data: { result, evidence: 'seen', by: { kind: 'person', person: 'oscar', reason: 'the ledger says so' }, maxRuntimeMs: RUNTIME_MS, ...change },
  metadata: { now },
});

const execution = specFor({ decide, evolve, initialState });

describe('a use of a managed grant', () => {
  test('is requested once', () => execution.given().when(request).then(requested));
  test('R10: of a child agent it says who asked, and under which delegation', () =>
    execution.given().when({ ...request, data: { ...ids, tool, expiresAt: EXECUTE_BY, child: { agent: 'child', delegationId: 'd' } } }).then({ type: 'ExecutionRequested', data: { ...ids, tool, expires_at: EXECUTE_BY, child_agent: 'child', delegation_id: 'd' } }));
  test('the same grant again adds nothing', () => execution.given(requested).when(request).thenNothing());
  test('nor after it ended', () => execution.given(requested, started, succeeded).when(request).thenNothing());
});

describe('start', () => {
  test('takes what was requested', () => execution.given(requested).when(start()).then(started));
  test('invariant 5: a second start finds it taken', () => execution.given(requested, started).when(start()).thenRefused('CONFLICT'));
  test.each([[succeeded], [failed('CONNECTOR_REFUSED')], [unknown]])('never after an outcome: %j', (outcome) => execution.given(requested, started, outcome).when(start()).thenRefused('CONFLICT'));
  test('never after it was skipped', () => execution.given(requested, skipped).when(start()).thenRefused('CONFLICT'));
  test('of what nobody requested', () => execution.given().when(start()).thenRefused('NOT_FOUND'));
  test('invariant 2: at execute_by it is too late, and that is an end', () => execution.given(requested).when(start(late)).then(started, failed('EXECUTE_BY_PASSED')));
});

describe('outcome', () => {
  test('succeeded', () => execution.given(requested, started).when(succeed).then(succeeded));
  test('succeeded again adds nothing', () => execution.given(requested, started, succeeded).when(succeed).thenNothing());
  test('failed', () => execution.given(requested, started).when(fail).then(failed('CONNECTOR_REFUSED', '400')));
  test('failed again adds nothing', () => execution.given(requested, started, failed('CONNECTOR_REFUSED')).when(fail).thenNothing());
  test('unknown', () => execution.given(requested, started).when(markUnknown).then(unknown));
  test('unknown again adds nothing', () => execution.given(requested, started, unknown).when(markUnknown).thenNothing());
  test.each([[succeed], [fail], [markUnknown]])('none before the start: $type', (command) => execution.given(requested).when(command).thenRefused('CONFLICT'));
  test.each([[succeed], [fail], [markUnknown]])('none of what does not exist: $type', (command) => execution.given().when(command).thenRefused('NOT_FOUND'));
  test('a success cannot become unknown', () => execution.given(requested, started, succeeded).when(markUnknown).thenRefused('CONFLICT'));
  test('invariant 6: from unknown only reconciliation leads on', () => {
    execution.given(requested, started, unknown).when(succeed).thenRefused('CONFLICT');
    execution.given(requested, started, unknown).when(fail).thenRefused('CONFLICT');
  });
});

describe('skip', () => {
  test('ends what was refused for good', () => execution.given(requested).when(skip).then(skipped));
  test('again adds nothing', () => execution.given(requested, skipped).when(skip).thenNothing());
  test('not once it started', () => execution.given(requested, started).when(skip).thenRefused('CONFLICT'));
  test('not what does not exist', () => execution.given().when(skip).thenRefused('NOT_FOUND'));
});

describe('reconcile', () => {
  const from = notExecutedFrom(executeBy, RUNTIME_MS);
  test('executed, at any time', () => execution.given(requested, started, unknown).when(reconcile('executed', executeBy)).then(reconciled('executed')));
  test('not executed, once nothing can still be running', () => execution.given(requested, started, unknown).when(reconcile('not_executed', from)).then(reconciled('not_executed')));
  test('not executed, one millisecond before', () => execution.given(requested, started, unknown).when(reconcile('not_executed', from - 1)).thenRefused('CONFLICT'));
  test('invariant 6: the tool’s own word is believed no earlier', () => {
    const byTool = { by: { kind: 'tool_query' } } as const;
    execution.given(requested, started, unknown).when(reconcile('not_executed', from - 1, byTool)).thenRefused('CONFLICT');
    execution.given(requested, started, unknown).when(reconcile('not_executed', from, byTool)).then({ type: 'ExecutionReconciled', data: { ...claimed, result: 'not_executed', by: 'tool_query' }, sealed: { evidence: 'seen' } });
  });
  test('says when it can be said', () => {
    const state = [requested, started, unknown].reduce(evolve, initialState());
    const refusal = decide(reconcile('not_executed', executeBy), state);
    expect(isRefusal(refusal) && refusal.detail).toContain('2026-01-01T00:01:15.000Z');
  });
  test('without evidence', () => execution.given(requested, started, unknown).when(reconcile('executed', executeBy, { evidence: ' \n' })).thenRefused('REASON_REQUIRED'));
  test('by a person without a reason', () => execution.given(requested, started, unknown).when(reconcile('executed', executeBy, { by: { kind: 'person', person: 'oscar', reason: ' ' } })).thenRefused('REASON_REQUIRED'));
  test('with where the evidence lies', () => {
    const references = [{ uri: 'https://tickets.example/4711', hash }];
    execution
      .given(requested, started, unknown)
      .when(reconcile('executed', executeBy, { references }))
      .then({ type: 'ExecutionReconciled', data: { ...claimed, result: 'executed', by: 'person', person: 'oscar' }, sealed: { evidence: 'seen', reason: 'the ledger says so', references } });
  });
  test('by what the tool says', () =>
    execution
      .given(requested, started, unknown)
      .when(reconcile('executed', executeBy, { by: { kind: 'tool_query' }, providerRequestId: 'p' }))
      .then({ type: 'ExecutionReconciled', data: { ...claimed, result: 'executed', by: 'tool_query', provider_request_id: 'p' }, sealed: { evidence: 'seen' } }));
  test('a second time', () => execution.given(requested, started, unknown, reconciled('executed')).when(reconcile('executed', executeBy)).thenRefused('CONFLICT'));
  test('what is not unknown', () => {
    execution.given(requested, started).when(reconcile('executed', executeBy)).thenRefused('CONFLICT');
    execution.given().when(reconcile('executed', executeBy)).thenRefused('NOT_FOUND');
  });
});
