/**
 * One-dimensional arrays in PostgreSQL's binary format (`array_recv`), as parameters of set-based statements: pg sends a Buffer
 * as it is, and neither side spends time on quoting and reading text. The statement casts the parameter: `$1::uuid[]`.
 */
const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;

const [BYTEA, INT8, INT4, TEXT, TIMESTAMPTZ, UUID] = [17, 20, 23, 25, 1184, 2950];

/** `write` puts one element at the offset; null elements have no bytes. */
const encoded = <T>(oid: number, values: readonly (T | null)[], bytesOf: (value: T) => number, write: (buffer: Buffer, value: T, offset: number) => void): Buffer => {
  let size = HEADER_BYTES;
  for (const value of values) size += LENGTH_BYTES + (value === null ? 0 : bytesOf(value));
  const buffer = Buffer.allocUnsafe(size);
  buffer.writeInt32BE(values.length === 0 ? 0 : 1, 0);
  buffer.writeInt32BE(values.includes(null) ? 1 : 0, 4);
  buffer.writeInt32BE(oid, 8);
  // An array without elements has no dimension: nothing is read from here on.
  if (values.length === 0) return buffer.subarray(0, 12);
  buffer.writeInt32BE(values.length, 12);
  buffer.writeInt32BE(1, 16);
  let offset = HEADER_BYTES;
  for (const value of values) {
    const bytes = value === null ? NULL_LENGTH : bytesOf(value);
    buffer.writeInt32BE(bytes, offset);
    offset += LENGTH_BYTES;
    if (value === null) continue;
    write(buffer, value, offset);
    offset += bytes;
  }
  return buffer;
};

const UUID_BYTES = 16;
/** @throws RangeError on a text that is not a UUID: half of it would be another id */
const writeUuid = (buffer: Buffer, value: string, offset: number): void => {
  if (buffer.write(value.replaceAll('-', ''), offset, UUID_BYTES, 'hex') !== UUID_BYTES) throw new RangeError('not a UUID');
};

/** Milliseconds of Unix time at the epoch of PostgreSQL, 2000-01-01T00:00:00Z. */
const POSTGRES_EPOCH_MS = 946_684_800_000n;

export const pgArray = {
  text: (values: readonly (string | null)[]): Buffer => encoded(TEXT, values, (value: string) => Buffer.byteLength(value, 'utf8'), (buffer, value, offset) => void buffer.write(value, offset, 'utf8')),
  bytea: (values: readonly (Uint8Array | null)[]): Buffer => encoded(BYTEA, values, (value: Uint8Array) => value.length, (buffer, value, offset) => buffer.set(value, offset)),
  uuid: (values: readonly (string | null)[]): Buffer => encoded(UUID, values, () => UUID_BYTES, writeUuid),
  int4: (values: readonly (number | null)[]): Buffer => encoded(INT4, values, () => 4, (buffer, value: number, offset) => void buffer.writeInt32BE(value, offset)),
  int8: (values: readonly (bigint | number | null)[]): Buffer => encoded(INT8, values, () => 8, (buffer, value: bigint | number, offset) => void buffer.writeBigInt64BE(BigInt(value), offset)),
  /** from Unix milliseconds */
  timestamptz: (values: readonly (number | null)[]): Buffer =>
    encoded(TIMESTAMPTZ, values, () => 8, (buffer, value: number, offset) => void buffer.writeBigInt64BE((BigInt(value) - POSTGRES_EPOCH_MS) * 1_000n, offset)),
};
