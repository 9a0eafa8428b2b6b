/**
 * `npm run mutations [-- --short] [-- name …]`: applies each patch of test/mutations to a copy of the working tree and runs the
 * tests that must then fail. A patch starts with lines `# red: <spec path> -t "<test name>"`; a mutation that stays green fails
 * the run, and so does one that no longer applies, or that breaks the suite instead of the named test.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
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
const turnsRed = (tree, { spec, title }) => {
  const output = join(tree, `.mutation-${Math.random().toString(36).slice(2)}.json`);
  spawnSync(process.execPath, ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', spec, '-t', escaped(title), '-w', '1', '--json', `--outputFile=${output}`, '--forceExit'], {
    cwd: tree,
    stdio: 'ignore',
    timeout: 300_000,
    env: { ...process.env, EXEQUATUR_VECTORS: process.env.EXEQUATUR_VECTORS ?? join(root, '..', 'shared', 'vectors') },
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

const totals = { passed: 0, failed: 0 };
for (const name of named.length > 0 ? named : all) {
  const { red, slow } = headerOf(name);
  if (short && slow) continue;
  const tree = mkdtempSync(join(tmpdir(), 'exequatur-mutation-'));
  const started = Date.now();
  let wrong;
  try {
    copyTree(tree);
    const applied = spawnSync('git', ['apply', '--whitespace=nowarn', join(patches, `${name}.patch`)], { cwd: tree, encoding: 'utf8' });
    if (red.length === 0) wrong = 'names no test';
    else if (applied.status !== 0) wrong = `does not apply: ${applied.stderr.trim()}`;
    else if (spawnSync(process.execPath, ['tools/build.mjs'], { cwd: tree, stdio: 'ignore' }).status !== 0) wrong = 'does not build';
    else wrong = red.map((test) => [test, turnsRed(tree, test)]).filter(([, why]) => why).map(([test, why]) => `${test.title}: ${why}`).join('; ') || undefined;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
  totals[wrong ? 'failed' : 'passed'] += 1;
  console.log(`${wrong ? 'NOT RED' : 'red'}  ${name}${wrong ? `: ${wrong}` : ''} (${((Date.now() - started) / 1000).toFixed(0)} s)`);
}
console.log(`${totals.passed} mutations red, ${totals.failed} not`);
process.exit(totals.failed === 0 ? 0 : 1);
