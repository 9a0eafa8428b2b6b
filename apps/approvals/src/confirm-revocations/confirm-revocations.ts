import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { decide } from '@exequatur/approvals-domain';
import { PgEventStore } from '@exequatur/event-store';
import { isRefusal, type Clock } from '@exequatur/kernel';
import { CLOCK, Database, LOGGER, serviceToken, ServiceConfig, Signer } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { approvalStream, ApprovalStreams } from '../approval-stream/approval-streams.js';
import { APPROVAL_LIMITS } from '../limits.js';

interface Asked {
  readonly tenant: string;
  readonly approval_id: string;
}

/**
 * Says of each revoked grant when its tombstone stands in reservations: from there it is effective. Reservations is asked, since
 * the topic of all its claims would cost more here than the few revocations are worth; nothing but a clear yes counts.
 */
@Injectable()
export class ConfirmRevocations implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();

  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
    private readonly signer: Signer,
    private readonly config: ServiceConfig,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.next();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.timer);
    await this.running;
  }

  /** @returns how many took effect */
  async sweep(): Promise<number> {
    const { rows } = await this.database.query<Asked>("SELECT tenant, approval_id FROM approval_request WHERE revocation = 'asked' ORDER BY approval_id LIMIT $1", [APPROVAL_LIMITS.revocationBatch]);
    let effective = 0;
    for (const asked of rows) {
      if (!(await this.isClosed(asked))) continue;
      await this.confirm(asked);
      effective += 1;
    }
    return effective;
  }

  private next(): void {
    if (this.stopping.signal.aborted) return;
    this.timer = setTimeout(() => {
      this.running = this.sweep().then(
        () => this.next(),
        (error: unknown) => {
          if (!this.stopping.signal.aborted) this.log.warn({ err: error }, 'it is not known yet whether revocations took effect; asking again');
          this.next();
        },
      );
    }, APPROVAL_LIMITS.revocationSweepMs);
  }

  private async isClosed({ tenant, approval_id }: Asked): Promise<boolean> {
    const answer = await fetch(`${this.config.RESERVATIONS_URL}/v1/grants/${approval_id}?tenant=${encodeURIComponent(tenant)}`, {
      headers: { authorization: `Bearer ${serviceToken(this.signer, 'reservations', this.clock.now())}` },
      signal: AbortSignal.any([this.stopping.signal, AbortSignal.timeout(APPROVAL_LIMITS.askReservationsMs)]),
    });
    // 404: neither the grant nor its end has arrived there.
    const { status } = answer.ok ? ((await answer.json()) as { readonly status?: string }) : { status: undefined };
    return status === 'Revoked';
  }

  private async confirm({ tenant, approval_id }: Asked): Promise<void> {
    await this.store.transact({ streams: [approvalStream(tenant, approval_id)] }, async (tx) => {
      const approval = await this.streams.load(tx, tenant, approval_id);
      if (approval === undefined) return;
      const now = await this.streams.databaseNow(tx);
      const decision = decide({ type: 'ConfirmRevocation', metadata: { now } }, approval.state);
      if (isRefusal(decision) || decision.length === 0) return;
      await this.streams.append(tx, tenant, approval.events, decision, { actor: { type: 'service', id: 'reservations' }, now });
    });
  }
}
