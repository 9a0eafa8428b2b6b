/**
 * Transpiles workspace sources to dist with swc: `node tools/build.mjs [projectDir ...]`, all projects by default.
 * Types are checked by `npm run typecheck`; this only strips them, so building everything takes seconds.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transformFileSync } from '@swc/core';

const root = join(import.meta.dirname, '..');
const named = process.argv.slice(2);
const all = ['libs', 'apps'].flatMap((group) => readdirSync(join(root, group)).map((name) => join(group, name))).concat(join('test', 'bench'));
const projects = (named.length > 0 ? named : all).filter((project) => existsSync(join(root, project, 'src')));

for (const project of projects) {
  const sources = join(root, project, 'src');
  const target = join(root, project, 'dist');
  rmSync(target, { recursive: true, force: true });
  for (const file of readdirSync(sources, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const from = join(file.parentPath, file.name);
    const to = join(target, from.slice(sources.length));
    if (/\.(spec|contract)\.ts$/.test(file.name) || file.parentPath.split('/').includes('spec')) continue;
    mkdirSync(dirname(to), { recursive: true });
    if (file.name.endsWith('.ts')) {
      const { code } = transformFileSync(from, { configFile: join(root, '.swcrc') });
      writeFileSync(to.replace(/\.ts$/, '.js'), code);
    } else {
      cpSync(from, to);
    }
  }
}
