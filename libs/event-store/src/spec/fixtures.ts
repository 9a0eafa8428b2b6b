import { ActionProposed, ActionWithdrawn, TenantCreated } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { generateSigningKey, importSigningKey } from '@exequatur/audit-chain';
import { newId } from '@exequatur/kernel';
import type { NewEvent } from '../port.js';

/** Events and keys for the specs of this library. */
export const policyKey = generateSigningKey('policy');
export const signingKey = importSigningKey(policyKey.privateJwk);
export const trustedKeys = { policy: [{ kid: policyKey.kid, jwk: policyKey.publicJwk }] };

export const actionStream = (tenant = 'acme', id = newId()): StreamId => ({ tenant, aggregate: 'action', id });
export const tenantStream = (tenant = 'acme'): StreamId => ({ tenant, aggregate: 'tenant', id: tenant });

const actor = { type: 'agent', id: 'researcher' } as const;
export const withdrawn = (reason = 'no longer needed'): NewEvent => ({ definition: ActionWithdrawn, actor, data: { action_id: newId(), reason } });
export const tenantCreated = (tenant = 'acme'): NewEvent => ({ definition: TenantCreated, actor: { type: 'system', id: 'root' }, data: { tenant, display_name: tenant } });

const hashOf = (digit: string): string => `sha256:${digit.repeat(64)}`;
/** The largest everyday event, with sealed content: what throughput is measured on. */
export const proposed = (actionId: string, tenant = 'acme'): NewEvent => ({
  definition: ActionProposed,
  actor,
  correlationId: actionId,
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  data: {
    action_id: actionId,
    facts: {
      tenant,
      scope_path: `tenant:${tenant}/workspace:sales/app:outreach`,
      agent: 'researcher',
      run_id: 'run-1',
      action_kind: 'message.email.send',
      tool: { name: 'mailer.send', version: '1' },
      risk_tags: ['external'],
      risk_points: 20,
      amounts: [{ unit: 'CALLS', amount: '1' }],
      has_evidence: true,
      has_reversal: false,
      execution_mode: 'managed',
    },
    claimed: {},
    arguments_hash: hashOf('a'),
    action_hash: hashOf('b'),
    door: 'http',
  },
  sealed: { alg: 'A256GCM', action_id: actionId, nonce: 'AAAAAAAAAAAAAAAA', ciphertext: 'c'.repeat(400) },
});
