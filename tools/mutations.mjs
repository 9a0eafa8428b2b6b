/**
 * `npm run mutations [-- --short] [-- name …]`: applies each patch of test/mutations to a copy of the working tree and runs the
 * tests that must then fail. A patch starts with lines `# red: <spec path> -t "<test name>"`; a mutation that stays green fails
 * the run, and so does one that no longer applies, or that breaks the suite instead of the named test.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, root } from './prepare.mjs';

ensureInstalled();
const patches = join(root, 'test', 'mutations');
const named = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const short = process.argv.includes('--short');
const all = readdirSync(patches).filter((file) => file.endsWith('.patch')).map((file) => file.slice(0, -'.patch'.length)).sort();

const headerOf = (name) => {
  const text = readFileSync(join(patches, `${name}.patch`), 'utf8');
  const red = [...text.matchAll(/^# red: (\S+) -t "(.+)"$/gm)].map(([, spec, title]) => ({ spec, title }));
  return { red, slow: /^# slow$/m.test(text) };
};

/** Exit status of a program, its output unseen. */
const ended = (args, options) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: 'ignore', ...options });
    child.once('error', () => resolve(undefined));
    child.once('exit', resolve);
  });

const copyTree = (target) => {
  const { stdout } = spawnSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root, maxBuffer: 64 << 20 });
  for (const file of stdout.toString().split('\0').filter(Boolean)) {
    mkdirSync(join(target, file, '..'), { recursive: true });
    try {
      cpSync(join(root, file), join(target, file));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  linkPackages(target);
};

/** The same packages, but workspace packages are those of the copy, so that processes it spawns run mutated code too. */
const linkPackages = (target) => {
  const workspaces = join(target, 'node_modules', '@exequatur');
  mkdirSync(workspaces, { recursive: true });
  for (const entry of readdirSync(join(root, 'node_modules'))) if (entry !== '@exequatur') symlinkSync(join(root, 'node_modules', entry), join(target, 'node_modules', entry));
  for (const group of ['libs', 'apps']) for (const name of readdirSync(join(target, group))) symlinkSync(join(target, group, name), join(workspaces, name));
};

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether exactly what was named failed: the tests ran, and at least one with that title did not pass. */
const turnsRed = async (tree, { spec, title }) => {
  const output = join(tree, `.mutation-${Math.random().toString(36).slice(2)}.json`);
  await ended(['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', spec, '-t', escaped(title), '-w', '1', '--json', `--outputFile=${output}`, '--forceExit'], {
    cwd: tree,
    timeout: 300_000,
    // What a mutation keeps from happening is not waited for as long as what a loaded machine only delays.
    env: { ...process.env, EXEQUATUR_PATIENCE_MS: '15000', EXEQUATUR_VECTORS: process.env.EXEQUATUR_VECTORS ?? join(root, '..', 'shared', 'vectors') },
  });
  let report;
  try {
    report = JSON.parse(readFileSync(output, 'utf8'));
  } catch {
    return 'the suite did not run';
  }
  const ran = report.testResults.flatMap((suite) => suite.assertionResults).filter((test) => test.fullName.includes(title) && test.status !== 'pending');
  if (ran.length === 0) return 'no test of that name ran';
  return ran.some((test) => test.status === 'failed') ? undefined : 'stayed green';
};

/** What is wrong with this mutation; undefined when every test it names turned red. */
const tryMutation = async (name, red) => {
  if (red.length === 0) return 'names no test';
  const tree = mkdtempSync(join(tmpdir(), 'exequatur-mutation-'));
  try {
    copyTree(tree);
    const applied = spawnSync('git', ['apply', '--whitespace=nowarn', join(patches, `${name}.patch`)], { cwd: tree, encoding: 'utf8' });
    if (applied.status !== 0) return `does not apply: ${applied.stderr.trim()}`;
    if ((await ended(['tools/build.mjs'], { cwd: tree })) !== 0) return 'does not build';
    const wrong = [];
    for (const test of red) {
      const why = await turnsRed(tree, test);
      if (why) wrong.push(`${test.title}: ${why}`);
    }
    return wrong.join('; ') || undefined;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
};

const waiting = (named.length > 0 ? named : all).map((name) => ({ name, ...headerOf(name) })).filter(({ slow }) => !(short && slow));
const totals = { passed: 0, failed: 0 };
const work = async () => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const started = Date.now();
    const wrong = await tryMutation(next.name, next.red);
    totals[wrong ? 'failed' : 'passed'] += 1;
    console.log(`${wrong ? 'NOT RED' : 'red'}  ${next.name}${wrong ? `: ${wrong}` : ''} (${((Date.now() - started) / 1000).toFixed(0)} s)`);
  }
};
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
console.log(`${totals.passed} mutations red, ${totals.failed} not`);
process.exit(totals.failed === 0 ? 0 : 1);
