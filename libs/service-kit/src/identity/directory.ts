import { timingSafeEqual } from 'node:crypto';
import { sha256Text, type Clock } from '@exequatur/kernel';
import type { Queryable } from '../database/database.js';
import type { AgentPrincipal, PersonPrincipal, Principal } from './principal.js';

export interface RegisteredTool {
  readonly tool_name: string;
  readonly tool_version: string;
  readonly action_kind: string;
}

/**
 * A credential is looked up at most once in this time. Revocation seen by this instance ends it at once; one seen by another
 * instance only, or still on its way here, ends it at the latest so much later than the projection.
 */
const REMEMBERED_MS = 1_000;
const MAX_REMEMBERED = 10_000;

/** Longer than any credential we issue. */
const MAX_CREDENTIAL = 512;

interface Remembered {
  readonly principal: Principal | undefined;
  readonly until: number;
}

/** Who exists, and who a bearer credential belongs to: reads of the directory projection in the service's own schema. */
export class Directory {
  private readonly remembered = new Map<string, Remembered>();
  /** Look-ups under way: when a credential in use is due again, one request asks and the others wait for its answer. */
  private readonly underWay = new Map<string, Promise<Principal | undefined>>();
  private readonly adminTokenHash: Buffer | undefined;

  constructor(
    private readonly db: Queryable,
    private readonly clock: Clock,
    adminTokenHash?: string,
  ) {
    this.adminTokenHash = adminTokenHash === undefined ? undefined : Buffer.from(adminTokenHash, 'utf8');
  }

  /** The agent, person or root behind a bearer credential. Only hashes are compared and remembered. */
  async authenticate(credential: string): Promise<Principal | undefined> {
    if (credential.length > MAX_CREDENTIAL) return undefined;
    const hash = sha256Text(Buffer.from(credential, 'utf8'));
    const found = this.remembered.get(hash);
    if (found !== undefined && found.until > this.clock.monotonic()) return found.principal;
    return this.underWay.get(hash) ?? this.ask(credential, hash);
  }

  /** Forgets what it remembered: a key was revoked, or roles changed. */
  forget(): void {
    this.remembered.clear();
    // What was asked before the change may answer after it: nobody joins it any more, and it is not remembered.
    this.underWay.clear();
  }

  async person(tenant: string, id: string): Promise<PersonPrincipal | undefined> {
    const { rows } = await this.db.query<PersonRow>('SELECT tenant, person, roles FROM directory_person WHERE tenant = $1 AND person = $2', [tenant, id]);
    return rows[0] === undefined ? undefined : personOf(rows[0]);
  }

  /**
   * The agent or person of this tenant that an account of an identity provider belongs to. An account that two share is
   * nobody's, and an agent's account is never a person's.
   */
  async holderOf(tenant: string, account: string): Promise<AgentPrincipal | PersonPrincipal | undefined> {
    const agents = await this.db.query<AgentRow>(`${AGENT} WHERE k.tenant = $1 AND k.key_hash = $2 AND NOT k.revoked`, [tenant, clientHash(account)]);
    const people = await this.db.query<PersonRow>('SELECT p.tenant, p.person, p.roles FROM directory_account a JOIN directory_person p ON p.tenant = a.tenant AND p.person = a.person WHERE a.tenant = $1 AND a.subject = $2', [tenant, account]);
    if (agents.rows.length + people.rows.length !== 1) return undefined;
    const [agent] = agents.rows;
    const [person] = people.rows;
    return agent === undefined ? person && personOf(person) : agentOf(agent);
  }

  /** An agent by the id of a key that is not revoked; `publicKey` is the Ed25519 `x` it signs intake messages with, where it has one. */
  async agentByKey(tenant: string, agent: string, keyId: string): Promise<{ readonly principal: AgentPrincipal; readonly publicKey?: string } | undefined> {
    const { rows } = await this.db.query<AgentRow>(`${AGENT} WHERE k.tenant = $1 AND k.agent = $2 AND k.key_id = $3 AND NOT k.revoked`, [tenant, agent, keyId]);
    const row = rows[0];
    return row === undefined ? undefined : { principal: agentOf(row), ...(row.public_key === null ? {} : { publicKey: row.public_key }) };
  }

