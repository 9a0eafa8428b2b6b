import { freezeCovers } from './freeze.js';
import type { ActiveFreeze, FreezeSubject } from './freeze.js';

/** A grant that may still be used, or a claim that has not ended. */
export interface Standing extends FreezeSubject {
  readonly what: 'grant' | 'claim';
  /** claims: may the effect still happen, or nobody knows */
  readonly status?: 'Held' | 'Started' | 'Unknown';
  /** claims: Unix ms */
  readonly executeBy?: number;
}

/** What a freeze would meet: what it stops, and what it can no longer stop. Names are sorted. */
export interface BlastRadius {
  /** would be refused from then on */
  readonly openGrants: number;
  readonly liveClaims: number;
  /** of the live claims, those whose execute_by has not passed: they may run out under the freeze */
  readonly mayStillExecute: number;
  readonly unknownClaims: number;
  /** after which every claim from before the freeze has run, or never will; 0 when there is none */
  readonly quiescesWithinMs: number;
  readonly agents: readonly string[];
  readonly actionKinds: readonly string[];
  readonly runs: readonly string[];
}

export const blastRadiusOf = (freeze: Omit<ActiveFreeze, 'freezeId'>, standing: readonly Standing[], nowMs: number): BlastRadius => {
  const covered = standing.filter((subject) => freezeCovers({ ...freeze, freezeId: '' }, subject));
  const live = covered.filter(({ what, status }) => what === 'claim' && status !== 'Unknown');
  const mayRun = live.filter(({ executeBy }) => (executeBy ?? 0) >= nowMs);
  const names = (of: (subject: Standing) => string | undefined): readonly string[] => [...new Set(covered.map(of).filter((name) => name !== undefined))].sort();
  return {
    openGrants: covered.filter(({ what }) => what === 'grant').length,
    liveClaims: live.length,
    mayStillExecute: mayRun.length,
    unknownClaims: covered.filter(({ status }) => status === 'Unknown').length,
    quiescesWithinMs: mayRun.reduce((longest, { executeBy }) => Math.max(longest, (executeBy ?? 0) - nowMs), 0),
    agents: names(({ agent }) => agent),
    actionKinds: names(({ actionKind }) => actionKind),
    runs: names(({ runId }) => runId),
  };
};
