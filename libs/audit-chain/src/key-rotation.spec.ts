import { describe, expect, test } from '@jest/globals';
import { generateSigningKey, importSigningKey } from './keys.js';
import { signKeyRotation, verifyKeyRotation } from './key-rotation.js';
import { rawPublicKey } from './note.js';

const [from, to, other] = ['policy', 'policy', 'policy'].map((prefix) => importSigningKey(generateSigningKey(prefix).privateJwk)) as [ReturnType<typeof importSigningKey>, ReturnType<typeof importSigningKey>, ReturnType<typeof importSigningKey>];
const rotation = signKeyRotation({ tenant: 'acme', service: 'policy', from, to });

describe('a rotation of keys', () => {
  test('gives the new key to who knows the old one', () => {
    const key = verifyKeyRotation(rotation, 'acme', from.publicKey);
    expect(key === undefined ? undefined : rawPublicKey(key)).toEqual(rawPublicKey(to.publicKey));
  });

  test('holds for its tenant and its old key alone', () => {
    expect(verifyKeyRotation(rotation, 'other', from.publicKey)).toBeUndefined();
    expect(verifyKeyRotation(rotation, 'acme', other.publicKey)).toBeUndefined();
  });

  test('a changed field or signature is refused', () => {
    const raw = rawPublicKey(other.publicKey).toString('base64url');
    for (const change of [{ service: 'audit' }, { old_key_id: 'x' }, { new_key_id: 'x' }, { new_key: raw }, { new_key: 'AAAA' }, { old_signature: rotation.new_signature }, { new_signature: rotation.old_signature }, { new_signature: '=' }])
      expect([change, verifyKeyRotation({ ...rotation, ...change }, 'acme', from.publicKey)]).toEqual([change, undefined]);
  });

  test('a key is not rotated to itself', () => {
    expect(() => signKeyRotation({ tenant: 'acme', service: 'policy', from, to: from })).toThrow(RangeError);
    expect(() => signKeyRotation({ tenant: 'acme', service: 'policy', from, to: { ...to, kid: from.kid } })).toThrow(RangeError);
  });
});
