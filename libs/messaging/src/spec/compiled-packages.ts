import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFileSync } from '@swc/core';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

const compile = (name: string, target: string): void => {
  const sources = join(root, 'libs', name, 'src');
  for (const file of readdirSync(sources, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || /\.(spec|contract)\.ts$/.test(file) || file.startsWith('spec/')) continue;
    const to = join(target, file.replace(/ts$/, 'js'));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, transformFileSync(join(sources, file), { configFile: join(root, '.swcrc') }).code);
  }
  writeFileSync(join(target, 'package.json'), JSON.stringify({ name: `@exequatur/${name}`, type: 'module', exports: './index.js' }));
};

/**
 * For specs that kill a Node process: present sources of this library and of what it imports as plain JavaScript, in a new
 * directory below the repository where a child resolves `@exequatur/messaging` without a build. The caller deletes it.
 */
export const compilePackages = (): string => {
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  const target = mkdtempSync(join(cache, 'messaging-'));
  for (const name of ['contracts', 'kernel', 'messaging']) compile(name, join(target, 'node_modules', '@exequatur', name));
  return target;
};
