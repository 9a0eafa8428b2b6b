import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ActionKindClassified, PolicyInForce, PolicyPublished, PolicyRolledBack } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import { newId, sha256Text } from '@exequatur/kernel';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { eventually, examplePolicy, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';

const denyResearch = `${examplePolicy}\n  - id: no-research\n    match: { kind: research.search }\n    decision: deny\n`;

describe('policies', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  let agent: string;
  let admin: string;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    ({ agent } = await bed.tenant('acme'));
    admin = (await bed.post<{ token: string }>('/v1/people', { tenant: 'acme', person: 'petra', subject: 'idp#petra', roles: ['policy-admin'], issue_token: true }, bed.root)).body.token;
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  const publish = (source: string, who = admin, more = {}): Promise<Reply> => bed.post('/v1/policies', { source, reason: 'because', ...more }, who);
  const research = async (): Promise<Record<string, unknown>> => (await bed.post('/v1/actions', proposalOf('acme'), agent)).body;
  const events = async (type: string) => (await bed.database.query<{ bytes: Buffer }>('SELECT bytes FROM event WHERE type = $1 ORDER BY xid, position', [type])).rows.map(({ bytes }) => JSON.parse(bytes.toString()) as { data: Record<string, unknown>; actorid: string });

  test('a publication is acted on at once, and rolled back as a new version', async () => {
    const { policy_version: before } = (await research()) as { policy_version: number };
    const published = await publish(denyResearch);
    expect(published).toMatchObject({ status: 201, body: { policy_version: before + 1, status: 'published' } });
    expect(await research()).toMatchObject({ verdict: 'DENY', rule_id: 'no-research', policy_version: before + 1, policy_hash: published.body['policy_hash'] });
    const back = await bed.post('/v1/policies/rollback', { to_version: before, reason: 'too strict' }, admin);
    expect(back).toMatchObject({ status: 201, body: { policy_version: before + 2 } });
    expect(await research()).toMatchObject({ verdict: 'ALLOW', policy_version: before + 2, policy_hash: back.body['policy_hash'] });
    expect((await events(PolicyRolledBack.type)).at(-1)).toMatchObject({ actorid: 'petra', data: { to_version: before, reason: 'too strict' } });
  });

  test('the event carries what reservations needs: canonical text under its hash, and the registered kinds', async () => {
    const { body } = await publish(denyResearch);
    const event = (await events(PolicyPublished.type)).at(-1);
    expect(event?.data).toMatchObject({ policy_hash: body['policy_hash'], source: denyResearch, registered_kinds: expect.arrayContaining(['research.search', 'message.email.send', 'payment.refund']) });
    expect(sha256Text(Buffer.from(String(event?.data['canonical'])))).toBe(body['policy_hash']);
  });

  test('every fault of a file is told with line and column, and nothing is published', async () => {
    const faulty = 'version: 1\nclases: {}\nrules:\n  - { id: a, match: {}, when: "action.kindd == 1", decision: deny }\n';
    const before = (await events(PolicyPublished.type)).length;
    const { status, body } = await publish(faulty);
    expect(status).toBe(422);
    expect(body).toMatchObject({ code: 'INVALID', errors: [{ pointer: '/source', expected: 'line 2, column 1 (/clases): unknown key "clases"; did you mean "classes"?' }, { expected: expect.stringContaining('line 4, column 39 (/rules/0/when): is not a condition: No such key: kindd') }] });
    expect(await publish(faulty, admin, { validate_only: true })).toMatchObject({ status: 200, body: { valid: false, findings: [{ path: '/clases', line: 2, column: 1 }, { path: '/rules/0/when', line: 4 }] } });
    expect(await publish(denyResearch, admin, { validate_only: true })).toMatchObject({ status: 200, body: { valid: true, findings: [] } });
    expect((await events(PolicyPublished.type)).length).toBe(before);
  });

  test('invariant 21: publishing again with the same key adds no version', async () => {
    const key = { 'idempotency-key': newId() };
    const first = await bed.post('/v1/policies', { source: examplePolicy, reason: 'x' }, admin, key);
    const second = await bed.post('/v1/policies', { source: examplePolicy, reason: 'x' }, admin, key);
    expect(second.text).toBe(first.text);
    expect(await bed.post('/v1/policies', { source: denyResearch, reason: 'x' }, admin, key)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  test('published becomes in force when reservations has switched', async () => {
    const { body } = await publish(examplePolicy);
    const version = body['policy_version'] as number;
    expect((await bed.get(`/v1/policies/${version}`, admin)).body).toMatchObject({ status: 'published', source: examplePolicy });
    await bed.publishAs('reservations', { tenant: 'acme', aggregate: 'policy', id: 'acme' }, { definition: PolicyInForce, data: { policy_hash: body['policy_hash'], policy_version: version, fence_epoch: 3 } });
    await eventually(() => bed.get('/v1/policies/in-force', admin), (reply) => reply.body['policy_version'] === version);
    expect((await bed.get('/v1/policies?limit=1', admin)).body).toMatchObject({ items: [{ policy_version: version, status: 'in_force', in_force_at: expect.any(String) }], next_cursor: expect.any(String) });
  });

  test('P7: a quarantined kind flows once a person classified it', async () => {
    const ask = async (): Promise<Record<string, unknown>> => (await bed.post('/v1/actions', proposalOf('acme', { action_kind: 'crm.contact.read' }), agent)).body;
    await publish(examplePolicy);
    expect(await ask()).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_UNKNOWN_KIND' });
    expect(await bed.post('/v1/action-kinds', { action_kind: 'crm.contact.read', action_class: 'no_such_class' }, admin)).toMatchObject({ status: 422 });
    const classified = await bed.post('/v1/action-kinds', { action_kind: 'crm.contact.read', action_class: 'read_only' }, admin);
    expect(classified).toMatchObject({ status: 201, body: { action_class: 'read_only', policy: { registered_kinds: expect.arrayContaining(['crm.contact.read']) } } });
    expect((await events(ActionKindClassified.type)).at(-1)).toMatchObject({ actorid: 'petra', data: { action_kind: 'crm.contact.read' } });
    expect(await ask()).toMatchObject({ verdict: 'ALLOW', rule_id: 'class:read_only' });
    await publish(examplePolicy);
    expect(await ask()).toMatchObject({ verdict: 'ALLOW' });
    expect((await bed.get('/v1/action-kinds', admin)).body).toMatchObject({ items: expect.arrayContaining([{ action_kind: 'crm.contact.read', action_class: 'read_only' }, { action_kind: 'payment.refund', action_class: 'financial' }]) });
  });

  test('no proposal is judged under an older version once a publication was answered', async () => {
    await publish(examplePolicy);
    const answered: number[] = [];
    const seen: { readonly known: number; readonly version: number }[] = [];
    let published = false;
    const proposers = Array.from({ length: 8 }, async () => {
      // Not over before the last publication is known, however slowly it comes.
      for (let round = 0, after = 0; after < 3 || round < 12; round += 1, after += published ? 1 : 0) {
        const known = answered.at(-1) ?? 0;
        seen.push({ known, version: (await research())['policy_version'] as number });
      }
    });
    for (let round = 0; round < 4; round += 1) answered.push((await publish(round % 2 === 0 ? denyResearch : examplePolicy)).body['policy_version'] as number);
    published = true;
    await Promise.all(proposers);
    expect(seen.filter(({ known }) => known > 0).length).toBeGreaterThan(8);
    for (const { known, version } of seen) expect(version).toBeGreaterThanOrEqual(known);
  });

  test('invariant 13: a publication waits for proposals in flight, and proposals for a publication in flight', async () => {
    const store = bed.service.app.get(PgEventStore);
    const answersWhile = async (mode: 'shared' | 'exclusive', ask: () => Promise<unknown>, withinMs = 400): Promise<'answered' | 'waited'> => {
      let asked: Promise<unknown> = Promise.resolve();
      const outcome = await store.transact({ fences: [{ tenant: 'acme', mode }], streams: [] }, async () => {
        asked = ask();
        return Promise.race([asked.then(() => 'answered' as const), new Promise<'waited'>((resolve) => setTimeout(() => resolve('waited'), withinMs))]);
      });
      await asked;
      return outcome;
    };
    expect(await answersWhile('shared', () => publish(examplePolicy))).toBe('waited');
    expect(await answersWhile('exclusive', research)).toBe('waited');
    expect(await answersWhile('shared', research, 10_000)).toBe('answered');
  });

  test('invariant 12: no agent, no other role and no other tenant publishes', async () => {
    const auditor = (await bed.post<{ token: string }>('/v1/people', { tenant: 'acme', person: 'ada', subject: 'idp#ada', roles: ['auditor'], issue_token: true }, bed.root)).body.token;
    for (const who of [agent, auditor]) {
      expect(await publish(examplePolicy, who)).toMatchObject({ status: 403 });
      expect(await bed.post('/v1/policies/rollback', { to_version: 1, reason: 'x' }, who)).toMatchObject({ status: 403 });
      expect(await bed.post('/v1/action-kinds', { action_kind: 'x.y', action_class: 'read_only' }, who)).toMatchObject({ status: 403 });
    }
    expect(await publish(examplePolicy, admin, { tenant: 'globex' })).toMatchObject({ status: 403 });
    expect(await publish(examplePolicy, bed.root)).toMatchObject({ status: 422 });
    expect(await publish(examplePolicy, bed.root, { tenant: 'nowhere' })).toMatchObject({ status: 404 });
  });
});
