import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { startTestPostgres } from '@exequatur/testing';
import type { TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { pgArray } from './pg-array.js';

let server: TestPostgres;
let client: pg.Client;
beforeAll(async () => {
  server = await startTestPostgres();
  client = new pg.Client({ connectionString: server.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await server.stop();
});

/** What PostgreSQL read, in its own text form, against the same values given as text. */
const sameAs = async (type: string, binary: Buffer, values: readonly unknown[]): Promise<void> => {
  const { rows } = await client.query<{ same: boolean; length: number }>(`SELECT $1::${type}[] IS NOT DISTINCT FROM $2::${type}[] AS same, cardinality($1::${type}[]) AS length`, [binary, values]);
  expect(rows[0]).toEqual({ same: true, length: values.length });
};
const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[]> => fc.array(fc.option(values), { maxLength: 20 });
const RUNS = { numRuns: 60 };

test('text', () => fc.assert(fc.asyncProperty(maybe(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', ''))), (values) => sameAs('text', pgArray.text(values), values)), RUNS));
test('bytea', () => fc.assert(fc.asyncProperty(maybe(fc.uint8Array({ maxLength: 300 })), (values) => sameAs('bytea', pgArray.bytea(values), values.map((value) => (value === null ? null : Buffer.from(value))))), RUNS));
test('uuid', () => fc.assert(fc.asyncProperty(maybe(fc.uuid()), (values) => sameAs('uuid', pgArray.uuid(values), values)), RUNS));
test('int4', () => fc.assert(fc.asyncProperty(maybe(fc.integer()), (values) => sameAs('int4', pgArray.int4(values), values)), RUNS));
test('int8', () => fc.assert(fc.asyncProperty(maybe(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), (values) => sameAs('int8', pgArray.int8(values), values.map((value) => value?.toString() ?? null))), RUNS));
test('timestamptz', () => fc.assert(fc.asyncProperty(maybe(fc.integer({ min: 0, max: 4_102_444_800_000 })), (values) => sameAs('timestamptz', pgArray.timestamptz(values), values.map((value) => (value === null ? null : new Date(value).toISOString())))), RUNS));
test('what is not a UUID is refused, not cut', () => {
  expect(() => pgArray.uuid(['0190'])).toThrow(RangeError);
  expect(() => pgArray.uuid(['zzzzzzzz-zzzz-7zzz-8zzz-zzzzzzzzzzzz'])).toThrow(RangeError);
});
