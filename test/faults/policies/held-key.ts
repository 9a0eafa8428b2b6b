import { createHash } from 'node:crypto';
import type { Installation } from '../kit/installation.js';
import type { Tenant } from '../kit/tenant.js';

/**
 * An Idempotency-Key of the agent's proposals as another process of policy holds it while it decides: by the advisory lock that
 * libs/service-kit/src/idempotency takes for it. @returns what lets go of it
 */
export const holdKey = async (here: Installation, tenant: Tenant, key: string): Promise<() => Promise<void>> => {
  const scope = createHash('sha256').update(JSON.stringify(['policy', tenant.name, 'agent/worker', 'propose-action', key])).digest();
  const holder = await here.postgres.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT pg_advisory_xact_lock($1)', [scope.readBigInt64BE(0).toString()]);
  return async () => {
    await holder.query('COMMIT');
    holder.release();
  };
};
