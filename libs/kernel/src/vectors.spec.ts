import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { canonicalBytes } from './canonical.js';
import type { JsonValue } from './json.js';
import { parseStrict, StrictJsonError } from './strict-json.js';
import type { StrictJsonReason } from './strict-json.js';

const vectors = resolve(process.env['EXEQUATUR_VECTORS'] ?? '../shared/vectors');
const canonicalization = join(vectors, 'json-canonicalization/testdata');
const parsing = join(vectors, 'json-test-suite/test_parsing');

const outcomeOf = (bytes: Uint8Array): 'accepted' | StrictJsonReason => {
  try {
    parseStrict(bytes);
    return 'accepted';
  } catch (error) {
    if (error instanceof StrictJsonError) return error.reason;
    throw error;
  }
};

if (existsSync(canonicalization)) {
  describe('json-canonicalization (RFC 8785)', () => {
    /** Inputs that the strict parser refuses on purpose; the canonicaliser is still held to their output. */
    const REFUSED: Readonly<Record<string, { readonly reason: StrictJsonReason; readonly pointer: string; readonly because: string }>> = {
      'values.json': { reason: 'unsafe_number', pointer: '/numbers/0', because: '333333333.33333329 reads as 333333333.3333333: two numbers, one hash' },
    };
    const names = readdirSync(join(canonicalization, 'input'));

    test('all six cases are there', () => {
      expect(names).toHaveLength(6);
    });

    test.each(names)('%s: canonical bytes are the published ones, and canonical again', (name) => {
      const input = readFileSync(join(canonicalization, 'input', name));
      const output = readFileSync(join(canonicalization, 'output', name));
      const hex = readFileSync(join(canonicalization, 'outhex', name.replace(/\.json$/, '.txt')), 'utf8').replace(/\s+/g, '');
      const refused = REFUSED[name];
      if (refused !== undefined) expect(() => parseStrict(input)).toThrow(expect.objectContaining({ reason: refused.reason, pointer: refused.pointer }));
      const value = refused === undefined ? parseStrict(input) : (JSON.parse(input.toString('utf8')) as JsonValue);
      const bytes = Buffer.from(canonicalBytes(value));
      expect(bytes.equals(output)).toBe(true);
      expect(bytes.toString('hex')).toBe(hex);
      expect(Buffer.from(canonicalBytes(parseStrict(bytes))).equals(bytes)).toBe(true);
    });
  });
}

