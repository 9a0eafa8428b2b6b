/**
 * `npm run faults [-- --topology kafka] [suite …]`: the fault suites of test/faults with long seeds: EXEQUATUR_SEEDS (100) a race,
 * more kills, more fences, every clock both ways, 10,000 tamperings (EXEQUATUR_TAMPERINGS). `npm test -- faults` is the short
 * form. A suite is the beginning of a file's name: races, freezes, database, projector … Each prints its seed; EXEQUATUR_SEED
 * repeats it. `--topology kafka` (EXEQUATUR_TOPOLOGY) runs over Kafka what means both topologies. EXEQUATUR_REQUIRE_FAULTS=1 makes
 * what cannot run here a failure, EXEQUATUR_QUIET=1 says that nothing else runs on the machine, so that absolute times are judged too.
 */
import { spawnSync } from 'node:child_process';
import { ensureBuilt, ensureInstalled, requireNode, root } from './prepare.mjs';

requireNode();
ensureInstalled();
ensureBuilt();

const argv = process.argv.slice(2);
const named = argv.indexOf('--topology');
const [, topology = 'postgres'] = named === -1 ? [] : argv.splice(named, 2);
if (topology !== 'postgres' && topology !== 'kafka') {
  console.error(`--topology is postgres or kafka, not ${topology}`);
  process.exit(2);
}
const suites = argv;
const paths = suites.length === 0 ? ['test/faults/'] : suites.map((suite) => `test/faults/${suite}`);
const { status } = spawnSync(process.execPath, ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', ...paths, '-w', '1', '--forceExit'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, EXEQUATUR_TOPOLOGY: topology, EXEQUATUR_SEEDS: process.env.EXEQUATUR_SEEDS ?? '100', EXEQUATUR_TAMPERINGS: process.env.EXEQUATUR_TAMPERINGS ?? '10000' },
});
process.exit(status ?? 1);
