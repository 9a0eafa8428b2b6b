import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId, sha256Text } from '@exequatur/kernel';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';

describe('the directory', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    await bed.tenant('acme');
    await bed.tenant('globex');
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  const asRoot = <T = Record<string, unknown>>(path: string, body: object, headers = {}): Promise<Reply<T>> => bed.post<T>(path, { tenant: 'acme', ...body }, bed.root, headers);
  const admin = async (): Promise<string> => (await asRoot<{ token: string }>('/v1/people', { person: `admin-${newId()}`, subject: `idp#${newId()}`, roles: ['admin'], issue_token: true })).body.token;

  test('what was created is listed', async () => {
    expect((await bed.get('/v1/tenants', bed.root)).body).toMatchObject({ items: [{ tenant: 'acme', display_name: 'acme' }, { tenant: 'globex' }], next_cursor: null });
    expect((await bed.get('/v1/agents?tenant=acme', bed.root)).body).toMatchObject({ items: [{ agent: 'outreach-agent', owner: 'oscar', keys: [{ kind: 'bearer', status: 'active' }] }] });
    expect(await asRoot('/v1/tools', { tool_name: 'mailer.send', tool_version: '1.0', action_kind: 'message.email.send' })).toMatchObject({ status: 201 });
    expect((await bed.get('/v1/tools?tenant=acme', bed.root)).body).toMatchObject({ items: [{ tool_name: 'mailer.send', tool_version: '1.0' }] });
  });

  test('a key authenticates until it is revoked', async () => {
    const { body } = await asRoot<{ key: string; key_id: string }>('/v1/agents/outreach-agent/keys', {});
    expect(body.key).toMatch(/^exq_agent_[A-Za-z0-9_-]{43}$/);
    expect(await bed.post('/v1/actions', proposalOf('acme'), body.key)).toMatchObject({ status: 201 });
    expect(await asRoot(`/v1/agents/outreach-agent/keys/${body.key_id}/revoke`, {})).toMatchObject({ status: 200, body: { status: 'revoked' } });
    expect(await bed.post('/v1/actions', proposalOf('acme'), body.key)).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
  });

  test('invariants 21 and 30: a repeated request shows the same key again, which is kept nowhere in clear', async () => {
    const key = { 'idempotency-key': newId() };
    const first = await asRoot<{ key: string }>('/v1/agents/outreach-agent/keys', {}, key);
    expect((await asRoot('/v1/agents/outreach-agent/keys', {}, key)).text).toBe(first.text);
    const { rows } = await bed.database.query<{ body: Buffer }>('SELECT body FROM idempotency');
    const events = await bed.database.query<{ bytes: Buffer }>('SELECT bytes FROM event');
    expect([...rows.map(({ body }) => body), ...events.rows.map(({ bytes }) => bytes)].filter((bytes) => bytes.includes(first.body.key))).toEqual([]);
    expect(events.rows.some(({ bytes }) => bytes.includes(sha256Text(Buffer.from(first.body.key))))).toBe(true);
  });

  test('changed roles count at once', async () => {
    const { body } = await asRoot<{ token: string }>('/v1/people', { person: 'pia', subject: 'idp#pia', roles: ['auditor'], issue_token: true });
    expect(body.token).toMatch(/^exq_person_/);
    expect(await bed.get('/v1/people', body.token)).toMatchObject({ status: 403 });
    expect(await asRoot('/v1/people/pia/roles', { roles: ['admin', 'admin', 'finance'] })).toMatchObject({ status: 200, body: { roles: ['admin', 'finance'] } });
    expect(await bed.get('/v1/people', body.token)).toMatchObject({ status: 200 });
  });

  test.each<[string, string, object, number, string]>([
    ['an agent twice', '/v1/agents', { agent: 'outreach-agent', display_name: 'x', scope_prefix: 'tenant:acme' }, 409, 'CONFLICT'],
    ['an agent of another tenant’s scope', '/v1/agents', { agent: 'x', display_name: 'x', scope_prefix: 'tenant:acme2' }, 422, 'INVALID'],
    ['a key for nobody', '/v1/agents/nobody/keys', {}, 404, 'NOT_FOUND'],
    ['a public key that is none', '/v1/agents/outreach-agent/keys', { public_key: 'AAAA' }, 422, 'INVALID'],
    ['a key to revoke that is not there', '/v1/agents/outreach-agent/keys/none/revoke', {}, 404, 'NOT_FOUND'],
    ['roles for nobody', '/v1/people/nobody/roles', { roles: [] }, 404, 'NOT_FOUND'],
    ['a tenant twice', '/v1/tenants', { display_name: 'x' }, 409, 'CONFLICT'],
    ['a character that no column holds', '/v1/people', { person: 'nul', subject: 'a\u0000b', roles: [] }, 422, 'INVALID'],
    ['a person in no tenant', '/v1/people', { tenant: 'nowhere', person: 'x', subject: 'x', roles: [] }, 404, 'NOT_FOUND'],
  ])('refused: %s', async (_, path, body, status, code) => {
    expect(await asRoot(path, body)).toMatchObject({ status, body: { code } });
  });

  test('invariant 11: two accounts of one subject are one person', async () => {
    await asRoot('/v1/people', { person: 'max', subject: 'idp#max', roles: ['approver'] });
    expect(await asRoot('/v1/people', { person: 'max2', subject: 'idp#max', roles: ['approver'] })).toMatchObject({ status: 409 });
  });

  test('invariant 18: an admin sees and changes the own tenant only', async () => {
    const token = await admin();
    expect((await bed.get('/v1/people', token)).text).not.toContain('globex');
    expect(await bed.get('/v1/people?tenant=globex', token)).toMatchObject({ status: 403 });
    expect(await bed.post('/v1/agents', { tenant: 'globex', agent: 'x', display_name: 'x', scope_prefix: 'tenant:globex' }, token)).toMatchObject({ status: 403 });
    expect(await bed.post('/v1/tenants', { tenant: 'mine', display_name: 'x' }, token)).toMatchObject({ status: 403 });
  });

  test('invariant 12: an agent changes nothing here', async () => {
    const { key } = (await asRoot<{ key: string }>('/v1/agents/outreach-agent/keys', {})).body;
    for (const path of ['/v1/agents', '/v1/people', '/v1/tools', '/v1/tenants', '/v1/agents/outreach-agent/keys']) expect(await bed.post(path, {}, key)).toMatchObject({ status: 403 });
  });
});
