import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { sealedContent } from '@exequatur/contracts';
import fc from 'fast-check';
import { CannotOpen } from './cipher.js';
import { open, openBytes, seal, sealBytes } from './seal.js';

const key = randomBytes(32);
const actionId = '01890a5d-ac96-774b-bcce-b302099a8057';
const eventId = '01890a5d-ac96-774b-bcce-b302099a8058';

describe('sealed content of an event', () => {
  const content = { arguments: '{"to":"ann@acme.example"}', salt: 'AAECAwQFBgcICQoLDA0ODw' };
  const sealed = seal(key, actionId, eventId, content);

  test('opens in its event, and says whose key opens it', () => {
    expect(open(key, sealed, eventId)).toEqual(content);
    expect(sealed).toMatchObject({ alg: 'A256GCM', action_id: actionId });
    expect(sealed.nonce).toHaveLength(16);
    expect(Object.keys(sealed).sort()).toEqual([...(sealedContent.json['required'] as string[])].sort());
  });

  test('invariant 30: nothing of the plaintext is in it', () => {
    expect(JSON.stringify(sealed)).not.toContain('acme');
    expect(Buffer.from(sealed.ciphertext, 'base64url').toString('latin1')).not.toContain('acme');
  });

  test('does not open in another event, with another key, or with a flipped bit', () => {
    expect(() => open(key, sealed, actionId)).toThrow(CannotOpen);
    expect(() => open(randomBytes(32), sealed, eventId)).toThrow(CannotOpen);
    const bytes = Buffer.from(sealed.ciphertext, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => open(key, { ...sealed, ciphertext: flipped.toString('base64url') }, eventId)).toThrow(CannotOpen);
    }
  });

  test('a shortened tag, an empty text and a wrong nonce do not open', () => {
    const bytes = Buffer.from(sealed.ciphertext, 'base64url');
    for (const wrong of [{ ciphertext: bytes.subarray(0, -1).toString('base64url') }, { ciphertext: '' }, { nonce: '' }, { nonce: randomBytes(12).toString('base64url') }]) {
      expect(() => open(key, { ...sealed, ...wrong }, eventId)).toThrow(CannotOpen);
    }
  });

  test('the same content twice gives different texts', () => {
    expect(seal(key, actionId, eventId, content).ciphertext).not.toBe(sealed.ciphertext);
  });
});

describe('sealed bytes', () => {
  test('any bytes open in their place and nowhere else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), fc.string(), (bytes, place, other) => {
        const sealed = sealBytes(key, place, bytes);
        expect(openBytes(key, place, sealed).equals(bytes)).toBe(true);
        if (other !== place) expect(() => openBytes(key, other, sealed)).toThrow(CannotOpen);
      }),
      { numRuns: 300 },
    );
  });

  test('a view into a larger buffer opens too; another version and a stump do not', () => {
    const sealed = sealBytes(key, 'answer', Buffer.from('hello'));
    expect(openBytes(key, 'answer', Uint8Array.from([9, ...sealed, 9]).subarray(1, -1)).toString()).toBe('hello');
    for (const wrong of [Buffer.concat([Buffer.of(2), sealed.subarray(1)]), sealed.subarray(0, 20), new Uint8Array()]) expect(() => openBytes(key, 'answer', wrong)).toThrow(CannotOpen);
  });

  test('a key of another length is a bug, said at once', () => {
    expect(() => sealBytes(randomBytes(16), 'x', new Uint8Array())).toThrow(RangeError);
  });
});
