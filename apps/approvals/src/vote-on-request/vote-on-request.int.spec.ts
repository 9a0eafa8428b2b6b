import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { contextOf, renderCard, requestOf, viewHash, type OpenedData } from '@exequatur/approvals-domain';
import { GRANT_JWS_TYPE } from '@exequatur/contracts';
import type { SealedProposal } from '@exequatur/contracts';
import { canonicalText, newId, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { Installation, type Asked } from '../spec/installation.js';

describe('deciding a request', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const path = ({ request }: Asked, verb = ''): string => `/v1/approvals/${request.approval_id}${verb === '' ? '' : `/${verb}`}`;
  const problemOf = (code: string, status: number) => ({ status, body: { code } });
  const saltOf = async (asked: Asked): Promise<Buffer> => {
    const [opened] = await here.events(asked);
    if (opened === undefined) throw new Error('not opened');
    return Buffer.from((await here.opened<{ salt: string }>(asked, opened)).salt, 'base64url');
  };

  test('a card is shown, a vote grants, and the grant is signed with every binding', async () => {
    const asked = await here.ask();
    const seen = await here.show(asked);
    expect(seen).toMatchObject({ status: 200, etag: '"1"', body: { status: 'open', card: { renderer: 'card/2', title: 'payment.refund by support-bot for 100.00 USD', agent_words: 'The photograph shows a broken part.' }, votes: [], resolution: null } });
    const granted = await here.decide(asked, 'approve', 'fiona', { rationale: 'as agreed' });
    expect(granted).toMatchObject({ status: 200, body: { status: 'granted', approvals_given: 1, approvals_missing: 0, grant_id: asked.request.approval_id, narrowed: [], granted_arguments_hash: asked.request.arguments_hash } });
    const events = await here.events(asked);
    expect(events.map(({ name }) => name)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalGranted']);
    const grant = events[2]?.data['grant'] as string;
    const claims = await here.signer('reservations').verifyJws(grant, { service: 'approvals', typ: GRANT_JWS_TYPE, judgeTime: false });
    expect(claims).toMatchObject({
      grant_id: asked.request.approval_id,
      source: 'approval',
      action_id: asked.request.action_id,
      tenant: 'acme',
      agent_identity: 'support-bot',
      arguments_hash: asked.request.arguments_hash,
      granted_arguments_hash: asked.request.arguments_hash,
      max_uses: 1,
      view_hash: seen.body['view_hash'],
      approvers: [{ person: 'fiona', role: 'finance', stage: 0, vote_event_id: events[1]?.id }],
      facts: asked.request.facts,
    });
    expect((await here.show(asked)).body).toMatchObject({ status: 'granted', votes: [{ person: 'fiona', vote: 'approve', rationale: 'as agreed' }], resolution: { person: 'fiona', grant_id: asked.request.approval_id } });
  });

  test('narrower: the granted bytes hold the cap, and their hash is in the grant', async () => {
    const asked = await here.ask();
    const granted = await here.decide(asked, 'approve', 'fiona', { caps: { max_amount: { USD_MICROCENTS: '4200000000' }, expires_in_ms: 60_000 } });
    const args: JsonValue = { account: 'acct_42', amount: '42.00', note: 'broken on arrival' };
    const hash = saltedHash(await saltOf(asked), Buffer.from(canonicalText(args)));
    expect(granted).toMatchObject({ status: 200, body: { status: 'granted', narrowed: ['/amount'], granted_arguments_hash: hash } });
    const event = (await here.events(asked)).find(({ name }) => name === 'ApprovalGranted');
    if (event === undefined) throw new Error('not granted');
    expect((await here.opened<SealedProposal>(asked, event)).arguments).toBe(canonicalText(args));
    expect(await here.signer('reservations').verifyJws(event.data['grant'] as string, { service: 'approvals', typ: GRANT_JWS_TYPE, judgeTime: false })).toMatchObject({ granted_arguments_hash: hash, caps: { max_amount: { USD_MICROCENTS: '4200000000' } }, amounts: [{ unit: 'USD_MICROCENTS', amount: '4200000000' }] });
  });

  test('stages: two of finance, then a lead; the second voter sees and accepts the first one’s narrowing', async () => {
    const asked = await here.ask({ more: { agent_owner: 'pia', demand: { stages: [{ roles: ['finance'], quorum: 2 }, { roles: ['finance-lead'], quorum: 1 }], distinct: true, ttl_ms: 1, on_timeout: 'deny' } } });
    expect(await here.decide(asked, 'approve', 'fiona', { caps: { max_amount: { USD_MICROCENTS: '4200000000' } } })).toMatchObject({ body: { status: 'open', approvals_given: 1, approvals_missing: 1 } });
    expect((await here.show(asked)).body).toMatchObject({ narrowed: [{ pointer: '/amount', proposed: '"100.00"', accepted: '"42.00"' }] });
    expect(await here.decide(asked, 'approve', 'fiona')).toMatchObject(problemOf('ALREADY_VOTED', 409));
    expect(await here.decide(asked, 'approve', 'lea')).toMatchObject(problemOf('NOT_ELIGIBLE', 403));
    expect(await here.decide(asked, 'approve', 'georg')).toMatchObject({ body: { status: 'open', approvals_given: 2, approvals_missing: 1 } });
    expect(await here.decide(asked, 'approve', 'lea')).toMatchObject({ body: { status: 'granted', narrowed: ['/amount'] } });
  });

  test('rejecting says why, responding answers; both end it without a grant', async () => {
    const rejected = await here.ask();
    expect(await here.decide(rejected, 'reject', 'fiona', { reason_code: 'too_much', reason: 'half would do', instruction: 'reroute' })).toMatchObject({ status: 200, body: { status: 'rejected' } });
    expect((await here.show(rejected)).body).toMatchObject({ status: 'rejected', resolution: { person: 'fiona', reason_code: 'too_much', instruction: 'reroute', text: 'half would do' } });
    const answered = await here.ask();
    expect(await here.decide(answered, 'respond', 'fiona', { response: 'Send a new one.' })).toMatchObject({ status: 200, body: { status: 'answered' } });
    expect((await here.show(answered)).body).toMatchObject({ resolution: { text: 'Send a new one.' } });
    expect(await here.names(rejected)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalRejected']);
    expect(await here.names(answered)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalAnswered']);
  });

  test('invariant 11: requester may not approve: the owner of the agent is refused, and the attempt recorded', async () => {
    const asked = await here.ask();
    expect(await here.decide(asked, 'approve', 'olga')).toMatchObject(problemOf('SELF_APPROVAL', 403));
    expect((await here.events(asked)).at(-1)).toMatchObject({ name: 'VoteRefused', actorid: 'olga', data: { attempted: 'approve', code: 'SELF_APPROVAL' } });
    expect((await here.show(asked)).body).toMatchObject({ status: 'open', votes: [] });
  });

  test('invariant 12: an agent is refused without having to know anything, and the attempt recorded', async () => {
    const asked = await here.ask();
    const body = { view_hash: `sha256:${'0'.repeat(64)}` };
    expect(await here.call('POST', path(asked, 'approve'), here.agentToken(), { body })).toMatchObject(problemOf('NOT_A_PERSON', 403));
    expect(await here.call('POST', path(asked, 'revoke'), here.agentToken(), { body: { reason: 'x' } })).toMatchObject(problemOf('NOT_A_PERSON', 403));
    expect((await here.events(asked)).slice(1)).toMatchObject([
      { name: 'VoteRefused', actortype: 'agent', actorid: 'support-bot', data: { attempted: 'approve', code: 'NOT_A_PERSON' } },
      { name: 'VoteRefused', data: { attempted: 'revoke', code: 'NOT_A_PERSON' } },
    ]);
    expect(await here.call('POST', path(asked, 'approve'), here.agentToken('globex'), { body })).toMatchObject(problemOf('NOT_FOUND', 404));
    expect(await here.call('GET', path(asked), here.agentToken())).toMatchObject(problemOf('FORBIDDEN', 403));
  });

  test('a refused attempt does not make anybody else’s card stale', async () => {
    const asked = await here.ask();
    const { etag } = await here.show(asked);
    await here.call('POST', path(asked, 'approve'), here.agentToken(), { body: { view_hash: `sha256:${'0'.repeat(64)}` } });
    expect((await here.show(asked)).etag).toBe(etag);
    expect(await here.decide(asked, 'approve', 'fiona')).toMatchObject({ status: 200 });
  });

  test('refused attempts stop being recorded at the bound, and stay refused', async () => {
    const asked = await here.ask();
    for (let round = 0; round < 11; round += 1) {
      const attempts = await Promise.all(Array.from({ length: 10 }, () => here.call('POST', path(asked, 'revoke'), here.agentToken(), { body: { reason: 'x' } })));
      expect(new Set(attempts.map(({ status }) => status))).toEqual(new Set([403]));
    }
    expect((await here.names(asked)).filter((name) => name === 'VoteRefused')).toHaveLength(100);
  });

  test.each([
    ['NOT_ELIGIBLE', 403, 'approve', 'lea', {}],
    ['VIEW_CHANGED', 409, 'approve', 'fiona', { view_hash: `sha256:${'0'.repeat(64)}` }],
    ['WIDENS_AUTHORITY', 422, 'approve', 'fiona', { caps: { max_amount: { USD_MICROCENTS: '10000000001' } } }],
    ['REASON_REQUIRED', 422, 'reject', 'fiona', { reason: ' ' }],
    ['REASON_REQUIRED', 422, 'reject', 'fiona', {}],
    ['REASON_REQUIRED', 422, 'respond', 'fiona', {}],
    ['INVALID', 422, 'approve', 'fiona', { caps: { max_amount: { USD_MICROCENTS: '-1' } } }],
    ['INVALID', 422, 'approve', 'fiona', { approved: true }],
    ['INVALID', 422, 'reject', 'fiona', { reason: 'x', instruction: 'panic' }],
  ] as const)('%s is %i: %s by %s with %j', async (code, status, verb, person, body) => {
    const asked = await here.ask();
    expect(await here.decide(asked, verb, person, body)).toMatchObject(problemOf(code, status));
    expect((await here.names(asked)).slice(1)).toEqual(code === 'INVALID' ? [] : ['VoteRefused']);
  });

  test('ALREADY_DECIDED after the end; a version that moved on is STALE; none at all is asked for', async () => {
    const asked = await here.ask();
    const seen = await here.show(asked);
    const body = { view_hash: seen.body['view_hash'] };
    expect(await here.call('POST', path(asked, 'approve'), here.personToken('fiona'), { body })).toMatchObject(problemOf('IF_MATCH_REQUIRED', 428));
    expect(await here.call('POST', path(asked, 'approve'), here.personToken('fiona'), { body, ifMatch: '*' })).toMatchObject(problemOf('STALE', 412));
    await here.decide(asked, 'approve', 'fiona');
    expect(await here.call('POST', path(asked, 'approve'), here.personToken('georg'), { body, ifMatch: seen.etag })).toMatchObject(problemOf('STALE', 412));
    expect(await here.decide(asked, 'approve', 'georg')).toMatchObject(problemOf('ALREADY_DECIDED', 409));
    expect(await here.decide(asked, 'reject', 'georg', { reason: 'x' })).toMatchObject(problemOf('ALREADY_DECIDED', 409));
  });

  test('invariant 18: another tenant’s people find nothing', async () => {
    const asked = await here.ask();
    const seen = await here.show(asked);
    const stranger = here.personToken('fiona', 'globex');
    expect(await here.call('GET', path(asked), stranger)).toMatchObject(problemOf('NOT_FOUND', 404));
    for (const verb of ['approve', 'reject', 'respond', 'revoke']) {
      const body = verb === 'revoke' ? { reason: 'x' } : { view_hash: seen.body['view_hash'] };
      expect(await here.call('POST', path(asked, verb), stranger, { body, ifMatch: seen.etag })).toMatchObject(problemOf('NOT_FOUND', 404));
    }
    expect((await here.call('GET', '/v1/approvals?limit=200', stranger)).bytes).not.toContain(asked.request.approval_id);
    expect(await here.names(asked)).toEqual(['ApprovalOpened']);
  });

  test('a person without any role of the request does not see it', async () => {
    const asked = await here.ask();
    expect(await here.show(asked, 'nobody')).toMatchObject(problemOf('NOT_FOUND', 404));
    expect(await here.show(asked, 'georg')).toMatchObject({ status: 200 });
    expect(await here.show(asked, 'pia')).toMatchObject({ status: 200 });
  });

  test('invariant 21: the same key replays the first answer byte for byte, another body is refused, no event is added', async () => {
    const asked = await here.ask();
    const seen = await here.show(asked);
    const key = newId();
    const send = (body: object) => here.call('POST', path(asked, 'approve'), here.personToken('fiona'), { body: { view_hash: seen.body['view_hash'], ...body }, ifMatch: seen.etag, key });
    const first = await send({});
    const events = await here.names(asked);
    const again = await send({});
    expect(first.status).toBe(200);
    expect(again.bytes).toBe(first.bytes);
    expect(again.etag).toBe(first.etag);
    expect(await send({ rationale: 'other' })).toMatchObject(problemOf('IDEMPOTENCY_KEY_REUSED', 422));
    expect(await here.names(asked)).toEqual(events);
  });

  test('invariant 21: a refusal is replayed too', async () => {
    const asked = await here.ask();
    const key = newId();
    const first = await here.decide(asked, 'approve', 'lea', {}, key);
    expect((await here.decide(asked, 'approve', 'lea', {}, key)).bytes).toBe(first.bytes);
    expect(await here.names(asked)).toEqual(['ApprovalOpened', 'VoteRefused']);
  });

  test('invariant 14: approve and reject at once have one outcome', async () => {
    for (let round = 0; round < 10; round += 1) {
      const asked = await here.ask();
      const seen = await here.show(asked);
      const send = (verb: string, person: string, body: object) => here.call('POST', path(asked, verb), here.personToken(person), { body: { view_hash: seen.body['view_hash'], ...body }, ifMatch: seen.etag });
      const answers = await here.atOnce(asked, [() => send('approve', 'fiona', {}), () => send('reject', 'georg', { reason: 'no' })]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
      const ends = (await here.names(asked)).filter((name) => ['ApprovalGranted', 'ApprovalRejected'].includes(name));
      expect(ends).toHaveLength(1);
      const [row] = await here.rows<{ status: string }>('SELECT status FROM approval_request WHERE approval_id = $1', [asked.request.approval_id]);
      expect(row?.status).toBe(ends[0] === 'ApprovalGranted' ? 'granted' : 'rejected');
    }
  });

  test('invariant 11: one person voting twice at once counts once', async () => {
    const asked = await here.ask({ more: { demand: { stages: [{ roles: ['finance'], quorum: 2 }], distinct: true, ttl_ms: 1, on_timeout: 'deny' } } });
    const seen = await here.show(asked);
    const send = () => here.call('POST', path(asked, 'approve'), here.personToken('fiona'), { body: { view_hash: seen.body['view_hash'] }, ifMatch: seen.etag });
    const answers = await here.atOnce(asked, [send, send, send]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await here.show(asked)).body).toMatchObject({ status: 'open', quorum: { approvals: [{ person: 'fiona' }] } });
  });

  test('invariant 26: the card and its hash are recomputed from the stored bytes alone', async () => {
    const asked = await here.ask({ args: { account: 'acct_42', amount: '100.00', note: 'ok\u202e\u200b' } });
    await here.decide(asked, 'approve', 'fiona');
    const [opened, voted, granted] = await here.events(asked);
    if (opened === undefined) throw new Error('not opened');
    const sealed = await here.opened<{ salt: string; card: string; proposal: SealedProposal; context: string }>(asked, opened);
    const card = renderCard(requestOf(opened.data as unknown as OpenedData), sealed.proposal, contextOf(sealed.context));
    expect(canonicalText(card as unknown as JsonValue)).toBe(sealed.card);
    const hash = viewHash(Buffer.from(sealed.salt, 'base64url'), card);
    expect([opened.data['view_hash'], voted?.data['view_hash'], granted?.data['view_hash']]).toEqual([hash, hash, hash]);
    expect(card.warnings.map(({ found }) => found)).toEqual(['direction_controls', 'invisible_characters']);
  });

  test('invariant 30: a canary in arguments, target, reasoning, rationale and reason is in no event, topic, row or answer kept', async () => {
    const canary = `canary-${newId()}`;
    const asked = await here.ask({ args: { account: canary, amount: '100.00' }, sealed: { reasoning: `because ${canary}`, target: canary, business_impact: canary } });
    const key = newId();
    await here.decide(asked, 'approve', 'fiona', { rationale: canary, caps: { max_amount: { USD_MICROCENTS: '4200000000' } } }, key);
    await here.call('POST', path(asked, 'revoke'), here.personToken('fiona'), { body: { reason: canary } });
    expect((await here.show(asked)).bytes).toContain(canary);
    await here.until('the relay has published it', async () => (await here.adminRows('SELECT FROM bus.message WHERE key = $1', [`acme/approval/${asked.request.approval_id}`])).length === 4);
    const tables = await here.adminRows<{ table: string }>("SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS table FROM information_schema.tables WHERE table_schema IN ('approvals', 'bus', 'keystore') AND table_type = 'BASE TABLE'");
    expect(tables.length).toBeGreaterThan(5);
    for (const { table } of tables) {
      const hits = await here.adminRows(`SELECT 1 FROM ${table} AS t WHERE t::text LIKE $1 OR t::text LIKE $2`, [`%${canary}%`, `%${Buffer.from(canary).toString('hex')}%`]);
      expect([table, hits.length]).toEqual([table, 0]);
    }
  });
});
