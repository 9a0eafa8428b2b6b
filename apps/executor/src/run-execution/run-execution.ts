import { Inject, Injectable } from '@nestjs/common';
import { classifyOutcome, effectiveCaps, judgeCall, runtimeMs } from '@exequatur/executor-domain';
import type { Clock } from '@exequatur/kernel';
import { isRefusal } from '@exequatur/kernel';
import { CLOCK, LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { EXECUTOR } from '../itself.js';
import { ToolCalls } from '../call-tool/tool-calls.js';
import type { CallResult } from '../call-tool/tool-call.js';
import { Connectors } from '../connectors/connectors.js';
import type { OpenConnector } from '../connectors/connectors.js';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import { LIMITS } from '../limits.js';
import { AskReservations } from './ask-reservations.js';
import type { ReservationAnswer } from './ask-reservations.js';
import { deadlineOf, isLate } from './deadline.js';
import type { Deadline } from './deadline.js';
import { ExecutionLeases } from './execution-leases.js';
import type { Lease } from './execution-leases.js';
import { GrantedContents } from './granted-content.js';
import type { GrantedContent } from './granted-content.js';
import { RecordOutcome } from './record-outcome.js';

type Held = Extract<ReservationAnswer, { kind: 'held' }>;

/**
 * Only the owner of a live lease takes it, once; a paused twin that wakes up finds zero rows. The row says "started" before
 * the tool is called, so that after a crash nobody calls it again.
 */
const TAKE = `
UPDATE execution SET status = 'started', reservation_id = $4, execute_by = $5, max_runtime_ms = $6, started_at = clock_timestamp()
WHERE tenant = $1 AND execution_id = $2 AND status = 'requested' AND lease_owner = $3 AND lease_until > clock_timestamp()`;

/** One turn of one execution: ask reservations, start, call the tool, record what came of it. */
@Injectable()
export class RunExecution {
  constructor(
    private readonly leases: ExecutionLeases,
    private readonly records: ExecutionRecords,
    private readonly contents: GrantedContents,
    private readonly connectors: Connectors,
    private readonly reservations: AskReservations,
    private readonly tools: ToolCalls,
    private readonly outcomes: RecordOutcome,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** @throws what the database throws; the execution is then due again once its lease has lapsed, or named unknown */
  async run(lease: Lease, stopping: AbortSignal): Promise<void> {
    if (lease.expired) return this.skip(lease, 'GRANT_EXPIRED');
    const content = await this.contents.open(lease);
    if (typeof content === 'string') return this.skip(lease, content);
    const connector = await this.connectors.open(lease.tenant, lease.claims.tool);
    if (connector === undefined) return this.skip(lease, 'CONNECTOR_UNKNOWN');
    const askedAt = this.clock.monotonic();
    const answer = await this.reservations.ask(lease, stopping);
    // Nothing has happened yet, and the next start asks the same question.
    if (stopping.aborted) return;
    if (answer.kind === 'wait') return this.wait(lease, lease.attempt, answer.code);
    if (answer.kind === 'refused') return answer.retryable && lease.attempt < LIMITS.attempts ? this.wait(lease, lease.attempt + 1, answer.code) : this.skip(lease, answer.code);
    const deadline = await this.start(lease, answer, askedAt);
    if (deadline === undefined) return;
    const result = await this.call(lease, answer, deadline, content, connector);
    await this.outcomes.record(lease, result, classifyOutcome(result.ending), content.salt, stopping);
  }

  /** Undefined: somebody else has it, or it was too late and is recorded as such. */
  private async start(lease: Lease, held: Held, askedAt: number): Promise<Deadline | undefined> {
    const { tenant, executionId } = lease;
    const readAt = this.clock.monotonic();
    const maxRuntimeMs = runtimeMs(effectiveCaps(lease.claims.caps, held.caps));
    return this.records.store.transact({ streams: [executionStream(tenant, executionId)] }, async (tx) => {
      const taken = await tx.query(TAKE, [tenant, executionId, this.leases.owner, held.reservationId, new Date(held.executeBy).toISOString(), maxRuntimeMs]);
      if (taken.rowCount !== 1) return undefined;
      const decided = await this.records.submit(tx, tenant, executionId, { type: 'Start', data: { reservationId: held.reservationId, executeBy: held.executeBy } }, EXECUTOR);
      if (isRefusal(decided)) throw new Error(`the row of ${executionId} was requested, its stream is not: ${decided.detail ?? decided.code}`);
      if (decided.events.length !== 1) return undefined;
      return deadlineOf({ executeBy: held.executeBy, executeWithinMs: held.executeWithinMs, askedAt, databaseNow: decided.nowMs, readAt });
    });
  }

  /** From here on exactly one call, or provably none. */
  private call(lease: Lease, held: Held, deadline: Deadline, content: GrantedContent, connector: OpenConnector): Promise<CallResult> {
    const caps = effectiveCaps(lease.claims.caps, held.caps);
    return this.tools.call(connector, {
      effectKey: lease.executionId,
      bytes: content.bytes,
      runtimeMs: runtimeMs(caps),
      /** Asked again right before the first byte that can have an effect. */
      mayBegin: (facts) => {
        if (isLate(deadline, this.clock)) return { phase: 'not_sent', because: 'too_late' };
        if (!this.leases.isHeld(lease)) return { phase: 'not_sent', because: 'abandoned' };
        return judgeCall(caps, lease.claims, facts);
      },
    });
  }

  private async skip(lease: Lease, code: string): Promise<void> {
    const { tenant, executionId } = lease;
    const decided = await this.records.store.transact({ streams: [executionStream(tenant, executionId)] }, (tx) => this.records.submit(tx, tenant, executionId, { type: 'Skip', data: { code } }, EXECUTOR));
    // Another instance took it over while this one was paused.
    if (isRefusal(decided)) this.log.warn({ execution_id: executionId, tenant, detail: decided.detail }, 'not skipped');
  }

  private wait(lease: Lease, attempt: number, reason: string): Promise<void> {
    const ms = LIMITS.backOffMs[Math.min(lease.waits, LIMITS.backOffMs.length - 1)] ?? LIMITS.pollMs;
    return this.leases.giveBack(lease, { attempt, reason, ms });
  }
}
