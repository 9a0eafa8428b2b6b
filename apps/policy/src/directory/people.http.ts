import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { AccountLinked, AccountUnlinked, EligibilityChanged, list, name, object, oneOf, optional, PersonLinked, text, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { KeyStore } from '@exequatur/sealing';
import { actingTenant, Allow, Caller, clientHash, Database, decodeCursor, Describe, Http, KEY_STORE, pageFields, pageOf, pageSize, problem, shaped, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, ListPage, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { assertTenant } from './agents.http.js';
import { issueCredential, sealAnswerUnder } from './credentials.js';
import { DirectoryFacts } from './directory-facts.js';

const personBody = object({ tenant: optional(name()), person: name(), subject: plainText(300), roles: list(name(), 50), issue_token: optional(truth()) });
const personShown = object({ tenant: name(), person: name(), subject: plainText(300), roles: list(name(), 50), accounts: list(plainText(300), 100) });
const personLinked = object({ tenant: name(), person: name(), subject: plainText(300), roles: list(name(), 50), token: optional(text(100)) });
const rolesBody = object({ tenant: optional(name()), roles: list(name(), 50) });
const rolesShown = object({ tenant: name(), person: name(), roles: list(name(), 50) });
const accountBody = object({ tenant: optional(name()), subject: plainText(300) });
const accountShown = object({ tenant: name(), person: name(), subject: plainText(300), status: oneOf('linked', 'unlinked') });
const listQuery = object({ ...pageFields, tenant: optional(name()) });
const peoplePage = object({ items: list(personShown, 200), next_cursor: optional(text()) });

@Controller('v1/people')
@Allow('person:admin', 'root')
export class PeopleHttp {
  constructor(
    private readonly facts: DirectoryFacts,
    private readonly database: Database,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Link a person with roles; with issue_token, a token that is shown this once.', body: personBody, answers: { 201: personLinked }, codes: ['CONFLICT', 'NOT_FOUND'] })
  link(@ShapedBody(personBody) body: Shape<typeof personBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const { person, subject } = body;
    const roles = [...new Set(body.roles)];
    return this.facts.record({
      request, principal, tenant, operation: 'link-person', aggregate: 'person', id: person, expects: 'new',
      work: async (tx) => {
        await assertTenant(tx, tenant);
        // One natural person is one person, whatever accounts there are: four eyes are counted by it.
        await assertFree(tx, tenant, subject);
        const shown = { tenant, person, subject, roles };
        if (body.issue_token !== true) return { fact: { definition: PersonLinked, data: { person, subject, roles } }, status: 201, body: shown };
        const { secret, hash } = issueCredential('exq_person_');
        return { fact: { definition: PersonLinked, data: { person, subject, roles, token_hash: hash } }, status: 201, body: { ...shown, token: secret }, actionId: await sealAnswerUnder(this.keys, tenant, tx) };
      },
    });
  }

  @Post(':id/roles')
  @HttpCode(200)
  @Describe({ summary: 'Set a person’s roles.', body: rolesBody, answers: { 200: rolesShown }, codes: ['NOT_FOUND'] })
  changeRoles(@ShapedPath('id', name()) person: string, @ShapedBody(rolesBody) body: Shape<typeof rolesBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const roles = [...new Set(body.roles)];
    return this.facts.record({
      request, principal, tenant, operation: 'change-roles', aggregate: 'person', id: person, expects: 'known',
      work: () => Promise.resolve({ fact: { definition: EligibilityChanged, data: { person, roles } }, status: 200, body: { tenant, person, roles } }),
    });
  }

  @Post(':id/accounts')
  @HttpCode(200)
  @Describe({ summary: 'Link another account to a natural person: whoever signs in with either is the same voter.', body: accountBody, answers: { 200: accountShown }, codes: ['NOT_FOUND', 'CONFLICT'] })
  linkAccount(@ShapedPath('id', name()) person: string, @ShapedBody(accountBody) body: Shape<typeof accountBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const { subject } = body;
    return this.facts.record({
      request, principal, tenant, operation: 'link-account', aggregate: 'person', id: person, expects: 'known',
      work: async (tx) => {
        await assertFree(tx, tenant, subject);
        return { fact: { definition: AccountLinked, data: { person, subject } }, status: 200, body: { tenant, person, subject, status: 'linked' } };
      },
    });
  }

  @Post(':id/accounts/unlink')
  @HttpCode(200)
  @Describe({ summary: 'Unlink an account; it signs nobody in from then on.', body: accountBody, answers: { 200: accountShown }, codes: ['NOT_FOUND'] })
  unlinkAccount(@ShapedPath('id', name()) person: string, @ShapedBody(accountBody) body: Shape<typeof accountBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const { subject } = body;
    return this.facts.record({
      request, principal, tenant, operation: 'unlink-account', aggregate: 'person', id: person, expects: 'known',
      work: async (tx) => {
        const { rowCount } = await tx.query('SELECT FROM directory_account WHERE tenant = $1 AND subject = $2 AND person = $3', [tenant, subject, person]);
        if (rowCount === 0) problem('NOT_FOUND', 'no such account');
        return { fact: { definition: AccountUnlinked, data: { person, subject } }, status: 200, body: { tenant, person, subject, status: 'unlinked' } };
      },
    });
  }

  @Get()
  @Describe({ summary: 'People by name.', query: listQuery, answers: { 200: peoplePage } })
  async list(@ShapedQuery(listQuery) query: Shape<typeof listQuery>, @Caller() principal: Principal): Promise<ListPage<Shape<typeof personShown>>> {
    const size = pageSize(query.limit);
    const position = decodeCursor(query.cursor);
    const { rows } = await this.database.query<{ tenant: string; person: string; subject: string; roles: string[]; accounts: string[] }>(
      SELECT_PEOPLE,
      [actingTenant(principal, query.tenant), position === undefined ? '' : shaped(name(), position), size + 1],
    );
    return pageOf(rows, size, (row) => row.person, (row) => row);
  }
}

const SELECT_PEOPLE = `SELECT p.tenant, p.person, p.subject, p.roles,
  ARRAY(SELECT a.subject FROM directory_account a WHERE a.tenant = p.tenant AND a.person = p.person ORDER BY a.subject LIMIT 100) AS accounts
FROM directory_person p WHERE p.tenant = $1 AND p.person > $2 ORDER BY p.person LIMIT $3`;

/** An account is one person's, or one agent's. @throws Problem CONFLICT */
export const assertFree = async (tx: { query(text: string, values: unknown[]): Promise<{ rowCount: number | null }> }, tenant: string, subject: string): Promise<void> => {
  const { rowCount } = await tx.query('SELECT FROM directory_account WHERE tenant = $1 AND subject = $2 UNION ALL SELECT FROM directory_agent_key WHERE tenant = $1 AND key_hash = $3 AND NOT revoked', [tenant, subject, clientHash(subject)]);
  if (rowCount !== 0) problem('CONFLICT', 'this subject is linked already');
};
