import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { AgentKeyIssued, AgentKeyRevoked, AgentRegistered, list, name, object, oneOf, optional, scopePath, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { importVerifyingKey, KeyFormatError } from '@exequatur/audit-chain';
import { newId } from '@exequatur/kernel';
import { isInside } from '@exequatur/policy-domain';
import type { KeyStore } from '@exequatur/sealing';
import { actingTenant, Allow, Caller, clientHash, Database, decodeCursor, Describe, Http, KEY_STORE, pageFields, pageOf, pageSize, problem, shaped, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, ListPage, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { assertFree } from './people.http.js';
import { issueCredential, sealAnswerUnder } from './credentials.js';
import { DirectoryFacts } from './directory-facts.js';

const agentBody = object({ tenant: optional(name()), agent: name(), display_name: plainText(200), owner: optional(name()), scope_prefix: scopePath() });
const agentShown = object({ tenant: name(), agent: name(), display_name: plainText(200), owner: optional(name()), scope_prefix: scopePath() });
const keyShown = object({ key_id: name(), kind: oneOf('bearer', 'signing'), status: oneOf('active', 'revoked') });
const agentListed = object({ tenant: name(), agent: name(), display_name: plainText(200), owner: optional(name()), scope_prefix: scopePath(), keys: list(keyShown, 1_000) });
const listQuery = object({ ...pageFields, tenant: optional(name()) });
const agentsPage = object({ items: list(agentListed, 200), next_cursor: optional(text()) });
/** Alone, a bearer key is made. With public_key, it is registered for signing intake messages; with subject (issuer#sub), an OAuth client's access tokens are the agent's. */
const keyBody = object({ tenant: optional(name()), key_id: optional(name()), public_key: optional(text(100)), subject: optional(plainText(300)) });
const keyIssued = object({ tenant: name(), agent: name(), key_id: name(), key: optional(text(100)), public_key: optional(text(100)), subject: optional(plainText(300)) });
const revokeBody = object({ tenant: optional(name()) });
const keyRevoked = object({ tenant: name(), agent: name(), key_id: name(), status: oneOf('revoked') });

@Controller('v1/agents')
@Allow('person:admin', 'root')
export class AgentsHttp {
  constructor(
    private readonly facts: DirectoryFacts,
    private readonly database: Database,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Register an agent with its owner of record and the scope it may act in.', body: agentBody, answers: { 201: agentShown }, codes: ['CONFLICT', 'INVALID'] })
  register(@ShapedBody(agentBody) body: Shape<typeof agentBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    if (!isInside(`tenant:${tenant}`, body.scope_prefix)) problem('INVALID', undefined, [{ pointer: '/scope_prefix', expected: `tenant:${tenant} or below` }]);
    const { tenant: _tenant, ...data } = body;
    return this.facts.record({
      request, principal, tenant, operation: 'register-agent', aggregate: 'agent', id: body.agent, expects: 'new',
      work: async (tx) => {
        await assertTenant(tx, tenant);
        return { fact: { definition: AgentRegistered, data }, status: 201, body: { tenant, ...data } };
      },
    });
  }

  @Post(':id/keys')
  @HttpCode(201)
  @Describe({ summary: 'Issue a bearer key, shown this once; or register a public key for signed proposals, or an OAuth client (issuer#sub) whose access tokens are the agent’s.', body: keyBody, answers: { 201: keyIssued }, codes: ['NOT_FOUND', 'CONFLICT', 'INVALID'] })
  issueKey(@ShapedPath('id', name()) agent: string, @ShapedBody(keyBody) body: Shape<typeof keyBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const { public_key: publicKey, subject } = body;
    if (publicKey !== undefined && subject !== undefined) problem('INVALID', undefined, [{ pointer: '/subject', expected: 'not to stand beside public_key' }]);
    if (publicKey !== undefined) assertPublicKey(publicKey);
    return this.facts.record({
      request, principal, tenant, operation: 'issue-agent-key', aggregate: 'agent', id: agent, expects: 'known',
      work: async (tx) => {
        const keyId = body.key_id ?? `key-${newId()}`;
        const known = await tx.query('SELECT FROM directory_agent_key WHERE tenant = $1 AND agent = $2 AND key_id = $3', [tenant, agent, keyId]);
        if (known.rowCount !== 0) problem('CONFLICT', 'this key id was used already');
        const shown = { tenant, agent, key_id: keyId };
        if (publicKey !== undefined) return { fact: { definition: AgentKeyIssued, data: { agent, key_id: keyId, public_key: publicKey } }, status: 201, body: { ...shown, public_key: publicKey } };
        if (subject !== undefined) {
          await assertFree(tx, tenant, subject);
          return { fact: { definition: AgentKeyIssued, data: { agent, key_id: keyId, key_hash: clientHash(subject), subject } }, status: 201, body: { ...shown, subject } };
        }
        const { secret, hash } = issueCredential('exq_agent_');
        return { fact: { definition: AgentKeyIssued, data: { agent, key_id: keyId, key_hash: hash } }, status: 201, body: { ...shown, key: secret }, actionId: await sealAnswerUnder(this.keys, tenant, tx) };
      },
    });
  }

  @Post(':id/keys/:keyId/revoke')
  @HttpCode(200)
  @Describe({ summary: 'End a key; it authenticates nobody from then on.', body: revokeBody, answers: { 200: keyRevoked }, codes: ['NOT_FOUND'] })
  revokeKey(@ShapedPath('id', name()) agent: string, @ShapedPath('keyId', name()) keyId: string, @ShapedBody(revokeBody) body: Shape<typeof revokeBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    return this.facts.record({
      request, principal, tenant, operation: 'revoke-agent-key', aggregate: 'agent', id: agent, expects: 'known',
      work: async (tx) => {
        const known = await tx.query('SELECT FROM directory_agent_key WHERE tenant = $1 AND agent = $2 AND key_id = $3', [tenant, agent, keyId]);
        if (known.rowCount === 0) problem('NOT_FOUND', 'no such key');
        return { fact: { definition: AgentKeyRevoked, data: { agent, key_id: keyId } }, status: 200, body: { tenant, agent, key_id: keyId, status: 'revoked' } };
      },
    });
  }

  @Get()
  @Describe({ summary: 'Agents by name, with their keys.', query: listQuery, answers: { 200: agentsPage } })
  async list(@ShapedQuery(listQuery) query: Shape<typeof listQuery>, @Caller() principal: Principal): Promise<ListPage<Shape<typeof agentListed>>> {
    const size = pageSize(query.limit);
    const position = decodeCursor(query.cursor);
    const { rows } = await this.database.query<AgentRow>(SELECT_AGENTS, [actingTenant(principal, query.tenant), position === undefined ? '' : shaped(name(), position), size + 1]);
    return pageOf(rows, size, (row) => row.agent, ({ owner, ...row }) => ({ ...row, ...(owner === null ? {} : { owner }) }));
  }
}

interface AgentRow {
  readonly tenant: string;
  readonly agent: string;
  readonly display_name: string;
  readonly owner: string | null;
  readonly scope_prefix: string;
  readonly keys: readonly Shape<typeof keyShown>[];
}

const SELECT_AGENTS = `
SELECT a.tenant, a.agent, a.display_name, a.owner, a.scope_prefix, coalesce((
  SELECT jsonb_agg(jsonb_build_object('key_id', k.key_id, 'kind', CASE WHEN k.public_key IS NULL THEN 'bearer' ELSE 'signing' END, 'status', CASE WHEN k.revoked THEN 'revoked' ELSE 'active' END) ORDER BY k.key_id)
  FROM directory_agent_key k WHERE k.tenant = a.tenant AND k.agent = a.agent), '[]') AS keys
FROM directory_agent a WHERE a.tenant = $1 AND a.agent > $2 ORDER BY a.agent LIMIT $3`;

const assertPublicKey = (x: string): void => {
  try {
    importVerifyingKey({ kty: 'OKP', crv: 'Ed25519', x });
  } catch (error) {
    if (!(error instanceof KeyFormatError)) throw error;
    problem('INVALID', undefined, [{ pointer: '/public_key', expected: 'an Ed25519 public key: 32 bytes in base64url (RFC 8037 x)' }]);
  }
};

/** People and agents belong to a tenant that exists. @throws Problem NOT_FOUND */
export const assertTenant = async (tx: { query(text: string, values: unknown[]): Promise<{ rowCount: number | null }> }, tenant: string): Promise<void> => {
  const { rowCount } = await tx.query('SELECT FROM directory_tenant WHERE tenant = $1', [tenant]);
  if (rowCount === 0) problem('NOT_FOUND', 'no such tenant');
};
