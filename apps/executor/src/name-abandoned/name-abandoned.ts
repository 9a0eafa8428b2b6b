import { Inject, Injectable } from '@nestjs/common';
import { isRefusal } from '@exequatur/kernel';
import { Database, LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { EXECUTOR } from '../itself.js';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import { LIMITS } from '../limits.js';

const LAPSED = `SELECT tenant, execution_id FROM execution WHERE status = 'started' AND lease_until <= clock_timestamp() AND NOT execution_id = ANY ($2::uuid[]) ORDER BY lease_until LIMIT $1`;
const STILL_LAPSED = `SELECT FROM execution WHERE tenant = $1 AND execution_id = $2 AND status = 'started' AND lease_until <= clock_timestamp() FOR UPDATE`;

/**
 * Started executions without a sign of life, whichever instance had them: whether the tool was called cannot be known, so
 * they are named UNKNOWN and never run again. Should their worker still live after all, its own checks keep it from beginning
 * the call (its lease has ended there first), and an answer it already has reconciles them.
 */
@Injectable()
export class NameAbandoned {
  constructor(
    private readonly database: Database,
    private readonly records: ExecutionRecords,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** @param own what this instance works on: after a pause of its own its leases may have lapsed too */
  async nameAll(own: readonly string[]): Promise<void> {
    const { rows } = await this.database.query<{ tenant: string; execution_id: string }>(LAPSED, [LIMITS.abandonedBatch, own]);
    for (const { tenant, execution_id } of rows) await this.name(tenant, execution_id);
  }

  private async name(tenant: string, executionId: string): Promise<void> {
    const named = await this.records.store.transact({ streams: [executionStream(tenant, executionId)] }, async (tx) => {
      const lapsed = await tx.query(STILL_LAPSED, [tenant, executionId]);
      if (lapsed.rowCount !== 1) return undefined;
      return this.records.submit(tx, tenant, executionId, { type: 'MarkUnknown', data: { code: 'CONNECTION_LOST_UNKNOWN' } }, EXECUTOR);
    });
    if (named === undefined) return;
    if (isRefusal(named)) throw new Error(`the row of ${executionId} is started, its stream is not: ${named.detail ?? named.code}`);
    this.log.warn({ execution_id: executionId, tenant }, 'an execution was abandoned by its worker: its outcome is unknown');
  }
}
