import { beforeAll, describe, expect, test } from '@jest/globals';
import { SERVICES } from '@exequatur/contracts';
import { signBatch } from '@exequatur/audit-chain';
import type { Report } from '../report.js';
import { endLineOf, exportLines, noteOver, signingKeyOf, streamed, trustedKeys } from '../spec/sample-log.contract.js';
import type { SampleLeaf } from '../spec/sample-log.contract.js';
import { wholeStory } from '../spec/story.contract.js';
import { verifyExport } from './verify-export.js';
import type { VerifyOptions } from './verify-export.js';

let leaves: readonly SampleLeaf[];
let good: readonly string[];
let lastInstant: string;
beforeAll(async () => {
  const { log } = await wholeStory();
  [leaves, lastInstant] = [log.leaves, log.instant()];
  good = exportLines(leaves, { sizes: [10, 40, leaves.length] });
});

const verify = (lines: readonly string[], options: VerifyOptions = {}): Promise<Report> => verifyExport(streamed(lines), { trustedKeys, settleMs: 0, ...options });
const sequencesOf = (report: Report): readonly (number | undefined)[] => report.violations.map(({ sequence }) => sequence);
const copied = (): SampleLeaf[] => leaves.map((leaf) => ({ ...leaf }));
/** As an operator who holds the log's key would write it: every tree head and the end made anew. */
const rewritten = (changed: readonly SampleLeaf[]): string[] => exportLines(changed.map((leaf, sequence) => ({ ...leaf, sequence })));

describe('a good export', () => {
  test('is valid, and says what was counted', async () => {
    const report = await verify(good);
    expect(report.violations).toEqual([]);
    expect(report).toMatchObject({ result: 'valid', tenant: 'acme', keys: 'pinned', size: leaves.length, counts: { leaves: leaves.length, events: leaves.length, tree_heads: 3, claims: 5 } });
  });

  test('checked with its own keys says so plainly', async () => {
    const report = await verifyExport(streamed(good), { settleMs: 0 });
    expect(report).toMatchObject({ result: 'valid', keys: 'export' });
    expect(report.notes[0]).toMatch(/no keys were pinned/);
  });

  test('of an empty log is valid', async () => {
    expect(await verify(exportLines([], { sizes: [] }))).toMatchObject({ result: 'valid', size: 0 });
  });

  test('contains an earlier tree head that a witness kept', async () => {
    expect(await verify(good, { knownHeads: [noteOver(leaves, 25)] })).toMatchObject({ result: 'valid' });
  });
});

