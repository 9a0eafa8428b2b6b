import { isInside, MAX_OVERLAYS } from '@exequatur/policy-domain';
import type { Policy } from '@exequatur/policy-domain';
import { problem } from '@exequatur/service-kit';
import type { Queryable } from '@exequatur/service-kit';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { faultyPolicy } from '../publish-policy/publish-policy.handler.js';
import { overlayRows, putOverlay } from './layer-rows.js';

const MOST_OVERLAYS = 50;

export interface OverlayChange {
  readonly tenant: string;
  readonly name: string;
  /** holds for this scope and below */
  readonly scope: string;
  /** YAML; empty: the overlay is taken away */
  readonly source: string;
}

/** @throws Problem INVALID with every fault of the file, or of the scope */
export const checkedOverlay = ({ tenant, scope, source }: OverlayChange): Policy | undefined => {
  if (!isInside(`tenant:${tenant}`, scope)) return problem('INVALID', undefined, [{ pointer: '/scope', expected: `tenant:${tenant} or below` }]);
  if (source === '') return undefined;
  const file = readPolicyFile(source, 'overlay');
  if (!file.ok) throw faultyPolicy(file.findings);
  return file.policy;
};

/** The overlays that the tenant's next version is composed of, one of them changed. Under the tenant's `publicationLocks`. @throws Problem NOT_FOUND, TOO_LARGE */
export const changeOverlay = async (tx: Queryable, change: OverlayChange): Promise<void> => {
  const policy = checkedOverlay(change);
  const before = await overlayRows(tx, change.tenant);
  if (policy === undefined && !before.some(({ name }) => name === change.name)) problem('NOT_FOUND', 'no such overlay');
  await putOverlay(tx, { ...change, policy });
  const after = await overlayRows(tx, change.tenant);
  const size = after.reduce((sum, { canonical }) => sum + canonical.length, 0);
  if (after.length > MOST_OVERLAYS || size > MAX_OVERLAYS) problem('TOO_LARGE', `at most ${MOST_OVERLAYS} overlays with ${MAX_OVERLAYS} characters together`);
};
