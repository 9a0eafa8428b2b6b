import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { verifyCyclesEvidence } from './cycles-evidence.js';

const cases = join(resolve(process.env['EXEQUATUR_VECTORS'] ?? '../shared/vectors'), 'cycles-protocol/drafts/fixtures/cycles-evidence-v0.1/cases');
/** Public half of a key whose seed the fixtures' own README gives away. */
const SIGNER = 'ec52b49b81eb29ef6f62947cade245c715bf943b7ef2a5f2789288574466fc43';

/** The envelope in a file: its newline at the end is the file's. */
const envelopeIn = (name: string): Buffer => readFileSync(join(cases, name)).subarray(0, -1);

if (existsSync(cases)) {
  const files = readdirSync(cases).filter((name) => name.endsWith('.json')).sort();

  describe('signed envelopes of the Cycles protocol', () => {
    test('there are thirteen', () => expect(files).toHaveLength(13));

    test.each(files)('%s is accepted, and every changed byte of it rejected', (name) => {
      const bytes = envelopeIn(name);
      expect(verifyCyclesEvidence(bytes, SIGNER)).toMatchObject({ ok: true });
      for (let at = 0; at < bytes.length; at += 1) {
        // One bit that changes case or digit, and one that leaves the alphabet.
        for (const mask of [0x01, 0x20, 0x80]) {
          const changed = Buffer.from(bytes);
          changed[at] = (changed[at] as number) ^ mask;
          if (verifyCyclesEvidence(changed, SIGNER).ok) throw new Error(`byte ${at} of ${name} changed by ${mask} and it is accepted`);
        }
      }
    });

    test('nothing added, cut off or trusted otherwise', () => {
      const bytes = envelopeIn(files[0] as string);
      for (const changed of [Buffer.concat([bytes, Buffer.from('\n')]), bytes.subarray(0, -1), Buffer.alloc(0)]) expect(verifyCyclesEvidence(changed, SIGNER).ok).toBe(false);
      expect(verifyCyclesEvidence(bytes, SIGNER.replace('ec', 'ed'))).toEqual({ ok: false, reason: 'signer_mismatch' });
    });
  });
} else {
  test('left out: evidence envelopes of the Cycles protocol, EXEQUATUR_VECTORS names no folder that has them', () => {
    expect(process.env['EXEQUATUR_REQUIRE_VECTORS']).not.toBe('1');
  });
}
