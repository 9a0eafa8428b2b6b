import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Installation, type Asked } from '../spec/installation.js';

describe('the forms of every other decision', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const get = async (path: string, cookie = ''): Promise<{ status: number; text: string; cookie: string; location: string | null }> => {
    const answer = await fetch(`${here.origin}${path}`, { headers: cookie === '' ? {} : { cookie }, redirect: 'manual' });
    return { status: answer.status, text: await answer.text(), cookie: answer.headers.get('set-cookie')?.split(';')[0] ?? '', location: answer.headers.get('location') };
  };
  const post = async (path: string, fields: Record<string, string>, cookie: string): Promise<{ status: number; text: string; cookie: string; location: string | null }> => {
    const answer = await fetch(`${here.origin}${path}`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', cookie }, body: new URLSearchParams(fields).toString(), redirect: 'manual' });
    return { status: answer.status, text: await answer.text(), cookie: answer.headers.get('set-cookie')?.split(';')[0] ?? '', location: answer.headers.get('location') };
  };
  const signIn = async (person: string): Promise<string> => {
    const login = await get('/login');
    return (await post('/login', { csrf: /name="csrf" value="([^"]+)"/.exec(login.text)?.[1] ?? '', token: here.personToken(person), next: '/queue' }, login.cookie)).cookie;
  };
  const hidden = (page: string): Record<string, string> => Object.fromEntries(['csrf', 'version', 'view_hash'].map((name) => [name, new RegExp(`name="${name}" value="([^"]+)"`).exec(page)?.[1] ?? '']));
  /** Opens the page of a request as this person and sends one of its forms. */
  const send = async (asked: Asked, person: string, form: string, fields: Record<string, string>) => {
    const cookie = await signIn(person);
    const path = `/approvals/${asked.request.approval_id}`;
    const { text } = await get(path, cookie);
    return { page: text, answer: await post(`${path}/${form}`, { ...hidden(text), ...fields }, cookie), after: async () => (await get(path, cookie)).text };
  };
  const senior = { stages: [{ roles: ['finance'], quorum: 1 }], distinct: true, ttl_ms: 3_600_000, on_timeout: 'escalate' as const, escalate_to: 'cfo' };

  test('changing the arguments: each value has its field, what widens is said beside them', async () => {
    const asked = await here.ask();
    const names = { '/account': 'leaf_0', '/amount': 'leaf_1', '/note': 'leaf_2' };
    const same = { leaf_0: 'acct_42', leaf_1: '100.00', leaf_2: 'broken on arrival' };
    expect((await send(asked, 'fiona', 'edit', same)).answer).toMatchObject({ status: 422, text: expect.stringContaining('Nothing is changed here') as unknown });
    expect((await send(asked, 'fiona', 'edit', { ...same, [names['/amount']]: '900.00' })).answer).toMatchObject({ status: 422, text: expect.stringContaining('this is more than was proposed') as unknown });
    const { answer, after } = await send(asked, 'fiona', 'edit', { ...same, [names['/amount']]: '60.00', rationale: 'half' });
    expect([answer.status, answer.location]).toEqual([303, `/approvals/${asked.request.approval_id}?done=edit`]);
    expect(await after()).toContain('changed what the agent proposed');
    expect((await here.show(asked)).body).toMatchObject({ status: 'granted', narrowed: [{ pointer: '/amount', proposed: '"100.00"', accepted: '"60.00"' }] });
  });

  test('a value that a form would not show truly has no field and stays as it is', async () => {
    const asked = await here.ask({ args: { account: 'acct_42', amount: '100.00', note: 'hidden\u200b' } });
    const { page } = await send(asked, 'fiona', 'edit', { leaf_0: 'acct_42', leaf_1: '50.00', leaf_2: 'overwritten' });
    expect(page).not.toContain('name="leaf_2"');
    expect((await here.show(asked)).body).toMatchObject({ status: 'granted', narrowed: [{ pointer: '/amount' }] });
  });

  test('asking, taking, putting off, escalating: said on the page and in the queue', async () => {
    const asked = await here.ask({ more: { demand: senior } });
    for (const [form, fields] of [['ask', { question: '<i>Which</i> order?' }], ['assign', { minutes: '15' }], ['defer', { minutes: '15', reason: 'later' }], ['escalate', { to_role: 'cfo', to_person: 'nobody' }]] as const) {
      expect([form, (await send(asked, 'fiona', form, fields)).answer.status]).toEqual([form, 303]);
    }
    const cookie = await signIn('carla');
    const page = (await get(`/approvals/${asked.request.approval_id}`, cookie)).text;
    for (const said of ['looks at it until', 'Put off by', 'cfo may answer too', 'Asked by name: nobody', '&lt;i&gt;Which&lt;/i&gt; order?', 'id="approve-form"']) expect(page).toContain(said);
    const queue = (await get('/queue', cookie)).text;
    for (const said of ['fiona looks at it', 'put off until', 'waits for the agent’s answer', '→ acct_42']) expect(queue).toContain(said);
    expect((await send(asked, 'fiona', 'escalate', { to_person: 'unheard-of' })).answer).toMatchObject({ status: 422, text: expect.stringContaining('Nobody here has that name') as unknown });
    expect((await send(asked, 'fiona', 'ask', { question: ' ' })).answer.status).toBe(422);
    expect((await send(asked, 'fiona', 'defer', { minutes: '-1' })).answer.status).toBe(422);
    expect((await send(asked, 'fiona', 'nonsense', {})).answer.status).toBe(404);
  });

  test('breaking the glass has its form for those who may, and its review for others', async () => {
    const asked = await here.ask();
    expect((await get(`/approvals/${asked.request.approval_id}`, await signIn('fiona'))).text).not.toContain('break-glass-form');
    expect((await send(asked, 'erin', 'break-glass', { reason: ' ' })).answer).toMatchObject({ status: 422 });
    expect((await send(asked, 'erin', 'break-glass', { reason: 'outage' })).answer.status).toBe(303);
    const pia = await signIn('pia');
    expect((await get('/queue?view=review', pia)).text).toContain(asked.request.approval_id);
    expect((await get('/queue', pia)).text).not.toContain(asked.request.approval_id);
    const { answer, after } = await send(asked, 'pia', 'review', { judgement: 'not_justified', words: 'it could wait' });
    expect(answer.status).toBe(303);
    expect(await after()).toContain('not justified');
    expect((await get('/queue?view=review', pia)).text).not.toContain(asked.request.approval_id);
  });

  test('whoever comes too late is told who decided, and keeps what they wrote', async () => {
    const asked = await here.ask();
    const cookie = await signIn('fiona');
    const path = `/approvals/${asked.request.approval_id}`;
    const { text } = await get(path, cookie);
    await here.decide(asked, 'reject', 'georg', { reason: 'no' });
    const answer = await post(`${path}/reject`, { ...hidden(text), reason: 'my own words' }, cookie);
    expect(answer.status).toBe(409);
    expect(answer.text).toContain('the request is rejected by georg');
  });
});