  async agent(tenant: string, agent: string): Promise<{ readonly tenant: string; readonly id: string; readonly scopePrefix: string; readonly owner?: string } | undefined> {
    const { rows } = await this.db.query<{ owner: string | null; scope_prefix: string }>('SELECT owner, scope_prefix FROM directory_agent WHERE tenant = $1 AND agent = $2', [tenant, agent]);
    const row = rows[0];
    return row === undefined ? undefined : { tenant, id: agent, scopePrefix: row.scope_prefix, ...(row.owner === null ? {} : { owner: row.owner }) };
  }

  async tenantExists(tenant: string): Promise<boolean> {
    return (await this.db.query('SELECT FROM directory_tenant WHERE tenant = $1', [tenant])).rowCount === 1;
  }

  async tool(tenant: string, name: string, version: string): Promise<RegisteredTool | undefined> {
    const { rows } = await this.db.query<RegisteredTool>('SELECT tool_name, tool_version, action_kind FROM directory_tool WHERE tenant = $1 AND tool_name = $2 AND tool_version = $3', [tenant, name, version]);
    return rows[0];
  }

  private ask(credential: string, hash: string): Promise<Principal | undefined> {
    const asked = this.lookUp(credential, hash).then(
      (principal) => {
        if (this.underWay.get(hash) === asked) this.remember(hash, principal);
        return principal;
      },
    ).finally(() => {
      if (this.underWay.get(hash) === asked) this.underWay.delete(hash);
    });
    this.underWay.set(hash, asked);
    return asked;
  }

  private async lookUp(credential: string, hash: string): Promise<Principal | undefined> {
    if (credential.startsWith('exq_agent_')) {
      const { rows } = await this.db.query<AgentRow>(`${AGENT} WHERE k.key_hash = $1 AND NOT k.revoked`, [hash]);
      return rows[0] === undefined || rows.length > 1 ? undefined : agentOf(rows[0]);
    }
    if (credential.startsWith('exq_person_')) {
      const { rows } = await this.db.query<PersonRow>('SELECT tenant, person, roles FROM directory_person WHERE token_hash = $1', [hash]);
      return rows[0] === undefined || rows.length > 1 ? undefined : personOf(rows[0]);
    }
    const presented = Buffer.from(hash, 'utf8');
    const isRoot = this.adminTokenHash !== undefined && presented.length === this.adminTokenHash.length && timingSafeEqual(presented, this.adminTokenHash);
    return isRoot ? { type: 'root' } : undefined;
  }

  private remember(hash: string, principal: Principal | undefined): void {
    // Strangers' credentials must not push known ones out, and one may be issued any moment.
    if (principal === undefined) return;
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
    this.remembered.set(hash, { principal, until: this.clock.monotonic() + REMEMBERED_MS });
  }
}

/** What an agent's account is found by, among the hashes of keys; no bearer key begins so. */
export const clientHash = (account: string): string => sha256Text(Buffer.from(`oauth:${account}`, 'utf8'));

const AGENT = `SELECT k.tenant, k.agent, k.key_id, k.public_key, a.owner, a.scope_prefix
  FROM directory_agent_key k JOIN directory_agent a ON a.tenant = k.tenant AND a.agent = k.agent`;

interface AgentRow {
  tenant: string;
  agent: string;
  key_id: string;
  public_key: string | null;
  owner: string | null;
  scope_prefix: string;
}
interface PersonRow {
  tenant: string;
  person: string;
  roles: string[];
}

const agentOf = (row: AgentRow): AgentPrincipal => ({
  type: 'agent',
  tenant: row.tenant,
  id: row.agent,
  scopePrefix: row.scope_prefix,
  keyId: row.key_id,
  ...(row.owner === null ? {} : { owner: row.owner }),
});
const personOf = (row: PersonRow): PersonPrincipal => ({ type: 'person', tenant: row.tenant, id: row.person, roles: row.roles });
