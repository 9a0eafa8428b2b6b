/**
 * Makes a checkout runnable: installs when node_modules does not match the lock file, builds when sources changed.
 * Node built-ins only, since it runs before anything is installed; syntax that old Node versions parse, so that they can say why they stop.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamps = join(root, '.cache', 'stamps');

export const requireNode = () => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`Exequatur needs Node.js 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
};

const stampIs = (name, value) => existsSync(join(stamps, name)) && readFileSync(join(stamps, name), 'utf8') === value;
const stamp = (name, value) => {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, name), value);
};

const run = (what, command, args) => {
  const started = Date.now();
  console.error(`${what} …`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    console.error(`${what} failed${error ? `: ${error.message}` : ''}. The output above says why.`);
    process.exit(1);
  }
  console.error(`${what}: done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
};

/** npm writes node_modules/.package-lock.json when it has installed; older than the lock file means that file changed since. */
export const ensureInstalled = () => {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs) return;
  run('Installing packages (npm ci)', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
};

const sourceState = () => {
  const hash = createHash('sha256');
  for (const directory of ['libs', 'apps'].flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name, 'src'))).concat(join(root, 'test', 'bench', 'src'))) {
    if (!existsSync(directory)) continue;
    for (const file of readdirSync(directory, { recursive: true }).sort()) {
      const { size, mtimeMs } = statSync(join(directory, file));
      hash.update(`${directory}/${file}:${size}:${mtimeMs};`);
    }
  }
  return hash.digest('hex');
};

export const ensureBuilt = () => {
  const state = sourceState();
  if (stampIs('built', state)) return;
  run('Building', process.execPath, [join(root, 'tools', 'build.mjs')]);
  stamp('built', state);
};
