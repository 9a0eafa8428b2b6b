import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { contextOf, renderCard, requestOf, viewHash, type OpenedData, type RequestFacts } from '@exequatur/approvals-domain';
import type { SealedProposal } from '@exequatur/contracts';
import { canonicalText, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { Installation, type Asked } from '../spec/installation.js';

describe('decisions besides yes and no', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const two = { stages: [{ roles: ['finance'], quorum: 2 }], distinct: true, ttl_ms: 3_600_000, on_timeout: 'deny' as const };
  const senior = { ...two, on_timeout: 'escalate' as const, escalate_to: 'cfo', escalation_ms: 3_600_000 };
  const code = (body: Record<string, unknown>): unknown => body['code'];
  const path = ({ request }: Asked, verb: string): string => `/v1/approvals/${request.approval_id}/${verb}`;
  const EDITED = { account: 'acct_42', amount: '60.00', note: 'half of it' };

  test('an edit is granted exactly, and its card is recomputed from the stored bytes (invariant 26)', async () => {
    const asked = await here.ask();
    const answer = await here.decide(asked, 'edit', 'fiona', { arguments: EDITED, rationale: 'half' });
    expect(answer).toMatchObject({ status: 200, body: { status: 'granted', narrowed: ['/amount', '/note'] } });
    expect(await here.names(asked)).toEqual(['ApprovalOpened', 'ApprovalEdited', 'ApprovalVoted', 'ApprovalGranted']);
    const [opened, edited, , granted] = await here.events(asked);
    if (opened === undefined || edited === undefined || granted === undefined) throw new Error('four events');
    const { salt, proposal } = await here.opened<{ salt: string; proposal: SealedProposal }>(asked, opened);
    const sealed = await here.opened<{ arguments: string; card: string; context: string }>(asked, edited);
    expect(sealed.arguments).toBe(canonicalText(EDITED));
    const card = renderCard(requestOf(opened.data as unknown as OpenedData), { ...proposal, arguments: sealed.arguments }, contextOf(sealed.context));
    expect(viewHash(Buffer.from(salt, 'base64url'), card)).toBe(edited.data['view_hash']);
    expect(granted.data).toMatchObject({ view_hash: edited.data['view_hash'], granted_arguments_hash: saltedHash(Buffer.from(salt, 'base64url'), Buffer.from(canonicalText(EDITED))) });
  });

  test('an edit that widens is refused and recorded; votes for other arguments are void', async () => {
    const asked = await here.ask({ more: { demand: two } });
    expect(await here.decide(asked, 'edit', 'fiona', { arguments: { ...EDITED, amount: '500.00' } })).toMatchObject({ status: 422, body: { code: 'WIDENS_AUTHORITY' } });
    await here.decide(asked, 'approve', 'fiona');
    expect(await here.decide(asked, 'edit', 'georg', { arguments: EDITED })).toMatchObject({ status: 200, body: { status: 'open', approvals_given: 1, approvals_missing: 1 } });
    const seen = (await here.show(asked)).body;
    expect(seen).toMatchObject({ votes: [{ person: 'fiona', void: true }, { person: 'georg' }], narrowed: [{ pointer: '/amount', proposed: '"100.00"', accepted: '"60.00"' }, { pointer: '/note' }], card: { more: { edited: { by: 'georg' } } } });
    expect(await here.decide(asked, 'approve', 'fiona')).toMatchObject({ status: 200, body: { status: 'granted' } });
    expect((await here.events(asked)).find(({ name }) => name === 'VoteRefused')?.data).toMatchObject({ attempted: 'edit', code: 'WIDENS_AUTHORITY' });
  });

  test('a vote on a card that an answer has replaced is VIEW_CHANGED', async () => {
    const asked = await here.ask();
    const before = await here.show(asked);
    expect(await here.act(asked, 'request-information', 'fiona', { question: 'Which order\u202e?' })).toMatchObject({ status: 200 });
    const agent = here.agentToken();
    const questions = (await here.call('GET', path(asked, 'questions'), agent)).body['items'] as { question_id: string; question: string; answered: boolean }[];
    expect(questions).toMatchObject([{ question: 'Which order\u202e?', answered: false }]);
    const give = () => here.call('POST', path(asked, 'give-information'), agent, { body: { question_id: questions[0]?.question_id, answer: 'Order 17' } });
    expect(await give()).toMatchObject({ status: 200, body: { approval_id: asked.request.approval_id } });
    expect(await give()).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    const now = await here.show(asked);
    expect(now.body).toMatchObject({ card: { more: { exchanges: [{ asked_by: 'fiona', question: 'Which order\\u202e?', answered_by: 'support-bot', answer: 'Order 17' }] } } });
    expect(now.body['view_hash']).not.toBe(before.body['view_hash']);
    expect(await here.call('POST', path(asked, 'approve'), here.personToken('fiona'), { body: { view_hash: before.body['view_hash'] }, ifMatch: now.etag })).toMatchObject({ status: 409, body: { code: 'VIEW_CHANGED' } });
    expect(await here.decide(asked, 'approve', 'fiona')).toMatchObject({ body: { status: 'granted' } });
  });

  test('agents and models remark inside their scope, marked with their source; outside it the request does not exist', async () => {
    const asked = await here.ask();
    const scorer = await here.addAgent('risk-scorer', 'tenant:acme/workspace:support');
    const stranger = await here.addAgent('sales-bot', 'tenant:acme/workspace:sales');
    const remark = { source: 'risk-model-3', score: '0.82', text: '<b>Unusual</b>' };
    expect(await here.call('POST', path(asked, 'annotate'), scorer, { body: remark })).toMatchObject({ status: 200 });
    expect(await here.call('POST', path(asked, 'annotate'), stranger, { body: remark })).toMatchObject({ status: 404 });
    expect((await here.show(asked)).body).toMatchObject({ status: 'open', votes: [], card: { more: { annotations: [{ by: 'risk-scorer', by_type: 'agent', by_requester: false, source: 'risk-model-3', score: '0.82', text: '<b>Unusual</b>' }] }, warnings: [{ where: 'remark', found: 'markup' }] } });
    expect(await here.call('GET', path(asked, 'questions'), scorer)).toMatchObject({ status: 404 });
  });

  test('invariant 11: an agent is refused on every decision route, and each attempt is an event', async () => {
    const asked = await here.ask();
    const { view_hash } = (await here.show(asked)).body;
    const bodies: readonly [string, object][] = [
      ['approve', { view_hash }], ['reject', { view_hash, reason: 'x' }], ['respond', { view_hash, response: 'x' }], ['edit', { view_hash, arguments: EDITED }], ['break-glass', { view_hash, reason: 'x' }], ['revoke', { reason: 'x' }],
      ['defer', { until: new Date(Date.now() + 60_000).toISOString() }], ['assign', {}], ['escalate', { to_person: 'fiona' }], ['request-information', { question: 'x' }], ['review', { judgement: 'justified', words: 'x' }],
    ];
    for (const [verb, body] of bodies) expect([verb, await here.call('POST', path(asked, verb), here.agentToken(), { body })]).toMatchObject([verb, { status: 403, body: { code: 'NOT_A_PERSON' } }]);
    const refused = (await here.events(asked)).filter(({ name }) => name === 'VoteRefused');
    expect(refused.map(({ data }) => data['attempted'])).toEqual(bodies.map(([verb]) => verb));
  });

  test('deferred, assigned, escalated: said to others, and If-Match guards each', async () => {
    const asked = await here.ask({ more: { demand: senior } });
    const until = new Date(Date.now() + 600_000).toISOString();
    expect(await here.act(asked, 'assign', 'georg')).toMatchObject({ status: 200, body: { assigned_to: 'georg' } });
    expect(await here.act(asked, 'defer', 'fiona', { until, reason: 'after the call' })).toMatchObject({ status: 200 });
    expect(await here.act(asked, 'escalate', 'fiona', { to_role: 'cfo', reason: 'above my line' })).toMatchObject({ status: 200 });
    expect(await here.act(asked, 'escalate', 'fiona', { to_role: 'intern' })).toMatchObject({ status: 422, body: { code: 'WIDENS_AUTHORITY' } });
    expect(await here.act(asked, 'escalate', 'fiona', { to_person: 'unheard-of' })).toMatchObject({ status: 422, body: { code: 'INVALID' } });
    expect(await here.act(asked, 'escalate', 'fiona', { to_person: 'nobody' })).toMatchObject({ status: 200 });
    expect((await here.show(asked, 'nobody')).body).toMatchObject({ status: 'open', assigned: { person: 'georg' }, deferred: { person: 'fiona', until }, escalated_to: { roles: ['cfo'], people: ['nobody'] } });
    expect(code((await here.decide(asked, 'approve', 'nobody')).body)).toBe('NOT_ELIGIBLE');
    for (const verb of ['defer', 'assign', 'escalate', 'request-information']) {
      const body = verb === 'defer' ? { until } : {};
      expect(await here.call('POST', path(asked, verb), here.personToken('fiona'), { body })).toMatchObject({ status: 428 });
      expect(await here.call('POST', path(asked, verb), here.personToken('fiona'), { body, ifMatch: '"1"' })).toMatchObject({ status: 412 });
    }
    expect((await here.decide(asked, 'approve', 'carla')).body).toMatchObject({ status: 'open', approvals_given: 1 });
    expect((await here.decide(asked, 'approve', 'fiona')).body).toMatchObject({ status: 'granted' });
    const mine = await here.call('GET', '/v1/approvals?mine=true&include_resolved=true', here.personToken('nobody'));
    expect((mine.body['items'] as { approval_id: string }[]).map(({ approval_id }) => approval_id)).toEqual([asked.request.approval_id]);
  });

  test('the loser of two decisions is told who decided', async () => {
    const asked = await here.ask();
    const seen = await here.show(asked);
    await here.decide(asked, 'reject', 'georg', { reason: 'no' });
    const late = (ifMatch: string) => here.call('POST', path(asked, 'approve'), here.personToken('fiona'), { body: { view_hash: seen.body['view_hash'] }, ifMatch });
    expect(await late(seen.etag)).toMatchObject({ status: 412, body: { code: 'STALE', detail: 'the request is rejected by georg' } });
    expect(await late((await here.show(asked)).etag)).toMatchObject({ status: 409, body: { code: 'ALREADY_DECIDED', detail: 'the request is rejected by georg' } });
  });

  test('invariant 27: silence goes to the senior role for a second term, and only then ends', async () => {
    const asked = await here.ask({ expiresInMs: 300, more: { demand: { ...senior, stages: [{ roles: ['finance'], quorum: 1 }] } } });
    await here.until('it is escalated', async () => (await here.names(asked)).includes('ApprovalEscalated'));
    expect((await here.events(asked)).at(-1)).toMatchObject({ actortype: 'system', data: { cause: 'timeout', to_role: 'cfo' } });
    expect((await here.show(asked, 'carla')).body).toMatchObject({ status: 'open', on_timeout: 'escalate' });
    expect((await here.decide(asked, 'approve', 'carla')).body).toMatchObject({ status: 'granted' });
    const silent = await here.ask({ expiresInMs: 300, more: { demand: { ...senior, escalation_ms: 300 } } });
    await here.until('it expires', async () => (await here.names(silent)).includes('ApprovalExpired'));
    expect((await here.events(silent)).at(-1)).toMatchObject({ actortype: 'system', data: { on_timeout: 'escalate' } });
    const noop = await here.ask({ expiresInMs: 300, more: { demand: { ...two, on_timeout: 'expire' } } });
    await here.until('it expires', async () => (await here.names(noop)).includes('ApprovalExpired'));
    expect((await here.events(noop)).at(-1)).toMatchObject({ data: { on_timeout: 'expire' } });
  });

  test('before the SLA is over people are reminded, which makes nobody’s card stale', async () => {
    const asked = await here.ask({ more: { demand: { ...two, ttl_ms: 3_600_000, sla_ms: 1 } } });
    const seen = await here.show(asked);
    await here.until('it is reminded', async () => (await here.names(asked)).includes('ApprovalReminded'));
    expect(await here.call('POST', path(asked, 'approve'), here.personToken('fiona'), { body: { view_hash: seen.body['view_hash'] }, ifMatch: seen.etag })).toMatchObject({ status: 200 });
  });

  test('invariant 11: a vote lapses when its person loses the role before the quorum is full', async () => {
    const asked = await here.ask({ more: { demand: two } });
    await here.decide(asked, 'approve', 'georg');
    await here.changeRoles('georg', ['intern']);
    try {
      expect((await here.decide(asked, 'approve', 'fiona')).body).toMatchObject({ status: 'open', approvals_given: 1 });
      expect(await here.names(asked)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'VoteLapsed', 'ApprovalVoted']);
    } finally {
      await here.changeRoles('georg', ['finance']);
    }
    expect((await here.decide(asked, 'approve', 'georg')).body).toMatchObject({ status: 'granted' });
  });

  test('breaking the glass: one use, minutes, an emergency in the queue until somebody else has reviewed it', async () => {
    const asked = await here.ask({ more: { demand: two } });
    expect(await here.decide(asked, 'break-glass', 'fiona', { reason: 'outage' })).toMatchObject({ status: 403, body: { code: 'NOT_ELIGIBLE' } });
    expect(await here.decide(asked, 'break-glass', 'erin', { reason: 'outage' })).toMatchObject({ status: 200, body: { status: 'granted', emergency: true } });
    const granted = (await here.events(asked)).find(({ name }) => name === 'ApprovalGranted');
    expect(granted?.data).toMatchObject({ emergency: true, approver_ids: ['erin'] });
    const list = async () => ((await here.call('GET', '/v1/approvals?to_review=true', here.personToken('pia'))).body['items'] as { approval_id: string }[]).map(({ approval_id }) => approval_id);
    expect(await list()).toEqual([asked.request.approval_id]);
    expect(await here.act(asked, 'review', 'erin', { judgement: 'justified', words: 'mine' })).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    expect(await here.act(asked, 'review', 'pia', { judgement: 'not_justified', words: 'it could wait' })).toMatchObject({ status: 200 });
    expect(await list()).toEqual([]);
    expect((await here.show(asked)).body).toMatchObject({ status: 'granted', emergency: { person: 'erin', judgement: 'not_justified', reviewed_by: 'pia', words: 'it could wait' }, resolution: { person: 'erin' } });
  });

  test('the card names the last approved action like it and earlier rejections, without keeping their content (invariant 29)', async () => {
    const tenant = 'globex';
    const first = await here.ask({ tenant, args: { account: 'acct_7', amount: '100.00', note: 'first' } });
    await here.decide(first, 'approve', 'fiona');
    const second = await here.ask({ tenant, args: { account: 'acct_7', amount: '100.00', reason: 'second' } });
    await here.decide(second, 'reject', 'georg', { reason: 'secret words', reason_code: 'too_much' });
    const third = await here.ask({ tenant, args: { account: 'acct_8', amount: '100.00', note: 'third' } });
    const { card } = (await here.show(third)).body;
    expect(card).toMatchObject({ more: { similar: { approval_id: first.request.approval_id, decided_by: 'fiona', changed: ['/account', '/note'], added: [], removed: [], unchanged: 1 }, earlier_rejections: [{ approval_id: second.request.approval_id, person: 'georg', reason_code: 'too_much' }] } });
    for (const earlier of ['acct_7', 'first', 'secret words']) expect(JSON.stringify(card)).not.toContain(earlier);
  });

  test('an edit beyond what was asked for ends the request and goes to policy as an action of its own, which its editor cannot approve', async () => {
    const asked = await here.ask();
    const wider = { account: 'acct_42', amount: '500.00', note: 'all of it' };
    expect(await here.decide(asked, 'edit', 'fiona', { arguments: wider })).toMatchObject({ status: 422, body: { code: 'WIDENS_AUTHORITY' } });
    expect(await here.decide(asked, 'edit', 'fiona', { arguments: wider, rationale: 'all broken', as_new_action: true })).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect((await here.names(asked)).slice(-2)).toEqual(['EditProposed', 'ApprovalCancelled']);
    const proposed = (await here.events(asked)).find(({ name }) => name === 'EditProposed');
    expect(proposed?.data).toMatchObject({ person: 'fiona', edited: ['/amount', '/note'] });
    expect(JSON.stringify(proposed?.data)).not.toContain('500.00');
    expect(proposed === undefined ? undefined : await here.opened(asked, proposed)).toEqual({ arguments: canonicalText(wider), rationale: 'all broken' });
    // As policy publishes what it decided on them.
    const follower = await here.ask({ args: wider, amount: '50000000000', more: { follows: asked.request.action_id, edited_by: 'fiona' } });
    expect((await here.show(follower)).body).toMatchObject({ follows: asked.request.action_id, edited_by: 'fiona', card: { more: { edited: { by: 'fiona', changes: [{ pointer: '/amount', before: '', now: '"500.00"' }, { pointer: '/note' }] } } } });
    expect(await here.decide(follower, 'approve', 'fiona')).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    expect(await here.decide(follower, 'approve', 'georg')).toMatchObject({ status: 200, body: { status: 'granted' } });
    expect(await here.decide(asked, 'edit', 'fiona', { arguments: wider, as_new_action: true })).toMatchObject({ status: 409, body: { code: 'ALREADY_DECIDED', detail: 'the request is cancelled by fiona' } });
  });

  test('people reject with a reason code of their tenant; the list is the tenant’s own, another code is refused with it', async () => {
    const list = '/v1/approvals/rejection-reasons';
    const defaults = ['wrong_facts', 'wrong_target', 'too_much', 'not_now', 'against_policy', 'other'];
    expect((await here.call('GET', list, here.personToken('fiona'))).body).toEqual({ codes: defaults, own: false });
    const asked = await here.ask();
    expect(await here.decide(asked, 'reject', 'fiona', { reason: 'no', reason_code: 'because' })).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED', detail: `reject with one of: ${defaults.join(', ')}` } });
    expect(await here.call('POST', list, here.personToken('fiona'), { body: { codes: ['because'] } })).toMatchObject({ status: 403 });
    await here.changeRoles('olga', ['admin']);
    expect(await here.call('POST', list, here.personToken('olga'), { body: { codes: ['because', 'because'] } })).toMatchObject({ status: 422, body: { code: 'INVALID' } });
    expect((await here.call('POST', list, here.personToken('olga'), { body: { codes: ['because'] } })).body).toEqual({ codes: ['because'], own: true });
    expect(await here.decide(asked, 'reject', 'fiona', { reason: 'no', reason_code: 'wrong_facts' })).toMatchObject({ status: 422, body: { detail: 'reject with one of: because' } });
    expect(await here.decide(asked, 'reject', 'fiona', { reason: 'no', reason_code: 'because' })).toMatchObject({ status: 200, body: { status: 'rejected' } });
    expect((await here.call('GET', list, here.personToken('fiona', 'globex'))).body).toMatchObject({ own: false });
    expect(await here.rows("SELECT FROM event WHERE type LIKE '%.RejectionReasonsSet.%'")).toHaveLength(1);
  });

  test('P11: a request of another run that differs from a rejected one only in declared places shows that rejection', async () => {
    const tenant = 'globex';
    const demand = { stages: [{ roles: ['finance'], quorum: 1 }], distinct: true, ttl_ms: 3_600_000, on_timeout: 'deny' as const, alike_except: ['/note', '/lines'] };
    const { facts } = (await here.ask({ tenant })).request;
    const sent = (run_id: string, args: JsonValue, asking: RequestFacts['demand'] = demand, target = 'acct_9') => here.ask({ tenant, args, sealed: { target }, more: { facts: { ...facts, run_id }, demand: asking } });
    const first = await sent('alike-1', { account: 'acct_9', amount: '10.00', note: 'please', lines: [{ text: 'a' }] });
    await here.decide(first, 'reject', 'georg', { reason: 'no', reason_code: 'too_much' });
    const earlierOn = async (asked: typeof first): Promise<unknown> => ((await here.show(asked)).body as { card: { more: { earlier_rejections: unknown } } }).card.more.earlier_rejections;
    const shown = [{ approval_id: first.request.approval_id, at: expect.any(String), person: 'georg', reason_code: 'too_much', instruction: expect.any(String) }];
    expect(await earlierOn(await sent('alike-2', { account: 'acct_9', amount: '10.00', note: 'really, please', lines: [{ text: 'b' }, { text: 'c' }] }))).toEqual(shown);
    expect(await earlierOn(await sent('alike-3', { account: 'acct_9', amount: '10.01', note: 'please', lines: [{ text: 'a' }] }))).toEqual([]);
    expect(await earlierOn(await sent('alike-4', { account: 'acct_9', amount: '10.00', note: 'other', lines: [] }, demand, 'acct_10'))).toEqual([]);
    const { alike_except: _none, ...plain } = demand;
    expect(await earlierOn(await sent('alike-5', { account: 'acct_9', amount: '10.00', note: 'other', lines: [] }, plain))).toEqual([]);
  });
});
