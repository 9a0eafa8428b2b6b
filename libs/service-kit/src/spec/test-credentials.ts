import { randomBytes } from 'node:crypto';
import { AgentKeyIssued, AgentKeyRevoked, AgentRegistered, PersonLinked, type EventDefinition, type EventEnvelope } from '@exequatur/contracts';
import { sha256Text } from '@exequatur/kernel';
import type { Database } from '../database/database.js';
import { projectDirectory } from '../identity/project-directory.js';


/** Only what the projection reads of an envelope. */
export const directoryEvent = (definition: EventDefinition, tenant: string, data: unknown): EventEnvelope => ({ type: definition.type, tenant, data }) as EventEnvelope;

const bearer = (kind: 'agent' | 'person'): { readonly token: string; readonly hash: string } => {
  const token = `exq_${kind}_${randomBytes(32).toString('base64url')}`;
  return { token, hash: sha256Text(Buffer.from(token, 'utf8')) };
};

/** An agent with a key, as the directory topic would bring it. @returns its bearer credential */
export const addAgent = async (database: Database, tenant: string, agent: string): Promise<string> => {
  const { token, hash } = bearer('agent');
  await projectDirectory(database, directoryEvent(AgentRegistered, tenant, { agent, display_name: agent, owner: 'olga', scope_prefix: `tenant:${tenant}` }));
  await projectDirectory(database, directoryEvent(AgentKeyIssued, tenant, { agent, key_id: 'k1', key_hash: hash }));
  return token;
};

export const revokeAgentKey = (database: Database, tenant: string, agent: string): Promise<void> => projectDirectory(database, directoryEvent(AgentKeyRevoked, tenant, { agent, key_id: 'k1' }));

export const addPerson = async (database: Database, tenant: string, person: string, roles: readonly string[]): Promise<string> => {
  const { token, hash } = bearer('person');
  await projectDirectory(database, directoryEvent(PersonLinked, tenant, { person, subject: `test#${person}`, roles, token_hash: hash }));
  return token;
};
