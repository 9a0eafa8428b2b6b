import { POLICY, until } from './tenant.js';
import type { Tenant } from './tenant.js';

/** A few rejections are enough. */
export const POLICY_WITH_CIRCUITS = POLICY.concat('limits: { circuit: { threshold: 0.5, minimum_volume: 2 } }\n');
const REJECTIONS = 3;

/** Circuits of an agent that people opened by rejecting what it asked for: of the agent, and of the agent and kind. The tenant's policy is `POLICY_WITH_CIRCUITS`. */
export const openCircuits = async (tenant: Tenant, agentKey: string): Promise<readonly string[]> => {
  for (let nth = 0; nth < REJECTIONS; nth += 1) {
    // The same again in the same run would not be asked.
    const { approval_id } = await tenant.propose({ kind: 'pay.refund', run: `run-${nth}` }, agentKey);
    if (approval_id === undefined) throw new Error('nobody was asked');
    await tenant.reject(approval_id);
  }
  const { body } = await until(
    () => tenant.get<{ items: readonly { circuit_id: string; status: string }[] }>('reservations', '/v1/circuits', tenant.operator),
    ({ body: { items } }) => items.length === 2 && items.every(({ status }) => status === 'open'),
    'two open circuits',
  );
  return body.items.map(({ circuit_id }) => circuit_id);
};
