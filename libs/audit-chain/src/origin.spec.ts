import { describe, expect, test } from '@jest/globals';
import { pae, signDsse, verifyDsse } from './dsse.js';
import { generateSigningKey, importSigningKey, importVerifyingKey, KeyFormatError } from './keys.js';
import { originHeaders, originProofOf } from './origin-headers.js';
import { originVerifier, parsePath, signBatch, verifyOrigin } from './origin.js';
import type { OriginProof, TrustedKeys } from './origin.js';

const reservations = generateSigningKey('reservations');
const approvals = generateSigningKey('approvals');
const key = importSigningKey(reservations.privateJwk);
const trusted: TrustedKeys = {
  reservations: [{ kid: reservations.kid, jwk: reservations.publicJwk }],
  approvals: [{ kid: approvals.kid, jwk: approvals.publicJwk }],
};
const events = Array.from({ length: 5 }, (_, index) => Buffer.from(`{"event":${index}}`));
const by = { tenant: 'acme', service: 'reservations', key };
const proofs = signBatch(events, by);
const [event, proof] = [events[3] as Buffer, proofs[3] as OriginProof];
const verify = originVerifier(trusted);

describe('DSSE', () => {
  test('pre-authentication encoding as in the specification', () => {
    expect(pae('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
    expect(pae('é', Buffer.from('ü')).toString()).toBe('DSSEv1 2 é 2 ü');
  });

  test('type and payload are both signed', () => {
    const signature = signDsse(key, 'a', Buffer.from('b'));
    expect(verifyDsse(key.publicKey, 'a', Buffer.from('b'), signature)).toBe(true);
    expect(verifyDsse(key.publicKey, 'a ', Buffer.from('b'), signature)).toBe(false);
    expect(verifyDsse(key.publicKey, 'a', Buffer.from('c'), signature)).toBe(false);
    expect(verifyDsse(key.publicKey, 'a', Buffer.from('b'), signature.subarray(1))).toBe(false);
  });
});

describe('origin of events', () => {
  test('each event of a batch proves its origin alone, by the one signature', () => {
    expect(new Set(proofs.map(({ signature }) => signature)).size).toBe(1);
    events.forEach((bytes, index) => {
      expect(verifyOrigin(bytes, proofs[index] as OriginProof, 'acme', 'reservations', trusted)).toEqual({ ok: true });
      expect(verify(bytes, proofs[index] as OriginProof, 'acme', 'reservations')).toEqual({ ok: true });
    });
    expect(signBatch([], by)).toEqual([]);
    expect(signBatch([event], by)[0]?.path).toBe('0/1:');
  });

  test('invariant 25: flip any bit of the bytes and the origin is gone, also when the batch was seen before', () => {
    expect(verify(event, proof, 'acme', 'reservations').ok).toBe(true);
    for (let bit = 0; bit < event.length * 8; bit += 1) {
      const flipped = Buffer.from(event);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(verify(flipped, proof, 'acme', 'reservations')).toEqual({ ok: false, reason: 'signature_invalid' });
    }
  });

  test('invariant 25: change any character of path, signature or key id and the origin is gone', () => {
    for (const field of ['path', 'signature', 'keyId'] as const) {
      const text = proof[field];
      for (let at = 0; at < text.length; at += 1) {
        const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
        expect(verify(event, { ...proof, [field]: changed }, 'acme', 'reservations').ok).toBe(false);
      }
      for (const changed of [`${text}=`, `${text} `, ` ${text}`, `${text}A`, text.slice(1), '']) expect(verify(event, { ...proof, [field]: changed }, 'acme', 'reservations').ok).toBe(false);
    }
  });

  test('invariant 18: a signature of one tenant says nothing in another', () => {
    expect(verify(event, proof, 'evil', 'reservations')).toEqual({ ok: false, reason: 'signature_invalid' });
  });

  test('invariants 1 and 12: another service cannot vouch, neither with its own key nor by naming the right one', () => {
    const forged = signBatch([event], { ...by, key: importSigningKey(approvals.privateJwk) })[0] as OriginProof;
    expect(verify(event, forged, 'acme', 'reservations')).toEqual({ ok: false, reason: 'key_unknown' });
    expect(verify(event, { ...forged, keyId: reservations.kid }, 'acme', 'reservations')).toEqual({ ok: false, reason: 'signature_invalid' });
    expect(verify(event, proof, 'acme', 'executor')).toEqual({ ok: false, reason: 'key_unknown' });
    expect(verify(event, proof, 'acme', 'toString')).toEqual({ ok: false, reason: 'key_unknown' });
  });

  test('an event of the batch cannot take the place of another', () => {
    expect(verify(events[2] as Buffer, proof, 'acme', 'reservations').ok).toBe(false);
  });

  test('both keys are trusted while one is being rotated', () => {
    const next = generateSigningKey('reservations');
    const rotating = originVerifier({ reservations: [...(trusted['reservations'] ?? []), { kid: next.kid, jwk: next.publicJwk }] });
    const [newer] = signBatch([event], { ...by, key: importSigningKey(next.privateJwk) }) as [OriginProof];
    expect(rotating(event, proof, 'acme', 'reservations').ok && rotating(event, newer, 'acme', 'reservations').ok).toBe(true);
  });

  test('what is forgotten is verified again', () => {
    const forgetful = originVerifier(trusted, { remember: 1 });
    const others = signBatch([events[0] as Buffer], by)[0] as OriginProof;
    for (let round = 0; round < 3; round += 1) {
      expect(forgetful(event, proof, 'acme', 'reservations').ok).toBe(true);
      expect(forgetful(events[0] as Buffer, others, 'acme', 'reservations').ok).toBe(true);
    }
  });

  test.each(['', '/', '0/1', '00/1:', '0/01:', '-0/1:', '0/1:,', '0/2:AA=', '1e1/20:', `0/9007199254740993:`, `0/2:${'A'.repeat(5_000)}`, '0/1:\n'])('path %j is malformed or invalid', (path) => {
    expect(verify(event, { ...proof, path }, 'acme', 'reservations').ok).toBe(false);
  });

  test('a proof travels in headers, all of them or none', () => {
    expect(originHeaders(proof)).toEqual({ 'exq-path': proof.path, 'exq-signature': proof.signature, 'exq-keyid': proof.keyId });
    expect(originProofOf({ ...originHeaders(proof), traceparent: 'x' })).toEqual(proof);
    for (const name of Object.keys(originHeaders(proof))) expect(originProofOf(Object.fromEntries(Object.entries(originHeaders(proof)).filter(([each]) => each !== name)))).toBeUndefined();
  });

  test('a path reads back as it was written', () => {
    expect(parsePath(proof.path)).toMatchObject({ index: 3, size: 5 });
    expect(parsePath(proof.path)?.path).toHaveLength(3);
  });
});

describe('keys', () => {
  test('a key id names its service and its key', () => {
    expect(reservations.kid).toMatch(/^reservations-[A-Za-z0-9_-]{16}$/);
    expect(generateSigningKey('reservations').kid).not.toBe(reservations.kid);
    expect(JSON.stringify(reservations.publicJwk)).not.toContain(reservations.privateJwk.d);
  });

  test('what is no Ed25519 key is refused, without showing it', () => {
    const { privateJwk } = reservations;
    const { kid: _, ...nameless } = privateJwk;
    for (const wrong of [{ ...privateJwk, kid: '' }, nameless, { ...privateJwk, d: 'AAAA' }, { ...privateJwk, x: approvals.publicJwk.x }, { ...privateJwk, crv: 'X25519' }, reservations.publicJwk]) {
      expect(() => importSigningKey(wrong as never)).toThrow(KeyFormatError);
      expect(() => importSigningKey(wrong as never)).not.toThrow(privateJwk.d);
    }
    expect(() => importVerifyingKey({ ...privateJwk, x: 'AAAA' })).toThrow(KeyFormatError);
    expect(() => originVerifier({ policy: [{ kid: 'x', jwk: { kty: 'RSA' } as never }] })).toThrow(KeyFormatError);
  });
});
