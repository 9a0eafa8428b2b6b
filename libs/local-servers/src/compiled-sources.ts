import { transformFileSync } from '@swc/core';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * For specs that kill a Node process: this package as plain JavaScript in a new directory below the repository, where a child
 * imports `index.js` from it without a build. The caller deletes the directory.
 */
export const compileSources = (): string => {
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  const target = mkdtempSync(join(cache, 'local-servers-'));
  chmodSync(target, 0o755);
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  for (const name of readdirSync(sources).filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))) {
    writeFileSync(join(target, name.replace(/ts$/, 'js')), transformFileSync(join(sources, name), { configFile: join(root, '.swcrc') }).code);
  }
  return target;
};
