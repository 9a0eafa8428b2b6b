import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LeafMemory, verifyExport } from '@exequatur/audit-verify';
import type { Report } from '@exequatur/audit-verify';
import { exportLines, hashOfLeaf, notesOver, streamed, trustedKeys } from '../../apps/audit-verify/src/spec/sample-log.contract.js';
import { wholeStory } from '../../apps/audit-verify/src/spec/story.contract.js';
import { randomFrom, seedOf } from './seeded-random.js';
import { TAMPERINGS, textOf } from './tamper-kinds.js';
import type { Scene, Tampering } from './tamper-kinds.js';
import { haveCryptography, havePython, PythonOfVersions, verifyInPython } from './verify-in-python.js';

/** 500 over a short log in every run; `npm run faults` asks for 10,000 over one of about 5,000 events. */
const MUTATIONS = Number(process.env['EXEQUATUR_TAMPERINGS'] ?? 500);
const LONG = MUTATIONS > 500;
const ROUNDS = LONG ? 75 : 1;
/** Without a crypto package Python needs ms a signature. */
const PYTHON_MUTATIONS = haveCryptography ? MUTATIONS : 16;
/** What an export shows without the heads a witness kept follows from what it shows with them; every so many it is verified without, too. */
const WITHOUT_WITNESS_EVERY = LONG ? 50 : 1;
const TOLD_EVERY = 500;
/** Versions that the second verifier may be behind. */
const MOST_BEHIND = 50;

/**
 * An operator who has the log's key and rewrites everything leaves no trace inside the export where the services' own counts do
 * not reach: order among leaves, and what came after the last count. Only a head that somebody else kept shows these.
 */
const NEED_A_WITNESS = ['swap two neighbours, log key in hand', 'cut off the tail, log key in hand', 'drop a leaf, log key in hand'];

