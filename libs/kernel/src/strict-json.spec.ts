import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalText } from './canonical.js';
import type { JsonValue } from './json.js';
import { parseStrict, StrictJsonError } from './strict-json.js';

const faultOf = (input: string | Uint8Array): StrictJsonError => {
  try {
    parseStrict(input);
  } catch (error) {
    if (error instanceof StrictJsonError) return error;
    throw error;
  }
  throw new Error('was accepted');
};

describe('what is refused, with its reason and place', () => {
  test.each([
    ['{"a":1,"a":2}', 'duplicate_key', '/a', 7],
    ['{"x":[0,{"a":1,"\\u0061":2}]}', 'duplicate_key', '/x/1/a', 15],
    ['{"__proto__":1}', 'forbidden_key', '/__proto__', 1],
    ['{"\\u005f_proto__":{}}', 'forbidden_key', '/__proto__', 1],
    ['{"a/b":{"c~d":-0}}', 'negative_zero', '/a~1b/c~0d', 14],
    ['[-0.0]', 'negative_zero', '/0', 1],
    ['[-0e5]', 'negative_zero', '/0', 1],
    ['[1e400]', 'unsafe_number', '/0', 1],
    ['[1e-400]', 'unsafe_number', '/0', 1],
    ['[-1e-400]', 'unsafe_number', '/0', 1],
    ['9007199254740992', 'unsafe_number', '', 0],
    ['-9007199254740993', 'unsafe_number', '', 0],
    ['9007199254740993.0', 'unsafe_number', '', 0],
    ['9007199254740993e0', 'unsafe_number', '', 0],
    ['1e20', 'unsafe_number', '', 0],
    ['0.1000000000000000001', 'unsafe_number', '', 0],
    ['333333333.33333329', 'unsafe_number', '', 0],
    ['4.9E-324', 'unsafe_number', '', 0],
    ['["\\ud800"]', 'lone_surrogate', '/0', 1],
    ['["\\udc00\\ud800"]', 'lone_surrogate', '/0', 1],
    ['["\ud800"]', 'lone_surrogate', '/0', 1],
    ['{"\\ud800":1}', 'lone_surrogate', '', 1],
    ['\ufeff{}', 'bom', '', 0],
    ['["a', 'syntax', '/0', 3],
    ['["a\nb"]', 'syntax', '/0', 3],
    ['', 'syntax', '', 0],
    ['{} {}', 'syntax', '', 3],
    ['[1,]', 'syntax', '/1', 3],
  ] as const)('%j: %s at %j', (text, reason, pointer, position) => {
    expect(faultOf(text)).toMatchObject({ code: 'MALFORMED', reason, pointer, position });
  });

  test('bytes that are not UTF-8, among them encoded surrogates', () => {
    expect(faultOf(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])).reason).toBe('invalid_utf8');
    expect(faultOf(Buffer.from([0x22, 0xc0, 0x80, 0x22])).reason).toBe('invalid_utf8');
    expect(faultOf(Buffer.from([0xef, 0xbb, 0xbf, 0x31])).reason).toBe('bom');
  });

  test('the message names the rule and the place, never the content', () => {
    expect(faultOf('{"secret":"s3cr3t","secret":1}').message).toBe('duplicate_key at position 19 (/secret)');
  });
});

describe('bounds hold while reading', () => {
  test('depth 32 is read, depth 33 is not, and the fault is where it goes too deep', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(() => parseStrict(nested(32))).not.toThrow();
    expect(faultOf(nested(33))).toMatchObject({ reason: 'too_deep', position: 32 });
    expect(faultOf('{"a":'.repeat(100_000).slice(0, 200_000)).reason).toBe('too_deep');
  });

  test('size counts bytes, not characters: 256 KiB is read, one byte more is not', () => {
    const ofBytes = (bytes: number): string => `"${'é'.repeat((bytes - 2) / 2)}"`;
    expect(parseStrict(ofBytes(262_144))).toHaveLength(131_071);
    for (const input of [`${ofBytes(262_144)} `, Buffer.from(`${ofBytes(262_144)} `)]) expect(faultOf(input)).toMatchObject({ code: 'TOO_LARGE', reason: 'too_large' });
    expect(() => parseStrict('[1]', { maxBytes: 2 })).toThrow('too_large');
  });

  test('100,000 members and a 250 kB number are read or refused in bounded time', () => {
    expect(faultOf('1'.repeat(250_000)).reason).toBe('unsafe_number');
    expect(faultOf(`0.${'0'.repeat(250_000)}1`).reason).toBe('unsafe_number');
    expect(parseStrict(`[${'1,'.repeat(100_000)}1]`)).toHaveLength(100_001);
  });
});

describe('what is accepted', () => {
  test.each([
    ['0', 0],
    ['1.0', 1],
    ['0.10', 0.1],
    ['1E-7', 1e-7],
    ['0e999999', 0],
    ['5E-324', 5e-324],
    ['1932372523007398.2', 1932372523007398.2],
    ['1.7976931348623157e308', Number.MAX_VALUE],
    ['333333333.3333333', 333333333.3333333],
    ['1E30', 1e30],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['-9007199254740991', Number.MIN_SAFE_INTEGER],
    ['"\\ud83d\\ude02\\u0000\\/"', '😂\0/'],
    ['{"constructor":1,"toString":2,"":3}', { constructor: 1, toString: 2, '': 3 }],
    ['"\u007f a\u0085\\n\u009f"', '\u007f a\u0085\n\u009f'],
    ['"😂\\\\😂"', '😂\\😂'],
    [' [ true , false , null ] ', [true, false, null]],
  ])('%s', (text, value) => {
    expect(parseStrict(text)).toEqual(value);
  });

  test('every JSON value that parses is what JSON.parse gives, and its canonical text reads back as itself', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        let value: JsonValue;
        try {
          value = parseStrict(text);
        } catch (error) {
          expect(error).toBeInstanceOf(StrictJsonError);
          return;
        }
        expect(value).toEqual(JSON.parse(text));
        expect(canonicalText(parseStrict(canonicalText(value)))).toBe(canonicalText(value));
      }),
      { numRuns: 2_000 },
    );
  });

  test('every well-formed string reads back from JSON.stringify, and from all its characters escaped', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (string) => {
        const escaped = Array.from({ length: string.length }, (_, at) => `\\u${string.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');
        expect(parseStrict(JSON.stringify(string))).toBe(string);
        expect(parseStrict(`"${escaped}"`)).toBe(string);
      }),
      { numRuns: 3_000 },
    );
  });

  test('every double printed by JavaScript is read, except integers past 2^53 - 1 without exponent and -0', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
        const value = Object.is(double, -0) ? 0 : double;
        const unsafe = Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21;
        if (unsafe) expect(faultOf(String(value)).reason).toBe('unsafe_number');
        else expect(parseStrict(String(value))).toBe(value);
      }),
      { numRuns: 5_000 },
    );
  });

  test('whatever the bytes, the answer is a value or a StrictJsonError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          parseStrict(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(StrictJsonError);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