if (existsSync(parsing)) {
  describe('json-test-suite (RFC 8259)', () => {
    /** Valid JSON that we refuse on purpose: contracts.md "Canonical form", reliability.md section 3. */
    const REFUSED_ON_PURPOSE: Readonly<Record<string, { readonly reason: StrictJsonReason; readonly because: string }>> = {
      'y_object_duplicated_key.json': { reason: 'duplicate_key', because: 'which value counts would depend on the reader' },
      'y_object_duplicated_key_and_value.json': { reason: 'duplicate_key', because: 'equal values too: one rule, no comparison' },
      'y_number_negative_zero.json': { reason: 'negative_zero', because: '-0 would hash as 0' },
      'y_number_minus_zero.json': { reason: 'negative_zero', because: '-0 would hash as 0' },
    };

    /** Where RFC 8259 leaves the choice: what we do. All are refused: each loses information, is not UTF-8, or is too deep. */
    const OUR_CHOICE: Readonly<Record<string, StrictJsonReason>> = {
      'i_number_double_huge_neg_exp.json': 'unsafe_number',
      'i_number_huge_exp.json': 'unsafe_number',
      'i_number_neg_int_huge_exp.json': 'unsafe_number',
      'i_number_pos_double_huge_exp.json': 'unsafe_number',
      'i_number_real_neg_overflow.json': 'unsafe_number',
      'i_number_real_pos_overflow.json': 'unsafe_number',
      'i_number_real_underflow.json': 'unsafe_number',
      'i_number_too_big_neg_int.json': 'unsafe_number',
      'i_number_too_big_pos_int.json': 'unsafe_number',
      'i_number_very_big_negative_int.json': 'unsafe_number',
      'i_object_key_lone_2nd_surrogate.json': 'lone_surrogate',
      'i_string_1st_surrogate_but_2nd_missing.json': 'lone_surrogate',
      'i_string_1st_valid_surrogate_2nd_invalid.json': 'lone_surrogate',
      'i_string_incomplete_surrogate_and_escape_valid.json': 'lone_surrogate',
      'i_string_incomplete_surrogate_pair.json': 'lone_surrogate',
      'i_string_incomplete_surrogates_escape_valid.json': 'lone_surrogate',
      'i_string_invalid_lonely_surrogate.json': 'lone_surrogate',
      'i_string_invalid_surrogate.json': 'lone_surrogate',
      'i_string_inverted_surrogates_U+1D11E.json': 'lone_surrogate',
      'i_string_lone_second_surrogate.json': 'lone_surrogate',
      'i_string_UTF-16LE_with_BOM.json': 'invalid_utf8',
      'i_string_UTF-8_invalid_sequence.json': 'invalid_utf8',
      'i_string_UTF8_surrogate_U+D800.json': 'invalid_utf8',
      'i_string_invalid_utf-8.json': 'invalid_utf8',
      'i_string_iso_latin_1.json': 'invalid_utf8',
      'i_string_lone_utf8_continuation_byte.json': 'invalid_utf8',
      'i_string_not_in_unicode_range.json': 'invalid_utf8',
      'i_string_overlong_sequence_2_bytes.json': 'invalid_utf8',
      'i_string_overlong_sequence_6_bytes.json': 'invalid_utf8',
      'i_string_overlong_sequence_6_bytes_null.json': 'invalid_utf8',
      'i_string_truncated-utf-8.json': 'invalid_utf8',
      'i_string_utf16BE_no_BOM.json': 'invalid_utf8',
      'i_string_utf16LE_no_BOM.json': 'invalid_utf8',
      'i_structure_500_nested_arrays.json': 'too_deep',
      'i_structure_UTF-8_BOM_empty_object.json': 'bom',
    };

    const names = readdirSync(parsing);
    const named = (prefix: string): string[] => names.filter((name) => name.startsWith(prefix));
    const read = (name: string): Buffer => readFileSync(join(parsing, name));

    test('all 318 cases are there, and no table names a missing one', () => {
      expect([named('y_').length, named('n_').length, named('i_').length]).toEqual([95, 188, 35]);
      for (const name of [...Object.keys(REFUSED_ON_PURPOSE), ...Object.keys(OUR_CHOICE)]) expect(names).toContain(name);
    });

    test.each(named('y_'))('%s is read, or refused on purpose', (name) => {
      const refused = REFUSED_ON_PURPOSE[name];
      expect(outcomeOf(read(name))).toBe(refused?.reason ?? 'accepted');
      if (refused === undefined) expect(parseStrict(read(name))).toEqual(JSON.parse(read(name).toString('utf8')));
    });

    test.each(named('n_'))('%s is refused', (name) => {
      expect(outcomeOf(read(name))).not.toBe('accepted');
    });

    test.each(named('i_'))('%s has the listed outcome', (name) => {
      expect(outcomeOf(read(name))).toBe(OUR_CHOICE[name]);
    });
  });
}

const absent = [canonicalization, parsing].filter((path) => !existsSync(path));
const required = process.env['EXEQUATUR_REQUIRE_VECTORS'] === '1';
test(absent.length === 0 || required ? 'the public vectors are here' : 'left out: RFC 8785 and RFC 8259 vectors (need EXEQUATUR_VECTORS)', () => {
  if (absent.length > 0) process.stderr.write(`left out: RFC 8785 and RFC 8259 vectors, not found at ${absent.join(', ')} (set EXEQUATUR_VECTORS)\n`);
  // A folder of vectors without these two is broken, not absent.
  expect(absent).toEqual(required || existsSync(vectors) ? [] : [canonicalization, parsing]);
});
