/** `node tools/run.mjs <command> [options]`: install and build when needed, then the named program. */
import { ensureBuilt, ensureInstalled, requireNode } from './prepare.mjs';

const programs = {
  demo: '../apps/demo/dist/main.js',
  services: '../apps/standalone/dist/services.js',
  kafka: '../apps/standalone/dist/kafka.js',
  bench: '../test/bench/dist/main.js',
};
const [name] = process.argv.splice(2, 1);
if (!Object.hasOwn(programs, name)) {
  console.error(`Unknown program ${name}; there are ${Object.keys(programs).join(', ')}.`);
  process.exit(2);
}
requireNode();
ensureInstalled();
ensureBuilt();
await import(programs[name]);
