import { createWriteStream, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { newId } from '@exequatur/kernel';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { visibleLine } from '../visible-line.js';

export interface ExportOptions {
  readonly out: string;
  readonly format: 'archive' | 'jsonl' | 'csv' | 'ocsf';
  readonly from?: string;
  readonly to?: string;
  readonly action?: string;
  readonly kind?: string;
  readonly content?: boolean;
  readonly tenant?: string;
}

/** Kept beside the file until it is whole: what was asked for, under which Idempotency-Key. */
interface Begun {
  readonly key: string;
  readonly body: object;
}

const ATTEMPTS = 5;

/** @throws CommandFailed */
export const takeExport = async (terminal: Terminal, options: ExportOptions): Promise<number> => {
  const { out, format, from, to, action, kind, content, tenant } = options;
  const body = { format, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }), ...(action === undefined ? {} : { action_id: action }), ...(kind === undefined ? {} : { action_kind: kind }), ...(content === true ? { content } : {}), ...(tenant === undefined ? {} : { tenant }) };
  const beside = `${out}.part`;
  const begun = existsSync(out) ? begunBefore(beside, body) : undefined;
  const order: Begun = begun ?? { key: newId(), body };
  if (begun === undefined) {
    writeFileSync(beside, JSON.stringify(order));
    writeFileSync(out, '');
  }
  for (let attempt = 1; ; attempt += 1) {
    // Of the others the same bytes come again from their beginning.
    if (format !== 'archive') truncateSync(out, 0);
    if (await download(terminal, order, out, format)) break;
    if (attempt === ATTEMPTS) throw new CommandFailed(EXIT.server, `it broke off after ${statSync(out).size} bytes; the same command goes on from there`);
  }
  rmSync(beside);
  line(terminal, `${out}: ${statSync(out).size} bytes`);
  return EXIT.done;
};

const begunBefore = (beside: string, body: object): Begun | undefined => {
  try {
    const begun = JSON.parse(readFileSync(beside, 'utf8')) as Begun;
    return JSON.stringify(begun.body) === JSON.stringify(body) ? begun : undefined;
  } catch {
    return undefined;
  }
};

/** Appends what is still missing. @returns whether all of it arrived */
const download = async ({ env }: Terminal, { key, body }: Begun, out: string, format: ExportOptions['format']): Promise<boolean> => {
  const { EXEQUATUR_URL: url, EXEQUATUR_TOKEN: token } = env;
  if (url === undefined || token === undefined) throw new CommandFailed(EXIT.usage, 'EXEQUATUR_URL and EXEQUATUR_TOKEN say which server, and who asks');
  const there = statSync(out).size;
  const asked = { ...body, ...(format === 'archive' && there > 0 ? { from_byte: there } : {}) };
  const response = await fetch(new URL('/v1/exports', url), { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key }, body: JSON.stringify(asked) }).catch(() => undefined);
  if (response === undefined) return false;
  if (!response.ok || response.body === null) {
    const { code, detail } = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
    if (response.status >= 500 || response.status === 429) return false;
    throw new CommandFailed(EXIT.server, visibleLine(`${code ?? response.status}: ${detail ?? 'the server refuses'}`));
  }
  try {
    await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), createWriteStream(out, { flags: 'a' }));
    return true;
  } catch {
    return false;
  }
};
