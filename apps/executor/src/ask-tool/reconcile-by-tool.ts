import { Inject, Injectable } from '@nestjs/common';
import { isRefusal } from '@exequatur/kernel';
import { LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { EXECUTOR } from '../itself.js';
import type { ToolSaid } from '../call-tool/ask-http-tool.js';
import { ToolCalls } from '../call-tool/tool-calls.js';
import { Connectors } from '../connectors/connectors.js';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import { LIMITS } from '../limits.js';
import { Questions } from './questions.js';
import type { Question } from './questions.js';

/** Longest evidence an event takes. */
const EVIDENCE = 10_000;

/**
 * Settles unknown outcomes by what the tool itself says of the effect key. It asks, it never calls: whatever the answer, nothing
 * is executed (invariant 6), and "not executed" is believed only once nothing can still be running.
 */
@Injectable()
export class ReconcileByTool {
  constructor(
    private readonly questions: Questions,
    private readonly connectors: Connectors,
    private readonly tools: ToolCalls,
    private readonly records: ExecutionRecords,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** Asks what is due now; the number of questions. */
  async askAll(stopping: AbortSignal): Promise<number> {
    const questions = await this.questions.take();
    const settled = await Promise.allSettled(questions.map((question) => this.ask(question, stopping)));
    for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
    return questions.length;
  }

  /** Those of all tenants that nobody has settled yet. */
  countUnknown(): Promise<number> {
    return this.questions.countUnknown();
  }

  private async ask(question: Question, stopping: AbortSignal): Promise<void> {
    const connector = await this.connectors.open(question.tenant, question.tool);
    const said = connector === undefined ? undefined : await this.tools.ask(connector, question.executionId, AbortSignal.any([stopping, AbortSignal.timeout(LIMITS.questionMs)]));
    if (said === undefined) return this.questions.nobodyToAsk(question);
    if (stopping.aborted) return;
    if (said.verdict.verdict === 'unclear') return this.questions.heard(question, said.heard);
    await this.settle(question, said);
  }

  private async settle(question: Question, { verdict, heard, evidence }: ToolSaid): Promise<void> {
    if (verdict.verdict === 'unclear') return;
    const { tenant, executionId, maxRuntimeMs } = question;
    const provider = verdict.verdict === 'executed' && verdict.providerRequestId !== undefined ? { providerRequestId: verdict.providerRequestId } : {};
    const data = { result: verdict.verdict, evidence: evidence.slice(0, EVIDENCE), by: { kind: 'tool_query' }, maxRuntimeMs, ...provider } as const;
    const decided = await this.records.store.transact({ streams: [executionStream(tenant, executionId)] }, (tx) => this.records.submit(tx, tenant, executionId, { type: 'Reconcile', data }, EXECUTOR));
    if (!isRefusal(decided)) return this.log.info({ execution_id: executionId, tenant, result: verdict.verdict }, 'the tool settled an unknown outcome');
    await this.questions.heard(question, heard);
    // Unless somebody settled it meanwhile, only the time can be why.
    if (verdict.verdict === 'not_executed') await this.questions.askWhenOver(question);
  }
}
