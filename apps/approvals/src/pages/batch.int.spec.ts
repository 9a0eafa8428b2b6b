import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Installation, type Asked } from '../spec/installation.js';

interface Page {
  readonly status: number;
  readonly text: string;
  readonly cookie: string;
  readonly location: string | null;
}

describe('the queue’s pages: groups decided together, and saved views', () => {
  let here: Installation;
  let cookie: string;
  beforeAll(async () => {
    here = await Installation.start();
    cookie = await signIn('fiona');
  });
  afterAll(() => here.stop());

  const read = async (answer: Response): Promise<Page> => ({ status: answer.status, text: await answer.text(), cookie: answer.headers.get('set-cookie')?.split(';')[0] ?? '', location: answer.headers.get('location') });
  const get = async (path: string, with_ = cookie): Promise<Page> => read(await fetch(`${here.origin}${path}`, { headers: with_ === undefined ? {} : { cookie: with_ }, redirect: 'manual' }));
  const post = async (path: string, fields: Record<string, string>, with_ = cookie): Promise<Page> => read(await fetch(`${here.origin}${path}`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', cookie: with_ }, body: new URLSearchParams(fields).toString(), redirect: 'manual' }));
  const signIn = async (person: string): Promise<string> => {
    const login = await get('/login', '');
    return (await post('/login', { csrf: /name="csrf" value="([^"]+)"/.exec(login.text)?.[1] ?? '', token: here.personToken(person), next: '/queue' }, login.cookie)).cookie;
  };
  const unescaped = (text: string): string => text.replaceAll('&quot;', '"').replaceAll('&amp;', '&');
  /** Hidden fields of the form that decides so. */
  const formOf = (page: string, decision: 'approve' | 'reject'): Record<string, string> => {
    const form = page.split('<form').find((each) => each.includes(`name="decision" value="${decision}"`)) ?? '';
    return Object.fromEntries([...form.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, unescaped(value)]));
  };
  const askAlike = async (count: number, rule: string, undo: boolean): Promise<readonly Asked[]> => {
    const { facts } = (await here.ask()).request;
    const asked: Asked[] = [];
    for (let n = 0; n < count; n += 1) asked.push(await here.ask({ more: { rule_id: rule, facts: { ...facts, has_reversal: undo } } }));
    return asked;
  };
  const groupPath = async (rule: string): Promise<string> => {
    const groups = await get('/queue/groups');
    const entry = groups.text.split('<li').find((each) => each.includes(`rule ${rule}<`)) ?? '';
    return /href="(\/queue\/groups\/[0-9a-f]{32})"/.exec(entry)?.[1] ?? '';
  };
  const statusOf = async (asked: Asked): Promise<unknown> => (await here.show(asked)).body['status'];

  test('a group is shown and approved as shown; one that moved on meanwhile is left out and named', async () => {
    const asked = await askAlike(3, 'page-batch', true);
    const path = await groupPath('page-batch');
    const page = await get(path);
    expect(page.text).toContain('Approve all 3');
    const [first, ...others] = asked;
    if (first === undefined) throw new Error('asked three');
    await here.decide(first, 'reject', 'georg', { reason: 'no' });
    const decided = await post(path, { ...formOf(page.text, 'approve'), rationale: 'all alike' });
    expect([decided.status, decided.text.includes('2 decided, 1 not.'), decided.text.includes('<strong>STALE</strong>')]).toEqual([200, true, true]);
    for (const each of others) expect((await here.show(each)).body).toMatchObject({ status: 'granted', votes: [{ person: 'fiona', rationale: 'all alike' }] });
    // Sent again, as by reloading: everything has moved on, and nothing happens.
    expect((await post(path, { ...formOf(page.text, 'approve') })).text).toContain('0 decided, 3 not.');
    expect(await here.names(others[0] as Asked)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalGranted']);
  });

  test('what cannot be undone has no button to approve it together, and a forged form does not help; it can be rejected together, with words', async () => {
    const asked = await askAlike(2, 'page-final', false);
    const path = await groupPath('page-final');
    const page = await get(path);
    expect([page.text.includes('2 of these cannot be undone'), page.text.includes('value="approve"')]).toEqual([true, false]);
    const forged = await post(path, { ...formOf(page.text, 'reject'), decision: 'approve' });
    expect([forged.text.includes('0 decided, 2 not.'), await statusOf(asked[0] as Asked)]).toEqual([true, 'open']);
    const silent = await post(path, formOf(page.text, 'reject'));
    expect([silent.status, silent.text.includes('Say why; the agents are told.')]).toEqual([422, true]);
    expect((await post(path, { ...formOf(page.text, 'reject'), reason: 'none of these', reason_code: 'wrong_target', instruction: 'reroute' })).text).toContain('2 decided.');
    for (const each of asked) expect((await here.show(each)).body).toMatchObject({ status: 'rejected', resolution: { person: 'fiona', text: 'none of these', reason_code: 'wrong_target', instruction: 'reroute' } });
  });

  test('another set than the one shown, or a form of somebody else, decides nothing', async () => {
    const asked = await askAlike(2, 'page-set', true);
    const path = await groupPath('page-set');
    const form = formOf((await get(path)).text, 'approve');
    const fewer = JSON.stringify((JSON.parse(form['items'] ?? '[]') as unknown[]).slice(1));
    for (const [fields, status] of [[{ ...form, items: fewer }, 412], [{ ...form, expected_count: '3' }, 412], [{ ...form, items: '[' }, 422], [{ ...form, expected_count: 'x' }, 422], [{ ...form, csrf: 'forged' }, 403]] as const) expect((await post(path, fields)).status).toBe(status);
    expect((await post(path, form, await signIn('georg'))).status).toBe(403);
    expect(await statusOf(asked[0] as Asked)).toBe('open');
    expect((await get(path, '')).location).toBe(`/login?next=${encodeURIComponent(path)}`);
    expect((await get('/queue/groups/%00')).status).toBeLessThan(500);
  });

  test('a view is saved from the page, used there and over the API, and forgotten; it is nobody else’s', async () => {
    await here.ask();
    const csrf = (await get('/queue?kind=payment.refund')).text.match(/name="csrf" value="([^"]+)"/)?.[1] ?? '';
    const saved = await post('/queue/views', { csrf, name: 'refunds', kind: 'payment.refund', agent: '', view: '', do: 'save' });
    expect([saved.status, saved.location]).toEqual([303, '/queue?saved=refunds']);
    expect((await get('/queue?saved=refunds')).text).toMatch(/aria-current="page">refunds<.*payment\.refund/s);
    const list = (path: string, person = 'fiona') => here.call('GET', path, here.personToken(person));
    expect((await list('/v1/approvals/views')).body).toEqual({ items: [{ name: 'refunds', query: { kind: 'payment.refund' } }] });
    expect(((await list('/v1/approvals?view=refunds')).body['items'] as unknown[]).length).toBeGreaterThan(0);
    expect((await list('/v1/approvals?view=refunds&kind=other.kind')).body['items']).toEqual([]);
    expect((await list('/v1/approvals/counts?view=refunds')).status).toBe(200);
    expect(await list('/v1/approvals?view=refunds', 'georg')).toMatchObject({ status: 404 });
    const keep = (body: object) => here.call('POST', '/v1/approvals/views', here.personToken('fiona'), { body });
    expect(await keep({ name: 'late', query: { sla_due: true, min_risk_points: 10 } })).toMatchObject({ status: 200 });
    for (const query of [{ cursor: 'x' }, { view: 'late' }, { kind: 1 }]) expect(await keep({ name: 'bad', query })).toMatchObject({ status: 422 });
    expect(await list('/v1/approvals?opened_before=2026-99-99T99%3A99%3A99Z')).toMatchObject({ status: 422 });
    expect((await get('/queue?saved=late')).status).toBe(200);
    expect((await get('/queue?saved=unknown')).status).toBe(404);
    expect((await post('/queue/views', { csrf, name: 'refunds', do: 'remove' })).location).toBe('/queue');
    expect(await here.call('POST', '/v1/approvals/views/late/remove', here.personToken('fiona'))).toMatchObject({ status: 200 });
    expect((await list('/v1/approvals/views')).body).toEqual({ items: [] });
  });
});
