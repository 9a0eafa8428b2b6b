import { createPublicKey } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { importVerifyingKey, verifyBytes } from './keys.js';
import type { PublicJwk } from './keys.js';
import { verifyConsistency, verifyInclusion } from './merkle.js';

const vectors = resolve(process.env['EXEQUATUR_VECTORS'] ?? '../shared/vectors');
const merkle = join(vectors, 'transparency-dev-merkle/testdata');
const ed25519 = join(vectors, 'wycheproof/testvectors_v1/ed25519_test.json');

const bytesOf = (text: string): Buffer => Buffer.from(text, 'base64');

/** Cases of one folder, by their path in it; names hold @ and [n], so folders are listed. */
const casesIn = <T>(folder: string): [name: string, content: T][] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => [relative(folder, file), JSON.parse(readFileSync(file, 'utf8')) as T]);

if (existsSync(merkle)) {
  interface Inclusion {
    leafIdx: number;
    treeSize: number;
    root: string;
    leafHash: string;
    proof: string[] | null;
    wantErr: boolean;
  }
  interface Consistency {
    size1: number;
    size2: number;
    root1: string;
    root2: string;
    proof: string[] | null;
    wantErr: boolean;
  }

  describe('transparency-dev/merkle', () => {
    const inclusion = casesIn<Inclusion>(join(merkle, 'inclusion'));
    const consistency = casesIn<Consistency>(join(merkle, 'consistency'));

    test('98 inclusion and 98 consistency cases are there, 6 valid each', () => {
      for (const cases of [inclusion, consistency]) {
        expect(cases).toHaveLength(98);
        expect(cases.filter(([, { wantErr }]) => !wantErr)).toHaveLength(6);
      }
    });

    test.each(inclusion)('inclusion %s', (_, { leafIdx, treeSize, root, leafHash, proof, wantErr }) => {
      expect(verifyInclusion({ leafHash: bytesOf(leafHash), index: leafIdx, size: treeSize, path: (proof ?? []).map(bytesOf), root: bytesOf(root) })).toBe(!wantErr);
    });

    test.each(consistency)('consistency %s', (_, { size1, size2, root1, root2, proof, wantErr }) => {
      expect(verifyConsistency({ oldSize: size1, newSize: size2, oldRoot: bytesOf(root1), newRoot: bytesOf(root2), path: (proof ?? []).map(bytesOf) })).toBe(!wantErr);
    });
  });
}

if (existsSync(ed25519)) {
  interface Group {
    publicKeyDer: string;
    publicKeyJwk?: PublicJwk;
    tests: { tcId: number; comment: string; msg: string; sig: string; result: 'valid' | 'invalid' }[];
  }

  describe('Wycheproof Ed25519', () => {
    const { testGroups } = JSON.parse(readFileSync(ed25519, 'utf8')) as { testGroups: Group[] };
    const cases = testGroups.flatMap((group) => group.tests.map((one) => ({ ...one, group })));

    test('151 cases are there', () => {
      expect(cases).toHaveLength(151);
    });

    test.each(cases)('$tcId $comment: $result', ({ group, msg, sig, result }) => {
      const der = createPublicKey({ key: Buffer.from(group.publicKeyDer, 'hex'), format: 'der', type: 'spki' });
      const keys = [der, ...(group.publicKeyJwk === undefined ? [] : [importVerifyingKey(group.publicKeyJwk)])];
      for (const key of keys) expect(verifyBytes(key, Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex'))).toBe(result === 'valid');
    });
  });
}

const absent = [merkle, ed25519].filter((path) => !existsSync(path));
const required = process.env['EXEQUATUR_REQUIRE_VECTORS'] === '1';
test(absent.length === 0 || required ? 'the public vectors are here' : 'left out: Merkle proof and Ed25519 vectors (need EXEQUATUR_VECTORS)', () => {
  if (absent.length > 0) process.stderr.write(`left out: Merkle proof and Ed25519 vectors, not found at ${absent.join(', ')} (set EXEQUATUR_VECTORS)\n`);
  // A folder of vectors without these two is broken, not absent.
  expect(absent).toEqual(required || existsSync(vectors) ? [] : [merkle, ed25519]);
});
