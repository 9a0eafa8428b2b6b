import { Injectable } from '@nestjs/common';
import type { Addressees, Channel, DueNotice, Happening, Sent } from '../tell-channels/channel.js';
import { sendWebhook } from './send-webhook.js';
import { webhookHeaders } from './sign-webhook.js';
import { WebhookEndpoints } from './webhook-endpoints.js';

/** Standard Webhooks; receivers dedupe by `webhook-id`, the event's. */
@Injectable()
export class WebhookChannel implements Channel, Addressees {
  readonly channel = 'webhook';

  constructor(private readonly endpoints: WebhookEndpoints) {}

  /** Those in the configuration; the others are found by the statement that keeps notices. */
  addresses(tenant: string, happening: Happening): readonly string[] {
    return this.endpoints.configured(tenant, happening).map(({ name }) => name);
  }

  async send({ tenant, event_id, address, body }: DueNotice): Promise<Sent> {
    const endpoint = await this.endpoints.named(tenant, address);
    if (endpoint === undefined) return { ok: false, why: 'the endpoint is no longer configured', final: true };
    return sendWebhook(endpoint, webhookHeaders(endpoint.secret, event_id, Math.floor(Date.now() / 1_000), body), body);
  }
}