/** Another character of the same alphabet. */
const flipped = (text: string, at: number): string => `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;

describe('invariant 25: any flipped byte is found at its leaf', () => {
  const FIELDS = ['bytes_b64', 'path', 'signature', 'key_id'] as const;
  test.each(FIELDS.flatMap((field) => [0, 7, 33, 54].map((sequence) => [field, sequence] as const)))('%s of leaf %d', async (field, sequence) => {
    const changed = copied();
    const leaf = changed[sequence] as SampleLeaf;
    leaf[field] = flipped(leaf[field], Math.floor(leaf[field].length / 2));
    const report = await verify(exportLines(changed, { notes: [noteOver(leaves, leaves.length)] }));
    expect(report.result).toBe('invalid');
    expect(sequencesOf(report)).toContain(sequence);
  });

  test('every byte of one leaf, whoever signs the tree heads', async () => {
    const few = leaves.slice(0, 6);
    const sequence = 3;
    const bytes = Buffer.from((leaves[sequence] as SampleLeaf).bytes_b64, 'base64');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = few.map((leaf) => ({ ...leaf }));
      const other = Buffer.from(bytes);
      other[at] = (other[at] as number) ^ 0x01;
      (changed[sequence] as SampleLeaf).bytes_b64 = other.toString('base64');
      const report = await verify(rewritten(changed));
      expect({ at, result: report.result, found: sequencesOf(report).includes(sequence) }).toEqual({ at, result: 'invalid', found: true });
    }
  });

  test.each([5, 20])('topic and ordinal of leaf %d', async (sequence) => {
    for (const change of [{ topic: 'exequatur.audit.v1' }, { ordinal: 1_000 }, { ordinal: ((leaves[sequence] as SampleLeaf).ordinal as number) + 1 }]) {
      const changed = copied();
      Object.assign(changed[sequence] as SampleLeaf, change);
      const report = await verify(rewritten(changed));
      expect(report.result).toBe('invalid');
      const near = report.violations.some((violation) => violation.sequence === sequence || violation.message.includes(`leaf ${sequence}`));
      expect(near || change.ordinal === 1_000).toBe(true);
    }
  });

  test('anywhere in the header, a tree head or the end', async () => {
    for (const index of [0, good.length - 4, good.length - 2, good.length - 1]) {
      const line = good[index] as string;
      for (let at = 0; at < line.length; at += 23) {
        const changed = [...good];
        changed[index] = flipped(line, at);
        if (changed[index] === line) continue;
        expect({ index, at, result: (await verify(changed)).result }).not.toMatchObject({ result: 'valid' });
      }
    }
  });
});

describe('invariant 24: the log is append-only', () => {
  const withNotesOfTheGood = (changed: readonly SampleLeaf[]): string[] => exportLines(changed, { notes: [noteOver(leaves, leaves.length)] });

  test.each([0, 17, 41])('a dropped leaf %d', async (sequence) => {
    const report = await verify(withNotesOfTheGood(copied().filter((leaf) => leaf.sequence !== sequence)));
    expect(report.result).toBe('invalid');
    expect(Math.min(...report.violations.filter(({ invariant }) => invariant === 24).map((violation) => violation.sequence ?? Infinity))).toBe(sequence);
  });

  test.each([3, 30])('an inserted copy at %d', async (sequence) => {
    const changed = copied();
    changed.splice(sequence, 0, { ...(leaves[sequence - 1] as SampleLeaf) });
    const report = await verify(withNotesOfTheGood(changed));
    expect(report.result).toBe('invalid');
    expect(sequencesOf(report)).toContain(sequence);
  });

  test.each([8, 28])('two swapped at %d', async (sequence) => {
    const changed = copied();
    [changed[sequence], changed[sequence + 1]] = [changed[sequence + 1] as SampleLeaf, changed[sequence] as SampleLeaf];
    const report = await verify(withNotesOfTheGood(changed));
    expect(report.result).toBe('invalid');
    expect(sequencesOf(report)).toContain(sequence);
  });

  test.each([1, 9])('the last %d cut off', async (missing) => {
    const report = await verify(withNotesOfTheGood(copied().slice(0, -missing)));
    expect(report.result).toBe('invalid');
    expect(sequencesOf(report)).toContain(leaves.length - missing);
  });

  test('cut off with all its tree heads, against a head that a witness kept', async () => {
    const report = await verify(rewritten(copied().slice(0, -9)), { knownHeads: [noteOver(leaves, leaves.length)] });
    expect(report.violations).toContainEqual(expect.objectContaining({ invariant: 24, sequence: leaves.length - 9 }));
  });

  test('an earlier tree head over other leaves: one size, two roots', async () => {
    const other = copied();
    [other[3], other[4]] = [other[4] as SampleLeaf, other[3] as SampleLeaf];
    const report = await verify(exportLines(leaves, { notes: [noteOver(leaves, 10), noteOver(other, 10), noteOver(leaves, leaves.length)] }));
    expect(report.by_invariant).toEqual({ 24: 1 });
  });

  test('a tree head by another key, or of another log', async () => {
    for (const note of [noteOver(leaves, leaves.length, 'acme', signingKeyOf('policy')), noteOver(leaves, leaves.length, 'globex')]) {
      expect((await verify(exportLines(leaves, { notes: [note] }))).by_invariant).toMatchObject({ 24: 2 });
    }
  });
});

describe('invariants 19 and 20: omission shows even to whoever holds the log’s key', () => {
  test('each single event left out, everything re-signed', async () => {
    for (const { sequence, ordinal } of leaves) {
      const report = await verify(rewritten(copied().filter((leaf) => leaf.sequence !== sequence)));
      // The very last heads of each service are all that vouches for the last events; a head itself is vouched for by its stream.
      const isLastHead = ordinal === undefined && sequence >= leaves.length - SERVICES.length;
      expect({ sequence, result: report.result }).toEqual({ sequence, result: isLastHead ? 'valid' : 'invalid' });
    }
  });

  test('the missing number is named', async () => {
    const { ordinal, sequence } = leaves[20] as SampleLeaf;
    const report = await verify(rewritten(copied().filter((leaf) => leaf.sequence !== sequence)));
    expect(report.violations.map(({ message }) => message).join('\n')).toContain(`number ${ordinal} is not in the log`);
  });

  test('left out of a log in motion it may still come: incomplete, not valid', async () => {
    const last = leaves.findLast(({ ordinal }) => ordinal !== undefined) as SampleLeaf;
    const cut = copied().filter((leaf) => leaf.sequence !== last.sequence).map((leaf, sequence) => ({ ...leaf, sequence }));
    const report = await verify(exportLines(cut, { createdAt: lastInstant }), { settleMs: 60_000 });
    expect(report.result).toBe('incomplete');
    expect(report.violations.every(({ open }) => open === true)).toBe(true);
    // An hour later it would have come.
    expect((await verify(exportLines(cut, { createdAt: '2026-11-20T10:30:00.000Z' }), { settleMs: 60_000 })).result).toBe('invalid');
  });

  test('the same event twice, everything re-signed', async () => {
    const changed = copied();
    changed.splice(30, 0, { ...(leaves[12] as SampleLeaf) });
    const report = await verify(rewritten(changed));
    expect(report.violations).toContainEqual(expect.objectContaining({ invariant: 19, sequence: 30, message: 'the same event as leaf 12' }));
  });
});

describe('invariant 12: only the owner of a type says it', () => {
  test.each(['executor', 'audit', 'policy'] as const)('a grant signed by %s', async (service) => {
    const changed = copied();
    const sequence = changed.findIndex(({ bytes_b64: bytes }) => Buffer.from(bytes, 'base64').includes('ApprovalGranted'));
    const bytes = Buffer.from((changed[sequence] as SampleLeaf).bytes_b64, 'base64');
    const [proof] = signBatch([bytes], { tenant: 'acme', service, key: signingKeyOf(service) });
    Object.assign(changed[sequence] as SampleLeaf, { path: proof?.path, signature: proof?.signature, key_id: proof?.keyId });
    const report = await verify(rewritten(changed));
    expect(report.violations).toContainEqual(expect.objectContaining({ invariant: 12, sequence }));
  });

  test('an event without any proof', async () => {
    const changed = copied();
    const { path: _path, ...bare } = changed[9] as SampleLeaf;
    const report = await verify(rewritten([...changed.slice(0, 9), bare as SampleLeaf, ...changed.slice(10)]));
    expect(sequencesOf(report)).toContain(9);
  });
});

describe('what is no export', () => {
  test.each([
    ['nothing', []],
    ['other JSON', ['{"hello":1}']],
    ['no JSON', ['hello', 'world']],
    ['another format', ['{"format":"exequatur-export/2"}']],
  ])('%s is unusable, not valid', async (_, lines) => {
    expect(await verify(lines)).toMatchObject({ result: 'incomplete', size: 0 });
  });

  test('an export without its end line is cut short', async () => {
    expect((await verify(good.slice(0, -1))).by_invariant).toEqual({ format: 1 });
  });

  test('lines after the end, unknown fields and duplicate keys are found', async () => {
    expect((await verify([...good, good[1] as string])).by_invariant).toMatchObject({ format: 1 });
    for (const line of [`{"more":1,${(good[5] as string).slice(1)}`, `{"sequence":0,${(good[5] as string).slice(1)}`]) {
      const lines = [...good.slice(0, 5), line, ...good.slice(6, -1)];
      expect((await verify([...lines, endLineOf(lines, 'acme', leaves.length, 3)])).by_invariant).toMatchObject({ format: 2 });
    }
  });
});