describe('invariants 24, 25: a tampered log', () => {
  const directory = mkdtempSync(join(tmpdir(), 'exequatur-tamper-'));
  const seed = seedOf('tamper');
  let scene: Scene;
  let witnessed: readonly string[];
  let headFiles: readonly string[];
  let baseLines: readonly string[];
  const [keysFile, baseFile] = [join(directory, 'keys.json'), join(directory, 'export.jsonl')];

  beforeAll(async () => {
    const { leaves } = (await wholeStory(ROUNDS)).log;
    const sizes = [...new Set([1, 2, 3, 4, 5, 6, 7].map((eighth) => Math.floor((leaves.length * eighth) / 8)).concat(leaves.length))];
    witnessed = notesOver(leaves.map(hashOfLeaf), sizes);
    scene = { leaves, sizes, notes: witnessed, random: randomFrom(seed) };
    writeFileSync(keysFile, JSON.stringify(trustedKeys));
    baseLines = exportLines(leaves, { notes: witnessed, textOf });
    writeFileSync(baseFile, `${baseLines.join('\n')}\n`);
    // What the long run remembers is of the good log.
    expect(await verify(baseLines, witnessed)).toMatchObject({ result: 'valid' });
    headFiles = witnessed.map((note, index) => {
      const file = join(directory, `head-${index}.txt`);
      writeFileSync(file, note);
      return file;
    });
  }, 600_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** The short run judges every leaf anew. */
  const judged = LONG ? new LeafMemory() : undefined;
  const verify = (lines: readonly string[], knownHeads: readonly string[]): Promise<Report> => verifyExport(streamed(lines), { trustedKeys, settleMs: 0, knownHeads, maxViolations: 100_000, ...(judged === undefined ? {} : { judged }) });

  const within = (leaf: number, text: string): boolean => [...text.matchAll(/(?:leaves|a leaf from) (\d+) to (\d+)/g)].some(([, from, to]) => leaf >= Number(from) && leaf <= Number(to));
  /** Which stretch between two witnessed heads a leaf lies in. */
  const stretchOf = (leaf: number): number => scene.sizes.findIndex((size) => leaf < size);
  /** Named exactly, or inside the narrowest stretch between two heads: what follows a dropped leaf is the first to contradict. */
  const placed = ({ leaf }: Pick<Tampering, 'leaf'>, places: readonly (number | undefined)[], messages: readonly string[]): boolean =>
    leaf === undefined || messages.some((message) => within(leaf, message)) || places.some((place) => place !== undefined && stretchOf(place) === stretchOf(leaf));

  test('untouched it is valid, to both verifiers', async () => {
    expect(await verify(baseLines, witnessed)).toMatchObject({ result: 'valid' });
    if (havePython) expect(await verifyInPython({ keys: keysFile, heads: headFiles, exports: [baseFile] })).toMatchObject([{ result: 'valid', leaves: scene.leaves.length }]);
  }, 600_000);

  test(`${MUTATIONS} seeded changes are found with their place against witnessed tree heads, and what only those show is known`, async () => {
    const kinds = Object.entries(TAMPERINGS);
    const onlyByWitness: Record<string, number> = {};
    const missed: unknown[] = [];
    const second = havePython ? new PythonOfVersions({ keys: keysFile, heads: headFiles, base: baseFile, lines: baseLines, anew: !LONG }) : undefined;
    const asked: Promise<void>[] = [];
    const ask = async ({ kind, leaf, lines }: Tampering, index: number): Promise<void> => {
      const verdict = await second?.verify(lines);
      if (verdict === undefined) return;
      const found = verdict.result !== 'valid' && (verdict.result === 'incomplete' || placed({ leaf }, verdict.places, verdict.findings.map(([, why]) => why)));
      if (!found) missed.push({ by: 'python', index, kind, leaf, verdict });
    };
    for (let index = 0; index < MUTATIONS; index += 1) {
      const [kind, tamper] = kinds[index % kinds.length] as (typeof kinds)[number];
      const tampering = tamper(scene);
      const report = await verify(tampering.lines, witnessed);
      const found = report.result !== 'valid' && (report.size === 0 || placed(tampering, report.violations.map(({ sequence }) => sequence), report.violations.map(({ message }) => message)));
      if (!found) missed.push({ by: 'audit-verify', index, kind, leaf: tampering.leaf, result: report.result, violations: report.violations.slice(0, 5) });
      const needsWitness = report.result === 'invalid' && report.violations.every(({ message }) => message.startsWith('known tree head'));
      if (needsWitness) onlyByWitness[kind] = (onlyByWitness[kind] ?? 0) + 1;
      if (index % WITHOUT_WITNESS_EVERY === 0) expect([kind, (await verify(tampering.lines, [])).result === 'valid']).toEqual([kind, needsWitness]);
      if (index < PYTHON_MUTATIONS) {
        const asking = ask(tampering, index);
        asking.catch(() => undefined);
        asked.push(asking);
      }
      if (asked.length > MOST_BEHIND) await asked.shift();
      if (LONG && (index + 1) % TOLD_EVERY === 0) process.stderr.write(`${index + 1} tamperings, ${missed.length} missed, ${Math.round(performance.now() / 1_000)} s\n`);
    }
    await Promise.all(asked);
    await second?.end();
    console.log(`found only against a witnessed tree head, of ${MUTATIONS}: ${JSON.stringify(onlyByWitness)}`);
    expect(missed).toEqual([]);
    expect(Object.keys(onlyByWitness).filter((kind) => !NEED_A_WITNESS.includes(kind))).toEqual([]);
    // It happened, or the witness would not be needed.
    expect(Object.keys(onlyByWitness)).toContain('swap two neighbours, log key in hand');
  }, LONG ? 12 * 3_600_000 : 1_200_000);

  test(havePython ? 'the second verifier’s own Ed25519 agrees with the crypto package, on good and on bad signatures' : 'left out: the second, independent verifier (needs python3)', () => {
    if (!havePython) {
      expect(process.env['EXEQUATUR_REQUIRE_PYTHON']).not.toBe('1');
      return;
    }
    const program = `
import sys; sys.path.insert(0, 'test/verifier-python')
import json, base64, ed25519
for key, message, signature, good in json.load(sys.stdin):
    assert ed25519.verify(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)) == good, (key, message, signature, good)
print('agreed')`;
    // RFC 8032 section 7.1, tests 1 to 3, and each with one bit changed.
    const known: readonly (readonly [key: string, message: string, signature: string])[] = [
      ['d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '', 'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'],
      ['3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72', '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'],
      ['fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', 'af82', '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'],
    ];
    const flipped = (hex: string): string => `${hex.slice(0, 10)}${hex[10] === '0' ? '1' : '0'}${hex.slice(11)}`;
    const cases = known.flatMap(([key, message, signature]) => [[key, message, signature, true], [key, message, flipped(signature), false], [key, `${message}00`, signature, false], [flipped(key), message, signature, false]]);
    const { stdout, stderr } = spawnSync('python3', ['-c', program], { input: JSON.stringify(cases), encoding: 'utf8' });
    expect([stdout.trim(), stderr]).toEqual(['agreed', '']);
  }, 600_000);
});
