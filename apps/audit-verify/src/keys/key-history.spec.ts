import { beforeAll, describe, expect, test } from '@jest/globals';
import { generateSigningKey, importSigningKey, signBatch, signKeyRotation } from '@exequatur/audit-chain';
import type { SigningKey } from '@exequatur/audit-chain';
import { ExportMade, SigningKeyRotated } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { verifyExport } from '../export/verify-export.js';
import type { Report } from '../report.js';
import { exportLines, noteOver, SampleLog, signingKeyOf, streamed, trustedKeys } from '../spec/sample-log.contract.js';
import type { SampleLeaf } from '../spec/sample-log.contract.js';

/** Exports of audit: any event does, and audit's key is the log's too. */
const writeSome = async (log: SampleLog, count: number): Promise<void> => {
  for (let each = 0; each < count; each += 1) {
    const exportId = newId(log.nowMs);
    await log.emit('audit', exportId, ExportMade, { export_id: exportId, format: 'jsonl', log_size: each });
  }
};

let log: SampleLog;
let rotated: SigningKey;
/** leaves: 0–2 old key, 3 counts, 4 the rotation, 5–7 new key, 8 counts */
beforeAll(async () => {
  log = new SampleLog();
  await writeSome(log, 3);
  await log.publishStreamHeads();
  rotated = await log.rotate('audit');
  await writeSome(log, 3);
  await log.publishStreamHeads();
});

const ROTATION = 4;
const verify = (leaves: readonly SampleLeaf[], parts: Parameters<typeof exportLines>[1] = {}): Promise<Report> =>
  verifyExport(streamed(exportLines(leaves, { notes: [noteOver(leaves, 3), noteOver(leaves, leaves.length, 'acme', rotated)], key: rotated, ...parts })), { trustedKeys, settleMs: 0 });
const signedAnew = (sequence: number, key: SigningKey): SampleLeaf[] =>
  log.leaves.map((leaf) => {
    if (leaf.sequence !== sequence) return leaf;
    const [{ path, signature, keyId: key_id } = { path: '', signature: '', keyId: '' }] = signBatch([Buffer.from(leaf.bytes_b64, 'base64')], { tenant: 'acme', service: 'audit', key });
    return { ...leaf, path, signature, key_id };
  });
const foundAt = (report: Report, sequence: number): readonly string[] => report.violations.filter((violation) => violation.sequence === sequence).map(({ message }) => message);

describe('a key that was rotated in the log', () => {
  test('is followed from the pinned one, and everything verifies', async () => {
    const report = await verify(log.leaves);
    expect(report.violations).toEqual([]);
    expect(report.result).toBe('valid');
  });

  test('invariant 25: the old key signs nothing more after its rotation, whoever holds it', async () => {
    const report = await verify(signedAnew(6, signingKeyOf('audit')));
    expect(report.result).toBe('invalid');
    expect(foundAt(report, 6)).toEqual([expect.stringContaining('was rotated out with leaf 4')]);
  });

  test('the new key signs nothing before its rotation', async () => {
    const report = await verify(signedAnew(1, rotated));
    expect(foundAt(report, 1)).toEqual([expect.stringContaining('no rotation had put in force')]);
  });

  test('the old key counts nothing after its rotation', async () => {
    expect(foundAt(await verify(signedAnew(8, signingKeyOf('audit'))), 8)).toEqual([expect.stringContaining('which that rotated out')]);
  });

  test('a tree head over the rotation, or the end, by the old key is none', async () => {
    const oldHead = await verify(log.leaves, { notes: [noteOver(log.leaves, log.leaves.length)] });
    expect(oldHead.violations.map(({ message }) => message)).toEqual(expect.arrayContaining([expect.stringContaining('was rotated out with leaf 4')]));
    const oldEnd = await verify(log.leaves, { notes: [noteOver(log.leaves, log.leaves.length, 'acme', rotated)], key: signingKeyOf('audit') });
    expect(oldEnd.violations.map(({ message }) => message)).toEqual(['the end of the export is not signed by the log']);
  });

  test('leaves that were logged before the rotation they follow, since topics are logged in any order, verify', async () => {
    const order = [0, 1, 2, 3, 5, 6, 4, 7, 8].map((sequence) => log.leaves[sequence] as SampleLeaf).map((leaf, sequence) => ({ ...leaf, sequence }));
    expect((await verify(order)).violations).toEqual([]);
  });

  test('a key that no rotation names is nobody’s', async () => {
    const stranger = importSigningKey(generateSigningKey('audit').privateJwk);
    const report = await verify(signedAnew(6, stranger));
    expect(foundAt(report, 6)).toEqual(['audit does not vouch for these bytes: key_unknown']);
  });
});

describe('a rotation that is none', () => {
  const forged = async (change: (log: SampleLog) => Promise<void>): Promise<Report> => {
    const other = new SampleLog();
    await writeSome(other, 2);
    await change(other);
    await writeSome(other, 1);
    await other.publishStreamHeads();
    return verifyExport(streamed(exportLines(other.leaves)), { trustedKeys, settleMs: 0 });
  };
  const to = importSigningKey(generateSigningKey('audit').privateJwk);

  test.each([
    ['of another service', () => signKeyRotation({ tenant: 'acme', service: 'policy' as const, from: signingKeyOf('policy'), to })],
    ['of another tenant', () => signKeyRotation({ tenant: 'other', service: 'audit' as const, from: signingKeyOf('audit'), to })],
    ['that the old key did not sign', () => signKeyRotation({ tenant: 'acme', service: 'audit' as const, from: { ...to, kid: signingKeyOf('audit').kid }, to: importSigningKey(generateSigningKey('audit').privateJwk) })],
  ])('%s is found at its place', async (_, rotation) => {
    const report = await forged(async (other) => void (await other.emit('audit', 'audit', SigningKeyRotated, rotation())));
    expect(report.violations).toEqual([expect.objectContaining({ invariant: 12, sequence: 2, message: expect.stringContaining('this rotates no key') })]);
  });
});

test('the rotation of this log is where it is said to be', () => expect(Buffer.from(log.leaves[ROTATION]?.bytes_b64 ?? '', 'base64').toString('utf8')).toContain(SigningKeyRotated.type));
