/**
 * `npm test [-- stage …]`: every suite this machine can run, in one order, with one closing line `N passed, N failed`.
 *
 * What the machine lacks is named, not skipped silently. EXEQUATUR_REQUIRE_KAFKA, _BROWSER, _VECTORS (=1) turn a lack
 * into a failure; .ci/run sets them all.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, requireNode, root } from './prepare.mjs';

requireNode();
ensureInstalled();
ensureBuilt();

const results = join(root, '.cache', 'test-results');
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

const jest = (name, ...args) => ({ name, jest: args });
const command = (name, ...args) => ({ name, command: args });

const stages = [
  command('lint', 'npx', 'eslint', '.', '--max-warnings', '0'),
  command('typecheck', 'npx', 'tsc', '--noEmit', '-p', 'tsconfig.json'),
  jest('architecture', 'test/architecture'),
  jest('unit', '(libs|apps)/.*/src/', '--testPathIgnorePatterns', '\\.int\\.spec\\.ts$'),
  jest('integration', '(libs|apps)/.*\\.int\\.spec\\.ts$', '-w', '2'),
  jest('e2e', 'test/(e2e|verifier-python)/', '-w', '1'),
  jest('faults', 'test/faults/', '-w', '2'),
  command('mutations', process.execPath, 'tools/mutations.mjs', '--short'),
];

const totals = { passed: 0, failed: 0 };
const failures = [];
const leftOut = [];

const runCommand = ({ name, command: [program, ...args] }) => {
  const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  totals[status === 0 ? 'passed' : 'failed'] += 1;
  if (status !== 0) failures.push(name);
};

const runJest = ({ name, jest: args }) => {
  const output = join(results, `${name}.json`);
  const { status } = spawnSync(process.execPath, ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', ...args, '--json', `--outputFile=${output}`, '--passWithNoTests=false', '--forceExit'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (!existsSync(output)) {
    totals.failed += 1;
    failures.push(`${name}: the test runner ended with ${status} before any result`);
    return;
  }
  const report = JSON.parse(readFileSync(output, 'utf8'));
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests + report.numRuntimeErrorTestSuites;
  for (const suite of report.testResults) {
    if (suite.status === 'failed' && suite.assertionResults.length === 0) failures.push(`${name}: ${suite.name}: could not run`);
    for (const test of suite.assertionResults) {
      if (test.status === 'failed') failures.push(`${name}: ${test.fullName}`);
      if (!test.title.startsWith('left out: ') || test.status !== 'passed') continue;
      // A test that stands in for what could not run has shown nothing.
      leftOut.push(test.title.slice('left out: '.length));
      totals.passed -= 1;
    }
  }
};

const wanted = process.argv.slice(2);
for (const stage of stages.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const started = Date.now();
  const before = { ...totals };
  console.log(`\n== ${stage.name}`);
  if (stage.jest) runJest(stage);
  else runCommand(stage);
  console.log(`== ${stage.name}: ${totals.passed - before.passed} passed, ${totals.failed - before.failed} failed, ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

if (leftOut.length > 0) console.log(`\nLeft out on this machine:\n${[...new Set(leftOut)].map((line) => `  ${line}`).join('\n')}`);
if (failures.length > 0) console.log(`\nFailed:\n${failures.map((line) => `  ${line}`).join('\n')}`);
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1);
