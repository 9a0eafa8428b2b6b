import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signBatch } from '@exequatur/audit-chain';
import type { SigningKey } from '@exequatur/audit-chain';
import { ExportMade } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { exportLines, noteOver, SampleLog, signingKeyOf, trustedKeys } from '../../apps/audit-verify/src/spec/sample-log.contract.js';
import type { SampleLeaf } from '../../apps/audit-verify/src/spec/sample-log.contract.js';
import { havePython, verifyInPython } from '../faults/verify-in-python.js';
import type { PythonVerdict } from '../faults/verify-in-python.js';

describe('the second verifier follows keys as the first does', () => {
  const directory = mkdtempSync(join(tmpdir(), 'exequatur-python-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  let log: SampleLog;
  let rotated: SigningKey;
  beforeAll(async () => {
    log = new SampleLog();
    const write = async (): Promise<void> => {
      const exportId = newId(log.nowMs);
      await log.emit('audit', exportId, ExportMade, { export_id: exportId, format: 'jsonl', log_size: 1 });
    };
    await write();
    await log.publishStreamHeads();
    rotated = await log.rotate('audit');
    await write();
    await write();
    await log.publishStreamHeads();
  });

  const signedAnew = (sequence: number, key: SigningKey): SampleLeaf[] =>
    log.leaves.map((leaf) => {
      if (leaf.sequence !== sequence) return leaf;
      const [{ path, signature, keyId: key_id } = { path: '', signature: '', keyId: '' }] = signBatch([Buffer.from(leaf.bytes_b64, 'base64')], { tenant: 'acme', service: 'audit', key });
      return { ...leaf, path, signature, key_id };
    });
  const lines = (leaves: readonly SampleLeaf[], key = rotated): string[] => exportLines(leaves, { notes: [noteOver(leaves, 1), noteOver(leaves, leaves.length, 'acme', key)], key });
  const verify = (exports: readonly (readonly string[])[]): Promise<readonly PythonVerdict[]> => {
    const keys = join(directory, 'keys.json');
    writeFileSync(keys, JSON.stringify(trustedKeys));
    const files = exports.map((each, index) => {
      const file = join(directory, `export-${index}.jsonl`);
      writeFileSync(file, each.map((line) => `${line}\n`).join(''));
      return file;
    });
    return verifyInPython({ keys, exports: files });
  };

  // leaves: 0 old key, 1 counts, 2 the rotation, 3 and 4 new key, 5 counts
  test(havePython ? 'a rotation is followed; the old key behind it, the new one before it, old counts, heads and ends are found' : 'left out: the second verifier (needs python3)', async () => {
    if (!havePython) {
      expect(havePython).toBe(false);
      return;
    }
    const reordered = [0, 1, 3, 2, 4, 5].map((sequence) => log.leaves[sequence] as SampleLeaf).map((leaf, sequence) => ({ ...leaf, sequence }));
    const old = signingKeyOf('audit');
    const verdicts = await verify([lines(log.leaves), lines(reordered), lines(signedAnew(4, old)), lines(signedAnew(0, rotated)), lines(signedAnew(5, old)), lines(log.leaves, old)]);
    expect(verdicts.map(({ result, places }) => [result, places])).toEqual([
      ['valid', []],
      ['valid', []],
      ['invalid', [4]],
      ['invalid', [0]],
      ['invalid', [5]],
      ['invalid', []],
    ]);
  });
});
