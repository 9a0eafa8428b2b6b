import { AccountLinked, AccountUnlinked, AgentKeyIssued, AgentKeyRevoked, AgentRegistered, EligibilityChanged, PersonLinked, TenantCreated, ToolRegistered, type DataOf, type EventDefinition, type EventEnvelope } from '@exequatur/contracts';
import type { Queryable } from '../database/database.js';

type Project = (tx: Queryable, event: EventEnvelope) => Promise<void>;

const on = <E extends EventDefinition>(definition: E, project: (tx: Queryable, tenant: string, data: DataOf<E>) => Promise<unknown>): [string, Project] => [
  definition.type,
  async (tx, event) => {
    await project(tx, event.tenant, event.data as DataOf<E>);
  },
];

const LINK = 'INSERT INTO directory_account (tenant, subject, person) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING';

/** Every statement can run twice, and a key that was revoked before it was issued here stays revoked. */
const projections = new Map<string, Project>([
  on(TenantCreated, (tx, tenant, { display_name }) =>
    tx.query('INSERT INTO directory_tenant VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET display_name = excluded.display_name', [tenant, display_name])),
  on(AgentRegistered, (tx, tenant, { agent, display_name, owner, scope_prefix }) =>
    tx.query(
      `INSERT INTO directory_agent (tenant, agent, display_name, owner, scope_prefix) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (tenant, agent) DO UPDATE SET display_name = excluded.display_name, owner = excluded.owner, scope_prefix = excluded.scope_prefix`,
      [tenant, agent, display_name, owner ?? null, scope_prefix],
    )),
  on(AgentKeyIssued, (tx, tenant, { agent, key_id, key_hash, public_key }) =>
    tx.query(
      `INSERT INTO directory_agent_key (tenant, agent, key_id, key_hash, public_key) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (tenant, agent, key_id) DO UPDATE SET key_hash = excluded.key_hash, public_key = excluded.public_key`,
      [tenant, agent, key_id, key_hash ?? null, public_key ?? null],
    )),
  on(AgentKeyRevoked, (tx, tenant, { agent, key_id }) =>
    tx.query('INSERT INTO directory_agent_key (tenant, agent, key_id, revoked) VALUES ($1, $2, $3, true) ON CONFLICT (tenant, agent, key_id) DO UPDATE SET revoked = true', [tenant, agent, key_id])),
  on(PersonLinked, async (tx, tenant, { person, subject, roles, token_hash }) => {
    await tx.query(
      `INSERT INTO directory_person (tenant, person, subject, roles, token_hash) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (tenant, person) DO UPDATE SET subject = excluded.subject, roles = excluded.roles, token_hash = excluded.token_hash`,
      [tenant, person, subject, roles, token_hash ?? null],
    );
    await tx.query(LINK, [tenant, subject, person]);
  }),
  on(AccountLinked, (tx, tenant, { person, subject }) => tx.query(LINK, [tenant, subject, person])),
  on(AccountUnlinked, (tx, tenant, { person, subject }) => tx.query('DELETE FROM directory_account WHERE tenant = $1 AND subject = $2 AND person = $3', [tenant, subject, person])),
  on(EligibilityChanged, (tx, tenant, { person, roles }) => tx.query('UPDATE directory_person SET roles = $3 WHERE tenant = $1 AND person = $2', [tenant, person, roles])),
  on(ToolRegistered, (tx, tenant, { tool_name, tool_version, action_kind }) =>
    tx.query(
      `INSERT INTO directory_tool VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, tool_name, tool_version) DO UPDATE SET action_kind = excluded.action_kind`,
      [tenant, tool_name, tool_version, action_kind],
    )),
]);

/**
 * Brings the directory tables up to one event of the directory topic; other events change nothing. Policy calls it in the
 * transaction that appends the event, the others from the topic. Events of one agent or person arrive in their order.
 */
export const projectDirectory = async (tx: Queryable, event: EventEnvelope): Promise<void> => {
  await projections.get(event.type)?.(tx, event);
};
