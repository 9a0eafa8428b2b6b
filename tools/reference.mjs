/** Writes the generated pages of docs/reference from libs/contracts. Needs a build of contracts (`node tools/build.mjs libs/contracts`). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REFERENCE_PAGES } from '@exequatur/contracts';

const directory = join(import.meta.dirname, '..', 'docs', 'reference');
mkdirSync(directory, { recursive: true });
for (const [file, page] of Object.entries(REFERENCE_PAGES)) writeFileSync(join(directory, file), page());
