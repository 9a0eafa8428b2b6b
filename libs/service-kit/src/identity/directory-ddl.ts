/** Tables of the directory projection, unqualified. Part of every service's first migration. */
export const directoryDdl = (): string => `
CREATE TABLE directory_tenant (tenant text PRIMARY KEY, display_name text NOT NULL);
CREATE TABLE directory_agent (
  tenant text NOT NULL, agent text NOT NULL, display_name text NOT NULL, owner text, scope_prefix text NOT NULL,
  PRIMARY KEY (tenant, agent)
);
CREATE TABLE directory_agent_key (
  tenant text NOT NULL, agent text NOT NULL, key_id text NOT NULL, key_hash text, public_key text,
  revoked boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant, agent, key_id)
);
CREATE TABLE directory_person (
  tenant text NOT NULL, person text NOT NULL, subject text NOT NULL, roles text[] NOT NULL, token_hash text,
  PRIMARY KEY (tenant, person)
);
-- Not unique: a projection must never fail on a fact. A credential that two principals share authenticates neither.
CREATE INDEX directory_agent_key_by_hash ON directory_agent_key (key_hash) WHERE key_hash IS NOT NULL;
CREATE INDEX directory_person_by_token ON directory_person (token_hash) WHERE token_hash IS NOT NULL;
CREATE TABLE directory_tool (
  tenant text NOT NULL, tool_name text NOT NULL, tool_version text NOT NULL, action_kind text NOT NULL,
  PRIMARY KEY (tenant, tool_name, tool_version)
);
`;
