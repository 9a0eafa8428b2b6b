import { Injectable } from '@nestjs/common';
import { list, name, object, oneOf, optional, text, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { shaped } from '@exequatur/service-kit';
import { ApprovalsConfig } from '../approvals-config.js';

/** What an endpoint can be told. */
export const WEBHOOK_EVENTS = ['approval.opened', 'approval.escalated', 'approval.emergency', 'approval.resolved'] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

const endpoint = object({
  /** stands in rows and logs in the place of the address */
  name: name(),
  tenant: name(),
  url: text(2_000),
  /** `whsec_` and 24 to 64 bytes in base64 */
  secret: { json: { type: 'string', pattern: '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$' } } as { json: Record<string, unknown>; type?: string },
  events: optional(list(oneOf(...WEBHOOK_EVENTS), WEBHOOK_EVENTS.length)),
  /** true: may lie in a private or loopback range, and be spoken to without TLS */
  private_network: optional(truth()),
});
const endpoints = list(endpoint, 100);
export type WebhookEndpoint = Shape<typeof endpoint>;

/** Endpoints as the operator configured them; nobody can add one over the API. */
@Injectable()
export class WebhookEndpoints {
  private readonly all: readonly WebhookEndpoint[];

  /** @throws Error naming the field, never its value */
  constructor(config: ApprovalsConfig) {
    this.all = config.EXEQUATUR_WEBHOOKS === undefined ? [] : parsed(config.EXEQUATUR_WEBHOOKS);
  }

  /** Whom an event of a tenant is told to. */
  for(tenant: string, event: WebhookEvent): readonly WebhookEndpoint[] {
    return this.all.filter((each) => each.tenant === tenant && (each.events ?? WEBHOOK_EVENTS).includes(event));
  }

  named(tenant: string, endpointName: string): WebhookEndpoint | undefined {
    return this.all.find((each) => each.tenant === tenant && each.name === endpointName);
  }
}

const parsed = (source: string): readonly WebhookEndpoint[] => {
  let found: readonly WebhookEndpoint[];
  try {
    found = shaped(endpoints, JSON.parse(source));
  } catch {
    throw new Error('EXEQUATUR_WEBHOOKS must be a JSON list of {name, tenant, url, secret, events?, private_network?}');
  }
  for (const { name: known, url, private_network } of found) {
    const isPlain = URL.canParse(url) && new URL(url).protocol === 'http:';
    const isWeb = URL.canParse(url) && (new URL(url).protocol === 'https:' || (isPlain && private_network === true)) && new URL(url).username === '';
    if (!isWeb) throw new Error(`EXEQUATUR_WEBHOOKS: the url of ${known} must be https, without credentials`);
  }
  if (new Set(found.map((each) => `${each.tenant}/${each.name}`)).size !== found.length) throw new Error('EXEQUATUR_WEBHOOKS: each name once a tenant');
  return found;
};
