import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { MAX_LINE_BYTES } from '../export/export-lines.js';

/** The file cannot be read as lines of UTF-8 of the allowed length. */
export class UnreadableExport extends Error {}

/**
 * Lines of a file (`-` is standard input), split at newlines only, in bounded memory; the last one needs no newline.
 * @throws UnreadableExport on a line past the bound or on bytes that are no UTF-8; a system error when it cannot be opened
 */
export async function* readLines(path: string): AsyncGenerator<string, void> {
  const input: AsyncIterable<Buffer> = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 1 << 20 });
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    let from = 0;
    for (let newline = chunk.indexOf(0x0a); newline !== -1; newline = chunk.indexOf(0x0a, from)) {
      parts.push(chunk.subarray(from, newline));
      yield decode(parts);
      [parts, length, from] = [[], 0, newline + 1];
    }
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > MAX_LINE_BYTES) throw new UnreadableExport('a line is longer than any line of an export');
  }
  if (length > 0) yield decode(parts);
}

const decode = (parts: readonly Buffer[]): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
  } catch {
    throw new UnreadableExport('a line is no UTF-8');
  }
};
