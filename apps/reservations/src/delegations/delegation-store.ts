import { Injectable } from '@nestjs/common';
import { DelegationGranted, DelegationRevoked, streamKey } from '@exequatur/contracts';
import type { EventDefinition, Grant, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { authorityOfGrant, authorityOfRun, decideDelegation } from '@exequatur/reservations-domain';
import type { DelegatingParent, DelegationChain, DelegationCommand, DelegationEvent, DelegationState } from '@exequatur/reservations-domain';
import { orProblem, problem } from '@exequatur/service-kit';
import { databaseNow } from '../authority/runtime-authority.js';
import { chainOf, lockDelegations } from './delegation-rows.js';

const DEFINITIONS: Readonly<Record<DelegationEvent['type'], EventDefinition>> = { DelegationGranted, DelegationRevoked };
/** A run has no end of its own: this much of it at most is handed on. */
const MAX_RUN_MS = 24 * 3_600_000;

export const delegationStream = (tenant: string, delegationId: string): StreamId => ({ tenant, aggregate: 'delegation', id: delegationId });

/** Who hands on, and where that agent may act at all. */
export interface Delegator {
  readonly tenant: string;
  readonly agent: string;
  readonly scopePrefix: string;
}

/** A delegation's row and stream, together, in the caller's transaction; the stream must be locked. */
@Injectable()
export class DelegationStore {
  constructor(private readonly store: PgEventStore) {}

  /** What the agent has there to hand on. What is not there, or not its own, reads as not there. @throws Problem */
  async parent(tx: PgTransaction, delegator: Delegator, parent: DelegatingParent['parent']): Promise<DelegatingParent> {
    switch (parent.type) {
      case 'grant':
        return this.ofGrant(tx, delegator, parent.id);
      case 'run':
        return { parent, holder: delegator.agent, runId: parent.id, authority: authorityOfRun(delegator.scopePrefix, toInstant((await databaseNow(tx)) + MAX_RUN_MS)), depth: 0, ended: false };
      case 'delegation':
        return this.ofDelegation(tx, delegator, parent.id);
    }
  }

  private async ofGrant(tx: PgTransaction, { tenant, agent }: Delegator, grantId: string): Promise<DelegatingParent> {
    const grant = await grantNow(tx, tenant, grantId);
    if (grant?.claims?.agent_identity !== agent) return problem('GRANT_UNKNOWN');
    const { claims } = grant;
    if (claims.facts.delegation_id !== undefined) return problem('WIDENS_AUTHORITY', 'it was asked for under a delegation: that is handed on, not the grant');
    return { parent: { type: 'grant', id: grantId }, holder: agent, runId: claims.run_id, authority: authorityOfGrant(claims), depth: 0, ended: grant.closed };
  }

  private async ofDelegation(tx: PgTransaction, { tenant, agent }: Delegator, delegationId: string): Promise<DelegatingParent> {
    const chain = await this.chain(tx, tenant, delegationId);
    const [own] = chain;
    const root = chain.at(-1);
    if (own?.toAgent !== agent || root === undefined) return problem('GRANT_UNKNOWN');
    const rootGrant = root.parent.type === 'grant' ? await grantNow(tx, tenant, root.parent.id) : undefined;
    return { parent: { type: 'delegation', id: delegationId }, holder: own.toAgent, runId: own.runId, authority: own.authority, depth: own.depth, ended: rootGrant?.closed === true || chain.some(({ revoked }) => revoked) };
  }

  async chain(tx: PgTransaction, tenant: string, delegationId: string): Promise<DelegationChain> {
    return chainOf(tenant, delegationId, await lockDelegations(tx, [{ tenant, delegationId }])) ?? [];
  }

  /** Decides, appends and writes the row. @throws Problem */
  async decide(tx: PgTransaction, tenant: string, delegationId: string, command: DelegationCommand, before: DelegationState, actor: Actor): Promise<readonly DelegationEvent[]> {
    const events = orProblem(decideDelegation(command, before)) as readonly DelegationEvent[];
    if (events.length === 0) return events;
    for (const event of events) await write(tx, tenant, event);
    const stream = delegationStream(tenant, delegationId);
    const versions = await this.store.versions(tx, [stream]);
    const time = toInstant(await databaseNow(tx));
    await this.store.append(tx, [{ stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events: events.map(({ type, data }) => ({ definition: DEFINITIONS[type], data, actor, time })) }]);
    return events;
  }
}

/** Not locked: whether it still stands is judged again at every claim. */
const grantNow = async (tx: PgTransaction, tenant: string, grantId: string): Promise<{ readonly claims: Grant | undefined; readonly closed: boolean } | undefined> => {
  const { rows } = await tx.query<{ claims: string | null; closed: string | null }>('SELECT claims, closed FROM grant_row WHERE tenant = $1 AND grant_id = $2', [tenant, grantId]);
  const [row] = rows;
  return row === undefined ? undefined : { claims: row.claims === null ? undefined : (JSON.parse(row.claims) as Grant), closed: row.closed !== null };
};

const INSERT = `
INSERT INTO delegation (tenant, delegation_id, parent_type, parent_id, above, from_agent, to_agent, run_id, depth, authority, max_uses)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;

const write = async (tx: PgTransaction, tenant: string, { type, data }: DelegationEvent): Promise<void> => {
  switch (type) {
    case 'DelegationGranted': {
      const { delegation_id, parent, from_agent, to_agent, run_id, depth, authority } = data;
      const above = parent.type === 'delegation' ? parent.id : null;
      await tx.query(INSERT, [tenant, delegation_id, parent.type, parent.id, above, from_agent, to_agent, run_id, depth, JSON.stringify(authority), authority.max_uses ?? null]);
      return;
    }
    case 'DelegationRevoked':
      await tx.query('UPDATE delegation SET revoked = true WHERE tenant = $1 AND delegation_id = $2', [tenant, data.delegation_id]);
      return;
  }
};
