import { createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { generateSigningKey, importSigningKey } from './keys.js';
import { leafHash, merkleRoot } from './merkle.js';
import { openNote, signNote } from './note.js';
import { signTreeHead, verifyTreeHead } from './tree-head.js';

describe('signed notes', () => {
  /** Key and note of the documentation of golang.org/x/mod/sumdb/note; its parts are `PRIVATE+KEY+<name>+<id>+<base64 of 0x01 ‖ seed>`. */
  const seed = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1);
  const privateKey = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' });
  const peter = { kid: 'PeterNeumann', privateKey, publicKey: createPublicKey(privateKey) };
  const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const note = `${text}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

  test('the published note is written and read byte for byte', () => {
    expect(signNote(text, 'PeterNeumann', peter)).toBe(note);
    expect(openNote(note, 'PeterNeumann', peter.publicKey)).toBe(text);
  });

  test('invariant 25: change any character and the note is not opened', () => {
    for (let at = 0; at < note.length; at += 1) {
      const changed = note.slice(0, at) + (note[at] === 'A' ? 'B' : 'A') + note.slice(at + 1);
      expect(openNote(changed, 'PeterNeumann', peter.publicKey)).toBeUndefined();
    }
    for (let length = 0; length < note.length; length += 1) expect(openNote(note.slice(0, length), 'PeterNeumann', peter.publicKey)).toBeUndefined();
  });

  test('signatures of others are ignored, one of ours must be there', () => {
    const witness = importSigningKey(generateSigningKey('witness').privateJwk);
    const line = signNote(text, 'witness.example', witness).slice(text.length + 1);
    expect(openNote(note + line, 'PeterNeumann', peter.publicKey)).toBe(text);
    expect(openNote(note + line, 'witness.example', witness.publicKey)).toBe(text);
    expect(openNote(`${text}\n${line}`, 'PeterNeumann', peter.publicKey)).toBeUndefined();
    expect(openNote(note + line.repeat(100), 'PeterNeumann', peter.publicKey)).toBeUndefined();
  });

  test('texts and names that could be read otherwise are not signed', () => {
    for (const wrong of ['no newline', 'a\tb\n', 'a\r\n']) expect(() => signNote(wrong, 'name', peter)).toThrow(RangeError);
    for (const name of ['', 'a b', 'a+b', 'a\u2003b', 'a\nb']) expect(() => signNote('text\n', name, peter)).toThrow(RangeError);
  });
});

describe('tree heads', () => {
  const { privateJwk, publicJwk } = generateSigningKey('audit');
  const key = importSigningKey(privateJwk);
  const head = { origin: 'exequatur/acme', size: 2, root: merkleRoot([leafHash(Buffer.from('a')), leafHash(Buffer.from('b'))]) };

  test('origin, size and root, one a line, and back', () => {
    const note = signTreeHead(head, key);
    expect(note.split('\n').slice(0, 4)).toEqual(['exequatur/acme', '2', head.root.toString('base64'), '']);
    expect(verifyTreeHead(note, publicJwk)).toEqual({ ok: true, head });
    expect(verifyTreeHead(note, key.publicKey)).toEqual({ ok: true, head });
    const timed = { ...head, timestamp: '2026-01-31T08:00:00.000Z' };
    expect(verifyTreeHead(signTreeHead(timed, key), publicJwk)).toEqual({ ok: true, head: timed });
  });

  test('by another key, or of another log, it is not this one', () => {
    expect(verifyTreeHead(signTreeHead(head, key), generateSigningKey('audit').publicJwk)).toEqual({ ok: false, reason: 'signature_invalid' });
    expect(verifyTreeHead(signTreeHead(head, key).replace('exequatur/acme', 'exequatur/evil'), publicJwk)).toEqual({ ok: false, reason: 'signature_invalid' });
    expect(verifyTreeHead('', publicJwk)).toEqual({ ok: false, reason: 'signature_invalid' });
  });

  test('a signed text that is no tree head is malformed', () => {
    const root = head.root.toString('base64');
    for (const text of ['exequatur/acme\n', `exequatur/acme\n02\n${root}\n`, `exequatur/acme\n2\n${root.slice(4)}\n`, `exequatur/acme\n2\n${root}\n\nlate\n`])
      expect(verifyTreeHead(signNote(text, 'exequatur/acme', key), publicJwk)).toEqual({ ok: false, reason: 'malformed' });
  });

  test('what would frame another tree head is not signed', () => {
    for (const wrong of [{ origin: 'evil\n9\nx' }, { origin: '' }, { size: -1 }, { size: 0.5 }, { root: head.root.subarray(1) }, { timestamp: 'x\ny' }]) expect(() => signTreeHead({ ...head, ...wrong }, key)).toThrow(RangeError);
  });
});
