import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { UnitAmount } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { DEFAULT_RUNTIME_MS } from '@exequatur/executor-domain';
import type { Outcome } from '@exequatur/executor-domain';
import { isRefusal, saltedHash } from '@exequatur/kernel';
import { faultKind, LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { EXECUTOR } from '../itself.js';
import type { CallResult } from '../call-tool/tool-call.js';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import type { UntimedCommand } from '../execution-stream/execution-records.js';
import { LIMITS } from '../limits.js';
import type { Lease } from './execution-leases.js';

/** Records what a call came to. The effect may be out in the world, so it does not give up while the database is away. */
@Injectable()
export class RecordOutcome {
  constructor(
    private readonly records: ExecutionRecords,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async record(lease: Lease, result: CallResult, outcome: Outcome, salt: Buffer, stopping: AbortSignal): Promise<void> {
    const { tenant, executionId } = lease;
    const locks = { streams: [executionStream(tenant, executionId)] };
    for (;;) {
      try {
        return await this.records.store.transact(locks, (tx) => this.submit(tx, lease, result, outcome, salt));
      } catch (error) {
        // What fails again the same way, or at a stop, is left: its lease lapses and it is named unknown.
        if (faultKind(error) === 'other' || stopping.aborted) throw error;
        this.log.warn({ err: error, execution_id: executionId, tenant }, 'an outcome is not recorded yet; trying again');
      }
      await delay(LIMITS.recordAgainMs);
    }
  }

  private async submit(tx: PgTransaction, lease: Lease, result: CallResult, outcome: Outcome, salt: Buffer): Promise<void> {
    const { tenant, executionId } = lease;
    const decided = await this.records.submit(tx, tenant, executionId, commandOf(lease, result, outcome, salt), EXECUTOR);
    if (!isRefusal(decided)) return;
    // While this instance was away from the database another one named it unknown: what the tool said settles that.
    const late = lateKnowledge(result, outcome);
    const settled = late === undefined ? decided : await this.records.submit(tx, tenant, executionId, late, EXECUTOR);
    if (isRefusal(settled)) this.log.warn({ execution_id: executionId, tenant, outcome: outcome.outcome, detail: settled.detail }, 'an outcome came too late to be recorded; the execution stays as it is');
  }
}

/** No tool of ours reports usage; what was granted for the use counts as used. */
const actualOf = ({ claims }: Lease): readonly UnitAmount[] => [...(claims.risk_points > 0 ? [{ unit: 'RISK_POINTS', amount: String(claims.risk_points) }] : []), ...claims.amounts.filter(({ unit }) => unit !== 'RISK_POINTS')];

const commandOf = (lease: Lease, result: CallResult, outcome: Outcome, salt: Buffer): UntimedCommand => {
  switch (outcome.outcome) {
    case 'SUCCEEDED': {
      const provider = result.providerRequestId === undefined ? {} : { providerRequestId: result.providerRequestId };
      return { type: 'Succeed', data: { ...provider, actual: actualOf(lease), executedArgumentsHash: saltedHash(salt, result.sent), result: result.excerpt } };
    }
    case 'FAILED':
      return { type: 'Fail', data: { code: outcome.code, result: result.excerpt } };
    case 'UNKNOWN':
      return { type: 'MarkUnknown', data: { code: outcome.code } };
  }
};

/** Longest evidence an event takes. */
const EVIDENCE = 10_000;

const lateKnowledge = ({ excerpt, providerRequestId }: CallResult, { outcome }: Outcome): UntimedCommand | undefined => {
  if (outcome === 'UNKNOWN') return undefined;
  const result = outcome === 'SUCCEEDED' ? 'executed' : 'not_executed';
  const evidence = `The executor came back with the outcome of its own call: ${outcome}. ${excerpt}`.slice(0, EVIDENCE);
  return { type: 'Reconcile', data: { result, evidence, by: { kind: 'tool_query' }, maxRuntimeMs: DEFAULT_RUNTIME_MS, ...(providerRequestId === undefined ? {} : { providerRequestId }) } };
};
