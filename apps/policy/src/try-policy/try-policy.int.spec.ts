import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { examplePolicy, mailTo, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';

/** Refunds by claim, recipients and faults: what a replay has to get right without guessing. */
const candidate = examplePolicy.replace('    decision: allow_with_caps\n    caps: { allowed_recipients: ["*@acme.example"]', '    when: "action.recipients.count <= 1"\n    decision: allow_with_caps\n    caps: { allowed_recipients: ["*@acme.example"]').replace('default: allow\n    retention: 180d', 'default: deny\n    retention: 180d');

describe('asking a policy without effect', () => {
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

  const ask = (what: string, body: object, who = admin): Promise<Reply> => bed.post(`/v1/policies/${what}`, body, who);
  const post = (...members: string[]) => proposalOf('acme', { action_kind: 'message.internal.post', tool: { name: 'chat.post', version: '1.0' }, arguments: { channel: 'sales', members } });
  const refund = (change: object = {}) => mailTo('acme', 'x', { action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1.0' }, arguments: { account: 'A-7', amount: '42.00' }, ...change });
  const history = [
    proposalOf('acme', { environment: 'prod', risk_tags: ['pii'], risk_points: 90 }),
    post('ann@acme.example'),
    post('ann@acme.example', 'bob@acme.example'),
    post('eve@evil.example'),
    mailTo('acme', 'ann@customer.example', { target: 'ann@customer.example', confidence: '0.4', evidence: [{ title: 'Ticket', url: 'https://tickets.example/1' }] }),
    refund({ estimates: [{ unit: 'USD_MICROCENTS', amount: '1' }], reversal: { handle: 'credit-note' } }),
    refund({ target: 'A-8' }),
    refund({ arguments: { account: 'A-7' } }),
    refund({ tool: { name: 'billing.refund', version: '9.9' } }),
    proposalOf('acme', { action_kind: 'unknown.call' }),
  ];

  test('explain tells every rule, what was derived and what claimed, and changes nothing', async () => {
    // Heads are published by themselves.
    const events = async (): Promise<unknown> => (await bed.database.query("SELECT count(*) FROM event WHERE type NOT LIKE '%.StreamHeadsPublished.%'")).rows;
    const before = await events();
    const { status, body } = await ask('explain', { agent: 'outreach-agent', proposal: refund({ risk_points: 90 }) });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      verdict: 'REQUIRE_APPROVAL',
      rule_id: 'refund',
      policy_version: 1,
      registered: true,
      rules: [
        { rule_id: 'external-email', result: 'not_matched', why: ['kind: payment.refund is not message.email.send'] },
        { rule_id: 'internal-post', result: 'not_matched' },
        { rule_id: 'refund', decision: 'require_approval', result: 'matched' },
      ],
      facts: expect.arrayContaining([{ fact: 'risk_points', value: 90, source: 'claimed' }, { fact: 'amounts', value: [{ unit: 'USD_MICROCENTS', amount: '4200000000' }], source: 'derived' }]),
    });
    expect((await ask('explain', { agent: 'a', proposal: proposalOf('acme', { action_kind: 'message.email.sent' }) })).body).toMatchObject({ verdict: 'QUARANTINE', nearest_kinds: ['message.email.send', 'message.internal.post', 'draft.email'] });
    expect(await events()).toEqual(before);
  });

  test('simulate answers for each, also under a candidate; faults of it are told', async () => {
    const { body } = await ask('simulate', { agent: 'outreach-agent', source: candidate, proposals: [post('ann@acme.example'), post('ann@acme.example', 'bob@acme.example'), proposalOf('acme')] });
    expect(body).toMatchObject({ items: [{ verdict: 'ALLOW_WITH_CAPS', rule_id: 'internal-post' }, { verdict: 'REQUIRE_APPROVAL', rule_id: 'class:external_communication' }, { verdict: 'DENY', rule_id: 'class:read_only' }] });
    expect(await ask('simulate', { agent: 'a', source: 'version: 2\n', proposals: [] })).toMatchObject({ status: 422, body: { code: 'INVALID', errors: [{ expected: 'line 1, column 1 (/version): must be 1' }] } });
    expect(await ask('simulate', { agent: 'a', proposals: [{ run_id: 1 }] })).toMatchObject({ status: 422 });
    expect(await ask('simulate', { agent: 'a', policy_version: 99, proposals: [] })).toMatchObject({ status: 404 });
    expect(await ask('simulate', { agent: 'a', proposals: [] }, agent)).toMatchObject({ status: 403 });
  });

  test('replaying what was recorded under the same policy changes nothing; a candidate shows its differences', async () => {
    for (const proposal of history) expect((await bed.post('/v1/actions', proposal, agent)).status).toBe(201);
    expect((await ask('replay', {})).body).toMatchObject({ total: history.length, unchanged: history.length, relaxed: 0, tightened: 0, changes: [], left_out: 0 });
    const { body } = await ask('replay', { source: candidate });
    expect(body).toMatchObject({ total: history.length, relaxed: 0, tightened: 2, unchanged: history.length - 2, by_kind: { 'research.search': { tightened: 1 }, 'message.internal.post': { tightened: 1 } } });
    expect((body['changes'] as object[]).map((change) => change as { action_kind: string; before: { verdict: string }; after: { verdict: string } }).map(({ before, after }) => `${before.verdict} → ${after.verdict}`).sort()).toEqual(['ALLOW → DENY', 'ALLOW_WITH_CAPS → REQUIRE_APPROVAL']);
  });

  test('in pages, and back from where the last one ended', async () => {
    const first = (await ask('replay', { limit: 4 })).body;
    expect(first).toMatchObject({ total: 4, next_before: expect.any(String) });
    expect((await ask('replay', { before: first['next_before'] })).body).toMatchObject({ total: history.length - 4 });
  });

  test('what was erased is not guessed', async () => {
    const { body } = await bed.post<{ action_id: string }>('/v1/actions', proposalOf('acme'), agent);
    await bed.service.app.get<KeyStore>(KEY_STORE).destroyActionKey('acme', body.action_id);
    expect(await ask('replay', {})).toMatchObject({ status: 409, body: { code: 'CONFLICT', detail: expect.stringContaining('the content of 1 of these actions is erased') } });
    expect((await ask('replay', { leave_out_erased: true })).body).toMatchObject({ total: history.length, unchanged: history.length, left_out: 1 });
    expect((await ask('draft', { action_kind: 'crm.note', action_class: 'internal_write' })).body).toMatchObject({ replay: { left_out: 1 } });
  });

  test('P7: from quarantine to a rule: drafted, tried on what was recorded, published, and the same kind is decided', async () => {
    const delegation_id = newId();
    const note = proposalOf('acme', { action_kind: 'crm.note', tool: { name: 'crm', version: '1' }, arguments: { text: 'x' }, delegation_id });
    const first = (await bed.post<{ action_id: string }>('/v1/actions', note, agent)).body;
    expect(first).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_UNKNOWN_KIND' });
    expect((await bed.get<{ items: { action_id: string }[] }>('/v1/actions?status=quarantined&limit=1', admin)).body.items).toMatchObject([{ action_id: first.action_id }]);
    const { body } = await ask('draft', { action_kind: 'crm.note', action_class: 'internal_write', decision: 'require_approval' });
    expect(body).toMatchObject({
      differences: [{ part: 'class', id: 'internal_write', change: 'changed' }, { part: 'rule', id: 'draft-crm.note', change: 'added' }],
      replay: { relaxed: 1, tightened: 0, changes: [{ action_id: first.action_id, change: 'relaxed', before: { verdict: 'QUARANTINE' }, after: { verdict: 'REQUIRE_APPROVAL', rule_id: 'draft-crm.note' } }] },
    });
    // Drafting has no effect: the kind is still unknown.
    expect((await bed.post('/v1/actions', note, agent)).body).toMatchObject({ verdict: 'QUARANTINE' });
    expect(await bed.post('/v1/policies', { source: body['source'], reason: 'crm notes are known now' }, admin)).toMatchObject({ status: 201, body: { policy_hash: body['policy_hash'] } });
    expect((await bed.post('/v1/actions', note, agent)).body).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'draft-crm.note', policy_version: 2 });
    // The waiting one is decided anew, once, as a proposal of its agent; its agent finds it through the old one.
    const anew = await bed.post<{ action_id: string }>(`/v1/actions/${first.action_id}/decide-anew`, {}, admin);
    expect(anew).toMatchObject({ status: 201, body: { follows: first.action_id, status: 'awaiting_approval', verdict: 'REQUIRE_APPROVAL', rule_id: 'draft-crm.note' } });
    expect(anew.body).not.toHaveProperty('salt');
    expect((await bed.post(`/v1/actions/${first.action_id}/decide-anew`, {}, admin)).text).toBe(anew.text);
    expect((await bed.get(`/v1/actions/${first.action_id}`, agent)).body).toMatchObject({ status: 'quarantined', followed_by: anew.body.action_id });
    expect((await bed.get(`/v1/actions/${anew.body.action_id}`, agent)).body).toMatchObject({ status: 'awaiting_approval', follows: first.action_id, agent: 'outreach-agent', run_id: 'run-1' });
    const { rows } = await bed.database.query<{ bytes: Buffer }>("SELECT bytes FROM event WHERE aggregate = 'action' AND subject = $1 AND version = 1", [anew.body.action_id]);
    expect(JSON.parse(String(rows[0]?.bytes))).toMatchObject({ actortype: 'person', actorid: 'petra', data: { follows: first.action_id, facts: { agent: 'outreach-agent', delegation_id } } });
    expect((await bed.post(`/v1/actions/${anew.body.action_id}/decide-anew`, {}, admin)).status).toBe(409);
    expect((await bed.post(`/v1/actions/${first.action_id}/decide-anew`, {}, agent)).status).toBe(403);
    expect((await bed.post('/v1/policies/rollback', { to_version: 1, reason: 'next spec' }, admin)).status).toBe(201);
  });

  test('diff between versions, by rule', async () => {
    await bed.post('/v1/policies', { source: candidate, reason: 'smaller posts' }, admin);
    const { body } = await bed.get<{ differences: { part: string; id: string; change: string }[] }>('/v1/policies/diff?from=1&to=4', admin);
    expect(body.differences.map(({ part, id, change }) => `${part} ${id} ${change}`)).toEqual(['class read_only changed', 'rule internal-post changed']);
    expect((await bed.get('/v1/policies/diff?from=1&to=77', admin)).status).toBe(404);
  });
});
