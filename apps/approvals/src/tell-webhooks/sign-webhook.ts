import { createHmac } from 'node:crypto';

/** Headers of a Standard Webhooks message (standard-webhooks, symmetric signatures): HMAC-SHA256 over `id.timestamp.body`. */
export const webhookHeaders = (secret: string, id: string, timestampSeconds: number, body: string): Readonly<Record<string, string>> => ({
  'webhook-id': id,
  'webhook-timestamp': String(timestampSeconds),
  'webhook-signature': `v1,${createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64')).update(`${id}.${timestampSeconds}.${body}`).digest('base64')}`,
});
