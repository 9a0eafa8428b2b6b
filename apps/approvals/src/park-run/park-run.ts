import { Inject, Injectable } from '@nestjs/common';
import { decide } from '@exequatur/approvals-domain';
import type { PgTransaction } from '@exequatur/event-store';
import { isRefusal, sha256Text, toInstant } from '@exequatur/kernel';
import { openBytes, sealBytes } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Database, KEY_STORE, problem, problemOf, type AgentPrincipal } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';

export interface ParkedRun {
  readonly approval_id: string;
  readonly action_id: string;
  readonly run_id: string;
  readonly checkpoint_hash: string;
  readonly size_bytes: number;
  readonly stored_at: string;
}
interface Row extends Omit<ParkedRun, 'stored_at'> {
  readonly stored_at: Date;
  readonly sealed: Buffer;
}

const placeOf = (tenant: string, approvalId: string): string => `checkpoint:${tenant}:${approvalId}`;
const KEEP = `INSERT INTO approval_checkpoint (tenant, approval_id, action_id, agent, run_id, checkpoint_hash, size_bytes, sealed, stored_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant, approval_id) DO UPDATE SET checkpoint_hash = excluded.checkpoint_hash, size_bytes = excluded.size_bytes, sealed = excluded.sealed, stored_at = excluded.stored_at`;
const COLUMNS = 'approval_id, action_id, run_id, checkpoint_hash, size_bytes, stored_at';

/** A parked run beside the request that holds it up: opaque bytes, sealed under the action's key, so erasing the action erases them. */
@Injectable()
export class ParkRun {
  constructor(
    private readonly streams: ApprovalStreams,
    private readonly database: Database,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** The same bytes again change nothing. The caller holds the lock of the request; `sent` is asked once it is the agent's own. @throws Problem NOT_FOUND, ALREADY_DECIDED, CONFLICT */
  async park(tx: PgTransaction, agent: AgentPrincipal, approvalId: string, sent: () => Buffer, traceparent: string | undefined): Promise<ParkedRun> {
    const approval = await this.streams.load(tx, agent.tenant, approvalId);
    if (approval?.state.request.facts.agent !== agent.id) return problem('NOT_FOUND');
    const { request } = approval.state;
    const bytes = sent();
    const hash = sha256Text(bytes);
    const before = (await tx.query<Row>(`SELECT ${COLUMNS} FROM approval_checkpoint WHERE tenant = $1 AND approval_id = $2 AND agent = $3 AND checkpoint_hash = $4`, [agent.tenant, approvalId, agent.id, hash])).rows[0];
    if (before !== undefined) return parkedRun(before);
    const now = await this.streams.databaseNow(tx);
    const decision = decide({ type: 'StoreCheckpoint', metadata: { now }, data: { voter: { type: 'agent', id: agent.id, roles: [] }, hash, sizeBytes: bytes.length } }, approval.state);
    if (isRefusal(decision)) throw problemOf(decision);
    const key = (await this.keys.actionKey(agent.tenant, request.action_id, tx)) ?? problem('CONFLICT', 'the action was erased');
    const stored_at = toInstant(now);
    await tx.query(KEEP, [agent.tenant, approvalId, request.action_id, agent.id, request.facts.run_id, hash, bytes.length, sealBytes(key, placeOf(agent.tenant, approvalId), bytes), stored_at]);
    await this.streams.append(tx, agent.tenant, approval.events, decision, { actor: { type: 'agent', id: agent.id }, now, ...(traceparent === undefined ? {} : { traceparent }) });
    return { approval_id: approvalId, action_id: request.action_id, run_id: request.facts.run_id, checkpoint_hash: hash, size_bytes: bytes.length, stored_at };
  }

  /** The bytes as they were stored; undefined when nothing was parked, or the action was erased. @throws Problem NOT_FOUND for a request of others */
  async checkpoint(agent: AgentPrincipal, approvalId: string): Promise<{ readonly bytes: Buffer; readonly hash: string } | undefined> {
    const approval = await this.database.snapshot((tx) => this.streams.load(tx, agent.tenant, approvalId));
    if (approval?.state.request.facts.agent !== agent.id) return problem('NOT_FOUND');
    const { rows } = await this.database.query<Row>('SELECT * FROM approval_checkpoint WHERE tenant = $1 AND approval_id = $2 AND agent = $3', [agent.tenant, approvalId, agent.id]);
    const [row] = rows;
    const key = row === undefined ? undefined : await this.keys.actionKey(agent.tenant, row.action_id);
    if (row === undefined || key === undefined) return undefined;
    const bytes = openBytes(key, placeOf(agent.tenant, approvalId), row.sealed);
    if (sha256Text(bytes) !== row.checkpoint_hash) throw new Error(`the checkpoint of ${approvalId} is not what its hash says`);
    return { bytes, hash: row.checkpoint_hash };
  }

  /** What this agent parked of a run, oldest first. */
  async parked(agent: AgentPrincipal, run: string): Promise<readonly ParkedRun[]> {
    const { rows } = await this.database.query<Row>(`SELECT ${COLUMNS} FROM approval_checkpoint WHERE tenant = $1 AND agent = $2 AND run_id = $3 ORDER BY stored_at, approval_id LIMIT 200`, [agent.tenant, agent.id, run]);
    return rows.map(parkedRun);
  }
}

const parkedRun = ({ approval_id, action_id, run_id, checkpoint_hash, size_bytes, stored_at }: Row): ParkedRun => ({ approval_id, action_id, run_id, checkpoint_hash, size_bytes, stored_at: stored_at.toISOString() });
