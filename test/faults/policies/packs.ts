import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCaseFile } from '../../../apps/cli/src/policy/case-file.js';
import type { PolicyCase } from '../../../apps/cli/src/policy/case-file.js';

const packs = join(import.meta.dirname, '..', '..', '..', 'packs');

/** An example policy as it ships, with what it says of itself. */
export interface Pack {
  readonly name: string;
  readonly source: string;
  readonly cases: readonly PolicyCase[];
}

export const everyPack = (): readonly Pack[] =>
  readdirSync(packs).map((name) => ({ name, source: readFileSync(join(packs, name, 'policy.yaml'), 'utf8'), cases: readCaseFile(join(packs, name, 'cases.yaml')).cases }));

/** The case's proposal in a tenant of another name, in a run of its own. */
export const proposalIn = (tenant: string, { proposal }: PolicyCase, run: string): Record<string, unknown> => ({ ...proposal, scope_path: proposal.scope_path.replace(/^tenant:[^/]+/, `tenant:${tenant}`), run_id: run });
