import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { canonicalBytes, newId, saltedHash, sha256Text } from '@exequatur/kernel';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { mailTo, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed } from '../spec/policy-bed.js';

describe('POST /v1/actions', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  let agent: string;
  let stranger: string;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    ({ agent } = await bed.tenant('acme'));
    ({ agent: stranger } = await bed.tenant('globex'));
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  const refund = (change: object = {}) => proposalOf('acme', { action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1.0' }, arguments: { account: 'A-7', amount: '42.00' }, execution_mode: 'managed', ...change });
  const post = (to: string) => proposalOf('acme', { action_kind: 'message.internal.post', tool: { name: 'chat.post', version: '1.0' }, arguments: { channel: 'sales', members: [to] } });

  test.each([
    ['research, AUTO', () => proposalOf('acme'), { verdict: 'ALLOW', tier: 'AUTO', status: 'allowed', rule_id: 'class:read_only' }],
    ['a draft, LOG', () => proposalOf('acme', { action_kind: 'draft.email', tool: { name: 'drafts', version: '1' } }), { verdict: 'ALLOW', tier: 'LOG', status: 'allowed', rule_id: 'class:internal_write' }],
    ['a post to a colleague', () => post('ann@acme.example'), { verdict: 'ALLOW_WITH_CAPS', tier: 'AUTO', status: 'allowed', rule_id: 'internal-post', caps: { allowed_recipients: ['*@acme.example'], expires_in_ms: 300_000, max_runtime_sec: 30 } }],
    ['a mail outside', () => mailTo('acme', 'ann@customer.example'), { verdict: 'REQUIRE_APPROVAL', status: 'awaiting_approval', code: 'APPROVAL_REQUIRED', stop_reason: 'approval_required', rule_id: 'external-email' }],
    ['a refund', () => refund(), { verdict: 'REQUIRE_APPROVAL', status: 'awaiting_approval', rule_id: 'refund' }],
    ['a post outside', () => post('eve@evil.example'), { verdict: 'QUARANTINE', status: 'quarantined', code: 'QUARANTINED_OUT_OF_BOUNDS', stop_reason: 'quarantined' }],
    ['invariant 27: an unknown kind', () => proposalOf('acme', { action_kind: 'unknown.call' }), { verdict: 'QUARANTINE', status: 'quarantined', code: 'QUARANTINED_UNKNOWN_KIND', stop_reason: 'quarantined', rule_id: 'default:unknown' }],
    ['invariant 27: an unregistered kind that a glob would match', () => proposalOf('acme', { action_kind: 'secrets.read' }), { verdict: 'QUARANTINE', code: 'QUARANTINED_UNKNOWN_KIND' }],
    ['a prohibited kind', () => proposalOf('acme', { action_kind: 'credentials.export' }), { verdict: 'DENY', status: 'denied', code: 'POLICY_DENIED', stop_reason: 'policy_denied', rule_id: 'class:prohibited' }],
    ['another target than in the arguments', () => refund({ target: 'A-8' }), { verdict: 'QUARANTINE', code: 'QUARANTINED_OUT_OF_BOUNDS', rule_id: 'tool:billing.refund' }],
    ['a tool version that is not allowed', () => refund({ tool: { name: 'billing.refund', version: '9.9' } }), { verdict: 'DENY', code: 'TOOL_NOT_ALLOWED' }],
  ])('%s', async (_, proposal, expected) => {
    const reply = await bed.post('/v1/actions', proposal(), agent);
    expect(reply.status).toBe(201);
    expect(reply.body).toMatchObject({ ...expected, policy_version: 1 });
  });

  test('invariant 27: a tenant without policy has everything set aside', async () => {
    const { agent: lonely } = await bed.tenant('empty', null);
    expect((await bed.post('/v1/actions', proposalOf('empty'), lonely)).body).toMatchObject({ verdict: 'QUARANTINE', policy_version: 0 });
  });

  test('an allowance is a signed grant bound to what was asked; the proposer can recompute every hash', async () => {
    const { body } = await bed.post<{ grant: string; salt: string; arguments_hash: string; action_hash: string; action_id: string }>('/v1/actions', proposalOf('acme', { target: 'Vienna' }), agent);
    expect(decodeProtectedHeader(body.grant)).toMatchObject({ alg: 'EdDSA', typ: 'exq-grant+jwt' });
    const salt = Buffer.from(body.salt, 'base64url');
    const argumentsHash = saltedHash(salt, canonicalBytes({ query: 'customers in Vienna' }));
    const targetHash = saltedHash(salt, Buffer.from('Vienna'));
    expect(body.arguments_hash).toBe(argumentsHash);
    expect(decodeJwt(body.grant)).toMatchObject({ grant_id: body.action_id, source: 'allowance', tenant: 'acme', agent_identity: 'outreach-agent', granted_arguments_hash: argumentsHash, target_hash: targetHash, max_uses: 1, policy_version: 1 });
    const bound = { tenant: 'acme', scope_path: 'tenant:acme/workspace:sales/app:outreach', agent: 'outreach-agent', run_id: 'run-1', action_kind: 'research.search', tool: { name: 'web.search', version: '1.0' }, target_hash: targetHash, arguments_hash: argumentsHash };
    expect(body.action_hash).toBe(sha256Text(canonicalBytes(bound)));
  });

  test('points and amounts come from the tool table; claims only raise them', async () => {
    const { body } = await bed.post<{ action_id: string }>('/v1/actions', refund({ risk_points: 5, estimates: [{ unit: 'USD_MICROCENTS', amount: '1' }] }), agent);
    expect((await bed.get(`/v1/actions/${body.action_id}`, agent)).body).toMatchObject({ risk_points: 20, amounts: [{ unit: 'USD_MICROCENTS', amount: '4200000000' }] });
  });

  describe('again', () => {
    test('invariant 21: the same key and input give the byte-equal answer and no event', async () => {
      const key = { 'idempotency-key': newId() };
      const first = await bed.post('/v1/actions', mailTo('acme', 'ann@customer.example'), agent, key);
      // Heads are published by themselves.
      const events = async (): Promise<unknown> => (await bed.database.query("SELECT count(*) FROM event WHERE type NOT LIKE '%.StreamHeadsPublished.%'")).rows[0];
      const before = await events();
      const second = await bed.post('/v1/actions', mailTo('acme', 'ann@customer.example'), agent, key);
      expect(second.text).toBe(first.text);
      expect(second.status).toBe(201);
      expect(await events()).toEqual(before);
    });

    test('invariant 21: the same key with another input is refused', async () => {
      const key = { 'idempotency-key': newId() };
      await bed.post('/v1/actions', mailTo('acme', 'ann@customer.example'), agent, key);
      expect(await bed.post('/v1/actions', mailTo('acme', 'bob@customer.example'), agent, key)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    });

    test('invariant 21: at the same time, one decides and the others get its answer or wait', async () => {
      const key = { 'idempotency-key': newId() };
      const replies = await Promise.all(Array.from({ length: 12 }, () => bed.post<{ action_id: string }>('/v1/actions', mailTo('acme', 'ann@customer.example'), agent, key)));
      const decided = replies.filter(({ status }) => status === 201);
      expect(new Set(decided.map(({ text }) => text)).size).toBe(1);
      expect(replies.filter(({ status }) => status !== 201).every(({ status, body }) => status === 409 && (body as { code?: string }).code === 'IDEMPOTENCY_IN_FLIGHT')).toBe(true);
      const { rows } = await bed.database.query('SELECT FROM action_view WHERE idempotency_key = $1', [key['idempotency-key']]);
      expect(rows).toHaveLength(1);
    });

    test('one key serves two tenants', async () => {
      const key = { 'idempotency-key': newId() };
      expect((await bed.post('/v1/actions', proposalOf('acme'), agent, key)).status).toBe(201);
      expect((await bed.post('/v1/actions', proposalOf('globex'), stranger, key)).status).toBe(201);
    });
  });

  test.each<[string, () => unknown, Record<string, string>, number, string]>([
    ['no Idempotency-Key', () => proposalOf('acme'), { 'idempotency-key': '' }, 400, 'IDEMPOTENCY_KEY_REQUIRED'],
    ['duplicate keys', () => '{"run_id":"a","run_id":"b"}', {}, 400, 'MALFORMED'],
    ['an unknown field', () => ({ ...proposalOf('acme'), tenant: 'acme' }), {}, 422, 'INVALID'],
    ['no arguments', () => ({ ...proposalOf('acme'), arguments: undefined }), {}, 422, 'INVALID'],
    ['invariant 18: another tenant’s scope', () => proposalOf('globex'), {}, 403, 'FORBIDDEN'],
    ['a scope beside the agent’s', () => proposalOf('acme', { scope_path: 'tenant:acme/workspace:sales2' }), {}, 403, 'FORBIDDEN'],
    ['a scope above the agent’s', () => proposalOf('acme', { scope_path: 'tenant:acme' }), {}, 403, 'FORBIDDEN'],
    ['arguments that grow past the bound when written out', () => `${JSON.stringify({ ...proposalOf('acme'), arguments: 0 }).replace('"arguments":0', `"arguments":[${'1e-6,'.repeat(40_000)}1]`)}`, {}, 413, 'TOO_LARGE'],
  ])('refused: %s', async (_, body, headers, status, code) => {
    expect(await bed.post('/v1/actions', body(), agent, headers)).toMatchObject({ status, body: { code } });
  });

  test('only agents propose', async () => {
    expect(await bed.post('/v1/actions', proposalOf('acme'), bed.root)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    expect(await bed.post('/v1/actions', proposalOf('acme'), 'exq_agent_nobody')).toMatchObject({ status: 401 });
  });

  test('invariant 30: what was argued stands in no event, view, answer row or topic in clear', async () => {
    const canary = `canary-${newId()}`;
    const personal = { arguments: { to: `${canary}@customer.example`, subject: canary, text: canary }, reasoning: canary, business_impact: canary, evidence: [{ title: canary, url: `https://example.com/${canary}` }], reversal: { reason: canary } };
    expect((await bed.post('/v1/actions', mailTo('acme', '', personal), agent)).body).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
    expect((await bed.post('/v1/actions', proposalOf('acme', { ...personal, target: canary }), agent)).body).toMatchObject({ verdict: 'ALLOW' });
    const { rows: tables } = await bed.database.query<{ name: string }>("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'policy'");
    expect(tables.length).toBeGreaterThan(8);
    for (const { name } of tables) {
      const { rows } = await bed.database.query<{ row: string }>(`SELECT encode(convert_to(to_jsonb(t)::text, 'UTF8'), 'escape') AS row FROM "${name}" t`);
      const bytes = name === 'event' ? (await bed.database.query<{ bytes: Buffer }>('SELECT bytes FROM event')).rows.map((event) => event.bytes.toString('latin1')) : [];
      expect([...rows.map(({ row }) => row), ...bytes].filter((text) => text.includes(canary) || text.includes(Buffer.from(canary).toString('hex')))).toEqual([]);
    }
    for (const { value } of await bed.topic('exequatur.actions.v1')) expect(value.includes(canary)).toBe(false);
  });

  test('200 proposals at once are all decided, in few transactions', async () => {
    const transactions = async (): Promise<number> => (await bed.database.query('SELECT DISTINCT xid FROM event')).rows.length;
    const before = await transactions();
    const replies = await Promise.all(Array.from({ length: 200 }, () => bed.post('/v1/actions', proposalOf('acme'), agent)));
    expect(replies.every(({ status }) => status === 201)).toBe(true);
    expect(await transactions() - before).toBeLessThan(150);
  });
});
