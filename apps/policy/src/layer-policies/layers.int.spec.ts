import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PolicyDrafted, PolicyPublished } from '@exequatur/contracts';
import { sha256Text } from '@exequatur/kernel';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { examplePolicy, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';
import { BringUpToDate } from './bring-up-to-date.js';

const layer = (id: string, decision: string, match = '{ kind: research.search }', more = ''): string => `version: 1\n${more}rules:\n  - { id: ${id}, match: ${match}, decision: ${decision} }\n`;
const other = 'other-tenant';

describe('what stands above and beside a tenant’s policy', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  const agents = new Map<string, string>();
  const people = new Map<string, string>();
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    for (const tenant of ['acme', other]) agents.set(tenant, (await bed.tenant(tenant)).agent);
    for (const person of ['petra', 'paul']) people.set(person, (await bed.post<{ token: string }>('/v1/people', { tenant: 'acme', person, subject: `idp#${person}`, roles: ['policy-admin'], issue_token: true }, bed.root)).body.token);
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  const as = (person: string): string => people.get(person) ?? '';
  const research = async (tenant = 'acme', workspace = 'sales'): Promise<Record<string, unknown>> => (await bed.post('/v1/actions', proposalOf(tenant, { scope_path: `tenant:${tenant}/workspace:${workspace}` }), agents.get(tenant) ?? '')).body;
  const organisation = (source: string, reason = 'for all'): Promise<Reply> => bed.post('/v1/policies/organisation', { source, reason }, bed.root);
  const overlay = (source: string, change = {}, who = as('petra')): Promise<Reply> => bed.post('/v1/policies/overlays', { name: 'sales', scope: 'tenant:acme/workspace:sales', source, reason: 'because', ...change }, who);
  const draft = (body: object, who = as('petra')): Promise<Reply> => bed.post('/v1/policies/drafts', { source: examplePolicy, reason: 'next quarter', ...body }, who);
  const publishDraft = ({ body }: Reply, who: string): Promise<Reply> => bed.post(`/v1/policies/drafts/${String(body['draft_id'])}/publish`, {}, who);
  const newest = async (type: string) => {
    const { rows } = await bed.database.query<{ bytes: Buffer }>('SELECT bytes FROM event WHERE type = $1 ORDER BY xid DESC, position DESC LIMIT 1', [type]);
    return JSON.parse(String(rows[0]?.bytes)) as { data: Record<string, unknown>; actorid: string };
  };

  test('a layer of the organisation is composed into a new version for every tenant, and no tenant loosens it', async () => {
    const before = (await research(other))['policy_version'] as number;
    expect((await bed.get('/v1/policies/organisation', as('petra'))).body).toEqual({ organisation_version: 0, tenants_behind: 0 });
    expect(await organisation(layer('no-search', 'deny'))).toMatchObject({ status: 201, body: { organisation_version: 1 } });
    for (const tenant of ['acme', other]) expect(await research(tenant)).toMatchObject({ verdict: 'DENY', rule_id: 'organisation/no-search', code: 'POLICY_DENIED' });
    expect((await research(other))['policy_version']).toBe(before + 1);
    const { data } = await newest(PolicyPublished.type);
    expect(data).toMatchObject({ source: examplePolicy, reason: 'Policy of the organisation, version 1: for all', layers: [{ layer: 'organisation', layer_version: 1 }] });
    expect(sha256Text(Buffer.from(String(data['canonical'])))).toBe(data['policy_hash']);
    expect(await bed.post('/v1/policies', { source: examplePolicy, reason: 'mine' }, as('petra'))).toMatchObject({ status: 201 });
    expect(await bed.post('/v1/policies/rollback', { to_version: 1, reason: 'mine' }, as('petra'))).toMatchObject({ status: 201 });
    expect(await research()).toMatchObject({ verdict: 'DENY', rule_id: 'organisation/no-search' });
    expect(await bed.get('/v1/policies/organisation', as('petra'))).toMatchObject({ status: 200, body: { organisation_version: 1, tenants_behind: 0 } });
    expect(await organisation(layer('search', 'allow'))).toMatchObject({ status: 201, body: { organisation_version: 2 } });
    expect(await research()).toMatchObject({ verdict: 'ALLOW' });
  });

  test('tenants that a crash left behind are told, and brought up to date once', async () => {
    const versions = async (): Promise<readonly number[]> => (await bed.database.query<{ version: number }>('SELECT max(version)::int AS version FROM policy_version GROUP BY tenant ORDER BY tenant')).rows.map(({ version }) => version);
    const before = await versions();
    await bed.database.query('INSERT INTO organisation_policy SELECT version + 1, policy_hash, source, canonical, reason, published_by, published_at FROM organisation_policy ORDER BY version DESC LIMIT 1');
    expect((await bed.get('/v1/policies/organisation', as('petra'))).body).toMatchObject({ organisation_version: 3, tenants_behind: 2 });
    await Promise.all([bed.service.app.get(BringUpToDate).all(), bed.service.app.get(BringUpToDate).all()]);
    expect((await bed.get('/v1/policies/organisation', as('petra'))).body).toMatchObject({ tenants_behind: 0 });
    await bed.service.app.get(BringUpToDate).all();
    expect(await versions()).toEqual(before.map((version) => version + 1));
  });

  test('only root publishes it, and a layer that says what is not its own is refused with line and column', async () => {
    expect(await bed.post('/v1/policies/organisation', { source: layer('a', 'deny'), reason: 'x' }, as('petra'))).toMatchObject({ status: 403 });
    expect(await organisation(layer('a', 'deny', '{}', 'autonomy: {}\n'))).toMatchObject({ status: 422, body: { errors: [{ expected: expect.stringContaining('line 2, column 1 (/autonomy): unknown key') }] } });
    expect(await overlay(layer('a', 'deny'), { scope: `tenant:${other}/workspace:sales` })).toMatchObject({ status: 422 });
  });

  test('an overlay holds in its scope, shows in explain and diff, and goes with an empty source', async () => {
    const { body } = await overlay(layer('ask', 'require_approval'));
    const version = body['policy_version'] as number;
    expect(await research()).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'overlay:sales/ask', policy_version: version });
    const explained = await bed.post<{ rules: { rule_id: string; result: string }[] }>('/v1/policies/explain', { agent: 'outreach-agent', proposal: proposalOf('acme') }, as('petra'), {});
    expect(explained.body.rules).toContainEqual(expect.objectContaining({ rule_id: 'overlay:sales/ask', result: 'matched' }));
    const { body: diff } = await bed.get<{ differences: object[] }>(`/v1/policies/diff?from=${version - 1}&to=${version}`, as('petra'));
    expect(JSON.stringify(diff)).toContain('overlay:sales/ask');
    expect((await bed.get('/v1/policies/overlays', as('petra'))).body).toMatchObject({ items: [{ name: 'sales', overlay_version: 1 }] });
    // A candidate is tried with the overlays it would be published with.
    expect((await bed.post('/v1/policies/simulate', { source: examplePolicy, agent: 'outreach-agent', proposals: [proposalOf('acme')] }, as('petra'), {})).body).toMatchObject({ items: [{ verdict: 'REQUIRE_APPROVAL' }] });
    await overlay('');
    expect(await research()).toMatchObject({ verdict: 'ALLOW' });
    expect(await overlay('')).toMatchObject({ status: 404 });
  });

  test('a draft judges nothing until it is published, and is not published past another version', async () => {
    const denies = `${examplePolicy}\n  - id: no-research\n    match: { kind: research.search }\n    decision: deny\n`;
    const stored = await draft({ source: denies });
    expect(stored).toMatchObject({ status: 201 });
    expect((await newest(PolicyDrafted.type)).data).toMatchObject({ draft_id: stored.body['draft_id'], source: denies });
    expect(await research()).toMatchObject({ verdict: 'ALLOW' });
    expect((await bed.get(`/v1/policies/drafts/${String(stored.body['draft_id'])}`, as('paul'))).body).toMatchObject({ status: 'draft', drafted_by: 'person/petra', differences: [{ part: 'rule', id: 'no-research', change: 'added' }] });
    const stale = await draft({ source: denies });
    // Nobody asks for a second person yet: the author may.
    const published = await publishDraft(stored, as('petra'));
    expect(published).toMatchObject({ status: 201, body: { policy_hash: stored.body['policy_hash'] } });
    expect(await newest(PolicyPublished.type)).toMatchObject({ actorid: 'petra', data: { draft_id: stored.body['draft_id'], drafted_by: 'person/petra' } });
    expect(await research()).toMatchObject({ verdict: 'DENY', rule_id: 'no-research' });
    expect(await publishDraft(stored, as('paul'))).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    expect(await publishDraft(stale, as('paul'))).toMatchObject({ status: 412, body: { code: 'STALE' } });
    expect(await draft({ source: 'version: 2' })).toMatchObject({ status: 422 });
    expect((await bed.get('/v1/policies/drafts?limit=1', as('paul'))).body).toMatchObject({ items: [{ draft_id: stale.body['draft_id'], status: 'draft' }], next_cursor: expect.any(String) });
  });

  test('invariant 12: where the organisation asks for two people, no one alone changes a policy by any door', async () => {
    await organisation(`version: 1\npublication: { second_person: true }\n`);
    const alone: readonly Promise<Reply>[] = [
      bed.post('/v1/policies', { source: examplePolicy, reason: 'x' }, as('petra')),
      bed.post('/v1/policies/rollback', { to_version: 1, reason: 'x' }, as('petra')),
      bed.post('/v1/action-kinds', { action_kind: 'crm.contact.read', action_class: 'read_only' }, as('petra')),
      overlay(layer('ask', 'require_approval')),
      bed.post('/v1/policies', { tenant: 'acme', source: examplePolicy, reason: 'x' }, bed.root),
    ];
    for (const one of alone) expect(await one).toMatchObject({ status: 403, body: { code: 'APPROVAL_REQUIRED' } });
    const own = await draft({ source: examplePolicy });
    expect(await publishDraft(own, as('petra'))).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    expect(await publishDraft(own, agents.get('acme') ?? '')).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    expect(await publishDraft(own, as('paul'))).toMatchObject({ status: 201 });
    const narrower = await draft({ source: layer('ask', 'require_approval'), overlay: { name: 'sales', scope: 'tenant:acme/workspace:sales' } }, as('paul'));
    expect((await bed.get(`/v1/policies/drafts/${String(narrower.body['draft_id'])}`, as('petra'))).body).toMatchObject({ overlay: { name: 'sales' }, differences: [{ part: 'rule', id: 'overlay:sales/ask', change: 'added' }, { part: 'layer' }] });
    expect(await publishDraft(narrower, as('petra'))).toMatchObject({ status: 201, body: { policy_hash: narrower.body['policy_hash'] } });
    expect(await research()).toMatchObject({ rule_id: 'overlay:sales/ask' });
  });
});
