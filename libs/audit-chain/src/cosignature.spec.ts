import { describe, expect, test } from '@jest/globals';
import { cosign, cosignedAt, readWitnessKey, readWitnessRequest, signatureLinesOf, writeWitnessKey, writeWitnessRequest } from './cosignature.js';
import { generateSigningKey, importSigningKey } from './keys.js';
import { openNote } from './note.js';
import { signTreeHead } from './tree-head.js';

const keyOf = (name: string) => importSigningKey(generateSigningKey(name).privateJwk);
const [log, witnessKey, other] = [keyOf('log'), keyOf('witness'), keyOf('other')];
const NAME = 'witness.example/w1';
const witness = { name: NAME, publicKey: witnessKey.publicKey };
const note = signTreeHead({ origin: 'exequatur/acme', size: 7, root: Buffer.alloc(32, 9) }, log);
const text = openNote(note, 'exequatur/acme', log.publicKey) as string;
const cosigned = note + cosign(text, NAME, witnessKey, 1_800_000_000);

describe('a cosignature', () => {
  test('says when, and leaves the signature of the log as it was', () => {
    expect(cosignedAt(cosigned, witness)).toBe(1_800_000_000);
    expect(openNote(cosigned, 'exequatur/acme', log.publicKey)).toBe(text);
  });

  test('is by this key under this name, or it is none', () => {
    expect(cosignedAt(note, witness)).toBeUndefined();
    expect(cosignedAt(cosigned, { name: NAME, publicKey: other.publicKey })).toBeUndefined();
    expect(cosignedAt(cosigned, { name: 'another', publicKey: witnessKey.publicKey })).toBeUndefined();
    expect(cosignedAt(note + cosign(text, NAME, other, 1), witness)).toBeUndefined();
  });

  test('is of this very text and time: no changed character keeps it good', () => {
    for (let at = 0; at < cosigned.length; at += 1) {
      const changed = `${cosigned.slice(0, at)}${cosigned[at] === 'A' ? 'B' : 'A'}${cosigned.slice(at + 1)}`;
      const intact = changed === cosigned || (at >= note.lastIndexOf('\n\n') && at < note.length);
      // Inside the log's own signature line the cosignature still stands, and the log's does not.
      if (intact) expect(changed === cosigned || openNote(changed, 'exequatur/acme', log.publicKey) === undefined).toBe(true);
      else expect([at, cosignedAt(changed, witness)]).toEqual([at, undefined]);
    }
  });
});

describe('a witness key in text', () => {
  test('is read as it was written, and not otherwise', () => {
    const written = writeWitnessKey(witness);
    const read = readWitnessKey(written);
    expect(read === undefined ? undefined : cosignedAt(cosigned, read)).toBe(1_800_000_000);
    for (let at = 0; at < written.length; at += 1) expect([at, readWitnessKey(`${written.slice(0, at)}${written[at] === 'b' ? 'c' : 'b'}${written.slice(at + 1)}`)]).toEqual([at, undefined]);
    for (const wrong of ['', 'a', 'a+b', `${written}=`, written.replace('+', '++')]) expect(readWitnessKey(wrong)).toBeUndefined();
  });
});

describe('what a log asks a witness', () => {
  const request = { oldSize: 5, path: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)], note };

  test('is read as it was written', () => {
    expect(readWitnessRequest(writeWitnessRequest(request))).toEqual(request);
    expect(readWitnessRequest(writeWitnessRequest({ ...request, oldSize: 0, path: [] }))).toEqual({ oldSize: 0, path: [], note });
  });

  test.each(['', 'old 1', 'old 01\n\nx', 'old -1\n\nx', 'new 1\n\nx', 'old 1\nAAAA\n\nx', `old 1\n${'A'.repeat(43)}\n\nx`, `old 1\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64)}\nx`])('is nothing else: %j', (body) => {
    expect(readWitnessRequest(body)).toBeUndefined();
  });

  test('only signature lines by the witness are taken from its answer', () => {
    const line = cosign(text, NAME, witnessKey, 3);
    expect(signatureLinesOf(`${line}\nhello\n\u2014 other AAAAAAAA\n`, NAME)).toEqual([line]);
  });
});
