import { createHmac, timingSafeEqual } from 'node:crypto';

/** Slack's own advice: what is older may be a replay. */
export const SIGNATURE_WINDOW_SECONDS = 300;

const TIMESTAMP = /^[0-9]{1,12}$/;
const SIGNATURE = /^v0=[0-9a-f]{64}$/;

/** What a request of Slack is signed with. */
export interface SlackSigned {
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
  /** exactly as received */
  readonly body: Uint8Array;
}

/** `v0=` and HMAC-SHA256 over `v0:<timestamp>:<body>`. https://docs.slack.dev/authentication/verifying-requests-from-slack */
export const slackSignature = (secret: string, timestamp: string, body: Uint8Array): string => `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest('hex')}`;

/** Signed by this secret, within five minutes of `nowSeconds`, either way. */
export const isSignedBySlack = (secret: string, { timestamp, signature, body }: SlackSigned, nowSeconds: number): boolean => {
  if (timestamp === undefined || signature === undefined || !TIMESTAMP.test(timestamp) || !SIGNATURE.test(signature)) return false;
  if (Math.abs(nowSeconds - Number(timestamp)) > SIGNATURE_WINDOW_SECONDS) return false;
  return timingSafeEqual(Buffer.from(signature), Buffer.from(slackSignature(secret, timestamp, body)));
};
