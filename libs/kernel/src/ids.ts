import { randomFillSync } from 'node:crypto';
import { sha256 } from './canonical.js';

/** Random bytes are drawn in blocks: one call to the generator serves 256 ids. */
const pool = new Uint8Array(4096);
let poolOffset = pool.length;

const takeRandom = (length: number): Uint8Array => {
  if (poolOffset + length > pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  poolOffset += length;
  return pool.subarray(poolOffset - length, poolOffset);
};

const LARGEST_TIME_MS = 2 ** 48 - 1;

/**
 * UUID version 7 (RFC 9562 section 5.7): 48 bits of Unix time in milliseconds, the rest random.
 * @param nowMs Unix time in milliseconds, 0 … 2^48 − 1; the process clock when left out.
 * @throws RangeError when nowMs is outside that range or not an integer.
 */
export const newId = (nowMs: number = Date.now()): string => {
  if (!Number.isInteger(nowMs) || nowMs < 0 || nowMs > LARGEST_TIME_MS) throw new RangeError('the time of a UUID v7 is an integer of 0 to 2^48 - 1 ms');
  const bytes = Buffer.alloc(16);
  bytes.set(takeRandom(10), 6);
  bytes.writeUIntBE(nowMs, 0, 6);
  return uuidText(bytes, 7);
};

/**
 * The same id for the same parts, everywhere: UUID version 8 (RFC 9562 section 5.8) from SHA-256 over the parts, each
 * preceded by its length in bytes, so that ('ab', 'c') and ('a', 'bc') differ.
 * Used for ids that a restart must find again: `execution_id = derivedId('execution', tenant, grantId, String(useNo))`.
 */
export const derivedId = (...parts: readonly string[]): string => {
  const measured = parts.flatMap((part) => {
    const bytes = Buffer.from(part, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return uuidText(sha256(Buffer.concat(measured)).subarray(0, 16), 8);
};

const uuidText = (bytes: Buffer, version: 7 | 8): string => {
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | (version << 4), 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};
