/**
 * `node tools/pack-verifier.mjs <directory>`: what an auditor is given, apart from everything else: the verifier, the witness and
 * the second verifier, with the few libraries they need and nothing of any service. Runs with Node alone, anywhere.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureBuilt, ensureInstalled, requireNode, root } from './prepare.mjs';

const [target] = process.argv.slice(2);
if (target === undefined) {
  console.error('Name the directory to pack into.');
  process.exit(2);
}
requireNode();
ensureInstalled();
ensureBuilt();

const directory = resolve(target);
const PROGRAMS = ['audit-verify', 'witness'];
const packed = new Set();

const packageAt = (...path) => JSON.parse(readFileSync(join(...path, 'package.json'), 'utf8'));

/** A package with all it needs at run time. Workspace packages come as their built code, others as they are installed. */
const pack = (name) => {
  if (packed.has(name)) return;
  packed.add(name);
  const to = join(directory, 'node_modules', name);
  mkdirSync(to, { recursive: true });
  const own = name.startsWith('@exequatur/');
  const folder = own ? ['libs', 'apps'].map((group) => join(root, group, name.slice('@exequatur/'.length))).find(existsSync) : join(root, 'node_modules', name);
  const { dependencies = {}, ...description } = packageAt(folder);
  if (own) {
    cpSync(join(folder, 'dist'), join(to, 'dist'), { recursive: true });
    writeFileSync(join(to, 'package.json'), JSON.stringify({ name, version: description.version, license: description.license, type: 'module', exports: './dist/index.js', dependencies }, null, 2));
  } else {
    cpSync(folder, to, { recursive: true, dereference: true });
  }
  for (const needed of [...Object.keys(dependencies), ...(own ? importedBy(join(folder, 'dist')) : [])]) pack(needed);
};

/** npm packages that built code imports: workspace projects share the root's list and do not name them one by one. */
const importedBy = (dist) => [...new Set(filesBelow(dist).flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/from ['"]([a-z][^'"./]*)['"]/g)].map(([, name]) => name)))].filter((name) => !name.startsWith('node:'));
const filesBelow = (dist) => readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('.js')).map((file) => join(dist, file));

for (const program of PROGRAMS) {
  pack(`@exequatur/${program}`);
  writeFileSync(join(directory, `${program}.mjs`), `import './node_modules/@exequatur/${program}/dist/main.js';\n`);
}
for (const file of ['verify_export.py', 'ed25519.py']) cpSync(join(root, 'test', 'verifier-python', file), join(directory, file));
for (const file of ['LICENSE', 'NOTICE']) cpSync(join(root, file), join(directory, file));
console.log(`Packed ${[...packed].sort().join(', ')} into ${directory}.`);
