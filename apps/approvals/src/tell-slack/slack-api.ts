import { APPROVAL_LIMITS } from '../limits.js';
import type { Sent } from '../tell-channels/channel.js';
import type { SlackInstallation } from './slack-installations.js';

export type SlackAnswer = { readonly ok: true; readonly ts?: string; readonly channel?: string } | Exclude<Sent, { readonly ok: true }>;

/** Errors that another attempt will not change. */
const FINAL: readonly string[] = ['invalid_auth', 'account_inactive', 'token_revoked', 'not_in_channel', 'channel_not_found', 'is_archived', 'invalid_blocks', 'msg_too_long', 'msg_blocks_too_long', 'missing_scope'];
const MAX_ANSWER_BYTES = 256 * 1024;
const WORD = /^[a-z_]{1,50}$/;

/** One call of the Web API. Redirects are not followed; of an error only its code is kept. */
export const callSlack = async ({ api = 'https://slack.com/api', bot_token }: Pick<SlackInstallation, 'api' | 'bot_token'>, method: string, fields: object): Promise<SlackAnswer> => {
  let answer: Response;
  let body: string;
  try {
    answer = await fetch(`${api}/${method}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bot_token}`, 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(fields),
      redirect: 'manual',
      signal: AbortSignal.timeout(APPROVAL_LIMITS.slackMs),
    });
    body = await textWithin(answer, MAX_ANSWER_BYTES);
  } catch {
    return { ok: false, why: 'Slack could not be reached' };
  }
  if (answer.status === 429) return { ok: false, why: 'Slack answered 429', afterSeconds: Math.max(1, Number(answer.headers.get('retry-after')) || 1) };
  if (answer.status !== 200) return { ok: false, why: `Slack answered ${answer.status}` };
  return read(body);
};

const read = (body: string): SlackAnswer => {
  let said: { readonly ok?: unknown; readonly error?: unknown; readonly ts?: unknown; readonly channel?: unknown };
  try {
    said = JSON.parse(body) as typeof said;
  } catch {
    return { ok: false, why: 'Slack answered no JSON' };
  }
  if (said.ok === true) return { ok: true, ...(typeof said.ts === 'string' ? { ts: said.ts } : {}), ...(typeof said.channel === 'string' ? { channel: said.channel } : {}) };
  const error = typeof said.error === 'string' && WORD.test(said.error) ? said.error : 'error';
  return { ok: false, why: `Slack answered ${error}`, ...(FINAL.includes(error) ? { final: true } : {}) };
};

const textWithin = async (answer: Response, most: number): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > most) throw new Error('the answer is too long');
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
};
