import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { canonicalBytes, canonicalText, newSalt, saltCommitment, saltedHash, sha256Text } from './canonical.js';
import { parseStrict } from './strict-json.js';

describe('canonical form (RFC 8785)', () => {
  test('keys are ordered by UTF-16 units, spelling of numbers and white space go', () => {
    expect(canonicalText(parseStrict('{ "b": 1.0, "a": [1e2, "\\u00e9"], "\\ud83d\\ude00": 0, "\\ufb33": 1 }'))).toBe('{"a":[100,"é"],"b":1,"😀":0,"\ufb33":1}');
  });

  test('what JSON cannot say is an error, not a dropped member', () => {
    expect(() => canonicalText(Number.NaN)).toThrow();
    expect(() => canonicalText('\ud800')).toThrow();
  });

  test('doubles of the published number file', () => {
    const doubleOf = (hex: string): number => Buffer.from(hex, 'hex').readDoubleBE();
    for (const [hex, text] of [
      ['4340000000000001', '9007199254740994'],
      ['4340000000000002', '9007199254740996'],
      ['444b1ae4d6e2ef50', '1e+21'],
      ['3eb0c6f7a0b5ed8d', '0.000001'],
      ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
      ['8000000000000000', '0'],
    ] as const)
      expect(canonicalText(doubleOf(hex))).toBe(text);
  });
});

describe('hashes', () => {
  test('a salted hash is SHA-256(salt ‖ bytes) and says its algorithm', () => {
    const salt = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
    const bytes = canonicalBytes({ amount: '42.00' });
    expect(saltedHash(salt, bytes)).toBe(`sha256:${createHash('sha256').update(Buffer.concat([salt, bytes])).digest('hex')}`);
    expect(saltedHash(newSalt(), bytes)).not.toBe(saltedHash(salt, bytes));
    expect(sha256Text(new Uint8Array())).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  test('a commitment is not the salted hash of nothing, and only 16-byte salts are taken', () => {
    const salt = newSalt();
    expect(saltCommitment(salt)).toBe(saltCommitment(Buffer.from(salt)));
    expect(saltCommitment(salt)).not.toBe(saltedHash(salt, new Uint8Array()));
    expect(() => saltedHash(salt.subarray(1), new Uint8Array())).toThrow(RangeError);
    expect(() => saltCommitment(new Uint8Array(17))).toThrow(RangeError);
  });
});
