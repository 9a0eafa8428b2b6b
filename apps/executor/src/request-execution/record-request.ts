import type { Grant } from '@exequatur/contracts';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import type { ChildUse } from '@exequatur/executor-domain';
import { derivedId, isRefusal } from '@exequatur/kernel';
import type { ExecutionRecords } from '../execution-stream/execution-records.js';
import type { ManagedGrant } from './managed-grant.js';

/** The same for the same use, everywhere and after every restart; also the effect key. */
export const executionIdOf = ({ tenant, grant_id }: Pick<Grant, 'tenant' | 'grant_id'>, useNo: number): string => derivedId('execution', tenant, grant_id, String(useNo));

export const keepGrant = async (tx: PgTransaction, { claims, jws, content, contentEventId }: ManagedGrant): Promise<void> => {
  await tx.query(
    `INSERT INTO managed_grant (tenant, grant_id, action_id, agent, max_uses, grant_jws, claims, expires_at, content, content_event_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
    [claims.tenant, claims.grant_id, claims.action_id, claims.agent_identity, claims.max_uses, jws, JSON.stringify(claims), claims.expires_at, JSON.stringify(content), contentEventId],
  );
};

/** Who asks for a use, and because of what. */
export interface Asked {
  readonly actor: Actor;
  /** an agent that is not the grant's own */
  readonly child?: ChildUse | undefined;
  readonly causationId?: string;
}

/** ExecutionRequested and its row, once a use. The transaction holds the lock of the execution's stream. */
export const recordRequest = async (tx: PgTransaction, records: ExecutionRecords, claims: Grant, useNo: number, { actor, child, causationId }: Asked): Promise<void> => {
  const { tenant, grant_id, action_id, agent_identity, tool, expires_at } = claims;
  const execution_id = executionIdOf(claims, useNo);
  await tx.query(
    `INSERT INTO execution (tenant, execution_id, action_id, grant_id, use_no, agent, tool_name, tool_version, delegation_id, granted_to, status)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'requested') ON CONFLICT DO NOTHING`,
    [tenant, execution_id, action_id, grant_id, useNo, child?.agent ?? agent_identity, tool.name, tool.version, child?.delegationId ?? null, child === undefined ? null : agent_identity],
  );
  const command = { type: 'Request', data: { execution_id, action_id, grant_id, use_no: useNo, tool, expiresAt: expires_at, ...(child === undefined ? {} : { child }) } } as const;
  const decided = await records.submit(tx, tenant, execution_id, command, actor, causationId);
  if (isRefusal(decided)) throw new Error(`a request was refused: ${decided.code}`);
};
