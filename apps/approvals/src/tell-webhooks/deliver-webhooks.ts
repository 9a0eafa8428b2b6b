import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Database, LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { APPROVAL_LIMITS } from '../limits.js';
import { sendWebhook } from './send-webhook.js';
import { webhookHeaders } from './sign-webhook.js';
import { WebhookEndpoints } from './webhook-endpoints.js';

interface Due {
  readonly tenant: string;
  readonly event_id: string;
  readonly endpoint: string;
  readonly body: string;
  readonly attempts: number;
}

/** Takes what is due for the time of one attempt, so that no other instance sends it meanwhile; one that dies leaves it due again. */
const TAKE = `UPDATE webhook_notice n SET attempts = n.attempts + 1, next_at = clock_timestamp() + make_interval(secs => $2)
FROM (SELECT tenant, event_id, endpoint FROM webhook_notice WHERE next_at <= clock_timestamp() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS due
WHERE n.tenant = due.tenant AND n.event_id = due.event_id AND n.endpoint = due.endpoint RETURNING n.tenant, n.event_id, n.endpoint, n.body, n.attempts`;
const DONE = 'UPDATE webhook_notice SET next_at = NULL, delivered_at = clock_timestamp(), last_fault = NULL WHERE tenant = $1 AND event_id = $2 AND endpoint = $3';
const AGAIN = 'UPDATE webhook_notice SET next_at = CASE WHEN $4::int IS NULL THEN NULL ELSE clock_timestamp() + make_interval(secs => $4) END, last_fault = $5 WHERE tenant = $1 AND event_id = $2 AND endpoint = $3';

/** Seconds before each further attempt: over a day in all, then it is given up and stays in the table with its fault. */
const PAUSES = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 36_000] as const;

/** Sends notices at least once, each with the same id: receivers dedupe by `webhook-id`. */
@Injectable()
export class DeliverWebhooks implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly endpoints: WebhookEndpoints,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.next();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private next(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.running = this.deliverDue().then(
        () => this.next(),
        (error: unknown) => {
          this.log.warn({ err: error }, 'webhooks that are due could not be read; trying again');
          this.next();
        },
      );
    }, APPROVAL_LIMITS.webhookSweepMs);
  }

  private async deliverDue(): Promise<void> {
    const { rows } = await this.database.query<Due & Record<string, unknown>>(TAKE, [APPROVAL_LIMITS.webhookBatch, Math.ceil((2 * APPROVAL_LIMITS.webhookMs) / 1_000)]);
    await Promise.all(rows.map((due) => this.deliver(due)));
  }

  private async deliver({ tenant, event_id, endpoint: endpointName, body, attempts }: Due): Promise<void> {
    const endpoint = this.endpoints.named(tenant, endpointName);
    const key = [tenant, event_id, endpointName];
    if (endpoint === undefined) {
      await this.database.query(AGAIN, [...key, null, 'the endpoint is no longer configured']);
      return;
    }
    const sent = await sendWebhook(endpoint, webhookHeaders(endpoint.secret, event_id, Math.floor(Date.now() / 1_000), body), body);
    if (sent.ok) {
      await this.database.query(DONE, key);
      return;
    }
    const pause = PAUSES[attempts - 1] ?? null;
    this.log.warn({ endpoint: endpointName, attempts, fault: sent.why }, pause === null ? 'a webhook is given up' : 'a webhook was not taken; it is sent again');
    await this.database.query(AGAIN, [...key, pause, sent.why]);
  }
}
