import { randomUUID } from 'node:crypto';
import { verifyExport } from '@exequatur/audit-verify';
import type { Report } from '@exequatur/audit-verify';
import type { EventEnvelope } from '@exequatur/contracts';
import type { LogSource } from '../kit/exported-log.js';

/** Lines of an answer's body, none of them kept. */
async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function* seenBy(lines: AsyncIterable<string>, see: (event: EventEnvelope) => void): AsyncGenerator<string, void> {
  for await (const line of lines) {
    const { bytes_b64: bytes } = JSON.parse(line) as { readonly bytes_b64?: string };
    if (bytes !== undefined) see(JSON.parse(Buffer.from(bytes, 'base64').toString('utf8')) as EventEnvelope);
    yield line;
  }
}

/** One export as it comes: the offline verifier's word on it, while `see` is shown every event of it. Nothing of it is kept here. */
export const streamExport = async ({ url, auditorToken, trustedKeys }: LogSource, see: (event: EventEnvelope) => void): Promise<Report> => {
  const response = await fetch(`${url}/v1/exports`, { method: 'POST', headers: { authorization: `Bearer ${auditorToken}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() }, body: '{}' });
  if (!response.ok || response.body === null) throw new Error(`the export answered ${response.status}`);
  return verifyExport(seenBy(linesOf(response.body), see), trustedKeys);
};
