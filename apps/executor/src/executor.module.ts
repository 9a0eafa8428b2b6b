import { lookup } from 'node:dns/promises';
import { Module } from '@nestjs/common';
import { Questions } from './ask-tool/questions.js';
import { ReconcileByTool } from './ask-tool/reconcile-by-tool.js';
import { ToolCalls } from './call-tool/tool-calls.js';
import { ConnectorsHttp } from './connectors/connectors.http.js';
import { Connectors } from './connectors/connectors.js';
import { Egress } from './egress/egress.js';
import { ExecutionRecords } from './execution-stream/execution-records.js';
import { ExecutionViewHttp } from './execution-view/execution-view.http.js';
import { ExecutorConfig } from './executor-config.js';
import { NameAbandoned } from './name-abandoned/name-abandoned.js';
import { ReconcileExecutionHttp } from './reconcile-execution/reconcile-execution.http.js';
import { ExecuteWhatWasGranted } from './request-execution/execute-what-was-granted.js';
import { RequestNextUseHttp } from './request-next-use/request-next-use.http.js';
import { AskReservations } from './run-execution/ask-reservations.js';
import { ExecutionLeases } from './run-execution/execution-leases.js';
import { ExecutionWorker } from './run-execution/execution-worker.js';
import { GrantedContents } from './run-execution/granted-content.js';
import { RecordOutcome } from './run-execution/record-outcome.js';
import { RunExecution } from './run-execution/run-execution.js';

const egress = { provide: Egress, inject: [ExecutorConfig], useFactory: (config: ExecutorConfig) => new Egress(config.privateNetworks, (host) => lookup(host, { all: true, verbatim: true })) };

@Module({
  controllers: [ExecuteWhatWasGranted, ConnectorsHttp, ExecutionViewHttp, ReconcileExecutionHttp, RequestNextUseHttp],
  providers: [egress, AskReservations, Connectors, ExecutionLeases, ExecutionRecords, ExecutionWorker, GrantedContents, NameAbandoned, Questions, ReconcileByTool, RecordOutcome, RunExecution, ToolCalls],
})
export class ExecutorModule {}
