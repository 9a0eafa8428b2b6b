import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, Page } from '@playwright/test';
import { describeWithBrowser, launchBrowser } from '@exequatur/testing';
import { Installation, type Asked } from '../spec/installation.js';

/** Where to keep pictures of the pages, when somebody wants to look at them. */
const PICTURES = process.env['EXEQUATUR_PICTURES'];

const HOSTILE = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>\u202e\u200b`;

describe('pages over HTTP', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> => fetch(`${here.origin}${path}`, { headers, redirect: 'manual' });
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${here.origin}${path}`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body: new URLSearchParams(fields).toString(), redirect: 'manual' });
  const cookieOf = (answer: Response): string => answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  const csrfIn = (page: string): string => /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
  const signIn = async (person: string): Promise<{ cookie: string; csrf: string }> => {
    const login = await get('/login');
    const entered = await post('/login', { csrf: csrfIn(await login.text()), token: here.personToken(person), next: '/queue' }, { cookie: cookieOf(login) });
    expect([entered.status, entered.headers.get('location')]).toEqual([303, '/queue']);
    const cookie = cookieOf(entered);
    return { cookie, csrf: csrfIn(await (await get('/queue', { cookie })).text()) };
  };

  test('every page has the strict policy, and no page a script', async () => {
    const { cookie } = await signIn('fiona');
    const asked = await here.ask({ args: { note: HOSTILE, amount: '100.00' }, sealed: { reasoning: HOSTILE, target: HOSTILE, business_impact: HOSTILE } });
    for (const path of ['/login', '/queue', `/approvals/${asked.request.approval_id}`]) {
      const answer = await get(path, { ...(path === '/login' ? {} : { cookie }) });
      const text = await answer.text();
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-security-policy')).toBe("default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(text).not.toMatch(/<script|<img|onerror="|style="|\u202e|\u200b/);
    }
    expect((await get('/approvals/style.css')).headers.get('content-type')).toContain('text/css');
  });

  test('/ leads to the queue, the queue to sign-in, and from there back to where one was going', async () => {
    const asked = await here.ask();
    const deep = `/approvals/${asked.request.approval_id}`;
    expect((await get('/')).headers.get('location')).toBe('/queue');
    expect((await get('/queue')).headers.get('location')).toBe('/login?next=%2Fqueue');
    expect((await get(deep)).headers.get('location')).toBe(`/login?next=${encodeURIComponent(deep)}`);
    const login = await get(`/login?next=${encodeURIComponent(deep)}`);
    const entered = await post('/login', { csrf: csrfIn(await login.text()), token: here.personToken('fiona'), next: deep }, { cookie: cookieOf(login) });
    expect(entered.headers.get('location')).toBe(deep);
    const evil = await get('/login?next=https://evil.example/');
    expect(await evil.text()).toContain('name="next" value="/queue"');
  });

  test('a visitor from another site is asked again from here, so that the cookie comes along', async () => {
    const answer = await get('/queue', { 'sec-fetch-site': 'cross-site' });
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('content="0;url=/queue"')]);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  test('the cookie is HttpOnly and SameSite=Strict; it is Secure where the public address is https', async () => {
    expect((await get('/login')).headers.get('set-cookie')).toMatch(/^exq_session=.+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=28800$/);
  });

  test('a token that is not a person’s does not open a session', async () => {
    for (const token of ['nonsense', here.agentToken(), here.secrets.adminToken]) {
      const login = await get('/login');
      const answer = await post('/login', { csrf: csrfIn(await login.text()), token, next: '/queue' }, { cookie: cookieOf(login) });
      const text = await answer.text();
      expect([answer.status, answer.headers.get('set-cookie')]).toEqual([401, null]);
      expect(text).toContain('role="alert"');
      expect(text).not.toContain(token);
    }
  });

  test('a form without the session’s own token, from another site, or with another session’s token does nothing', async () => {
    const asked = await here.ask();
    const { cookie, csrf } = await signIn('fiona');
    const other = await signIn('georg');
    const seen = await here.show(asked);
    const path = `/approvals/${asked.request.approval_id}/approve`;
    const fields = { version: '1', view_hash: seen.body['view_hash'] as string };
    expect((await post(path, fields, { cookie })).status).toBe(403);
    expect((await post(path, { ...fields, csrf: other.csrf }, { cookie })).status).toBe(403);
    expect((await post(path, { ...fields, csrf }, { cookie, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await post(path, { ...fields, csrf })).headers.get('location')).toBe('/login');
    expect((await post('/login', { token: here.personToken('fiona') })).status).toBe(403);
    expect(await here.names(asked)).toEqual(['ApprovalOpened']);
    const tampered = `${cookie.slice(0, -3)}AAA`;
    expect((await get('/queue', { cookie: tampered })).headers.get('location')).toContain('/login');
  });

  test('signing out ends the session in this browser', async () => {
    const { cookie, csrf } = await signIn('fiona');
    const answer = await post('/logout', { csrf }, { cookie });
    expect(answer.headers.get('set-cookie')).toContain('exq_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0');
  });

  test('hostile addresses are answered as pages or redirects, never as errors of ours', async () => {
    const { cookie } = await signIn('fiona');
    const asked = await here.ask();
    for (const path of ['/approvals/none', '/approvals/%00', `/approvals/${asked.request.approval_id}?done=constructor`, `/approvals/${asked.request.approval_id}?done=__proto__`, '/queue?cursor=x', '/queue?kind=%3Cscript%3E', '/login?next=%00', '/queue?limit=5']) {
      const answer = await get(path, { cookie });
      expect([path, answer.status < 500]).toEqual([path, true]);
      expect(await answer.text()).not.toContain('<script');
    }
  });
});

describeWithBrowser('a person walks the pages in a browser, without JavaScript', () => {
  let here: Installation;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  beforeAll(async () => {
    here = await Installation.start();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await here.stop();
  });
  afterEach(() => context.close());

  const open = async (width = 1280, colorScheme: 'light' | 'dark' = 'light'): Promise<void> => {
    context = await browser.newContext({ viewport: { width, height: 900 }, javaScriptEnabled: false, colorScheme });
    page = await context.newPage();
  };
  const picture = async (name: string): Promise<void> => {
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  };
  const signInAt = async (path: string, person: string): Promise<void> => {
    await page.goto(`${here.origin}${path}`);
    await page.getByLabel('Access token').fill(here.personToken(person));
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  const pathOf = ({ request }: Asked): string => `/approvals/${request.approval_id}`;
  const fitsWidth = async (width: number): Promise<void> => {
    const box = await page.locator('html').boundingBox();
    const main = await page.locator('main').boundingBox();
    expect(box?.width).toBeLessThanOrEqual(width);
    expect((main?.x ?? 0) + (main?.width ?? 0)).toBeLessThanOrEqual(width);
  };

  test('deep link, sign in, read, approve; the result is said', async () => {
    const asked = await here.ask();
    await open();
    await page.goto(`${here.origin}/login`);
    await picture('login');
    await signInAt(pathOf(asked), 'fiona');
    expect(page.url()).toBe(`${here.origin}${pathOf(asked)}`);
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('payment.refund by support-bot for 100.00 USD');
    await picture('request');
    await page.getByLabel('Why you approve').first().fill('seen the photograph');
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    expect(await page.getByRole('status').textContent()).toContain('Your approval is recorded.');
    await picture('granted');
    expect(await here.names(asked)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalGranted']);
    await page.getByText('Revoke the grant').click();
    await page.getByLabel('Why it is taken back').fill('the customer called');
    await page.getByRole('button', { name: 'Revoke', exact: true }).click();
    expect(await page.getByRole('status').textContent()).toContain('Revoked.');
  });

  test('wrong input is shown beside its field, with what was typed; then narrower', async () => {
    const asked = await here.ask({ args: { account: 'acct_42', amount: '100.00', notify: ['ann@acme.example', 'bob@acme.example'] }, more: { narrowable: { amounts: { USD: '/amount' }, recipients: '/notify' } } });
    await open();
    await signInAt(pathOf(asked), 'fiona');
    await page.getByText('Approve narrower').first().click();
    await page.getByLabel('At most, in USD').fill('a lot');
    await page.getByRole('button', { name: 'Approve narrower', exact: true }).click();
    expect(await page.locator('#narrow-amount_USD-fault').textContent()).toContain('such as 42.00');
    expect(await page.getByLabel('At most, in USD').inputValue()).toBe('a lot');
    await picture('narrow-fault');
    await page.getByLabel('At most, in USD').fill('500');
    await page.getByRole('button', { name: 'Approve narrower', exact: true }).click();
    expect(await page.locator('#narrow-amount_USD-fault').textContent()).toContain('more than was proposed');
    await page.getByLabel('At most, in USD').fill('42.00');
    await page.getByLabel('bob@acme.example').uncheck();
    await page.getByRole('button', { name: 'Approve narrower', exact: true }).click();
    expect(await page.getByRole('status').textContent()).toContain('narrower limits');
    const granted = (await here.events(asked)).at(-1);
    if (granted === undefined) throw new Error('nothing recorded');
    expect((await here.opened<{ arguments: string }>(asked, granted)).arguments).toBe('{"account":"acct_42","amount":"42.00","notify":["ann@acme.example"]}');
  });

  test('reject with a reason, then the next one; answer it; then nothing waits', async () => {
    const open1 = await here.ask({ expiresInMs: 600_000 });
    const open2 = await here.ask({ expiresInMs: 500_000 });
    await open(390, 'dark');
    await signInAt(pathOf(open2), 'georg');
    await fitsWidth(390);
    await page.getByText('Reject', { exact: true }).first().click();
    await page.getByLabel('In your words').fill('wrong customer');
    await picture('reject-narrow-dark');
    await page.getByRole('button', { name: 'Reject, then the next' }).click();
    expect(page.url()).toContain(pathOf(open1));
    await page.getByText('Answer instead of running it').click();
    await page.getByLabel('Your answer').fill('Send a new one.');
    await page.getByRole('button', { name: 'Send the answer, then the next' }).click();
    expect(await page.getByRole('status').textContent()).toContain('Nothing else waits for you.');
    expect([await here.names(open2), await here.names(open1)]).toEqual([
      ['ApprovalOpened', 'ApprovalVoted', 'ApprovalRejected'],
      ['ApprovalOpened', 'ApprovalVoted', 'ApprovalAnswered'],
    ]);
  });

  test('somebody else was faster: nothing is lost, nothing is recorded twice', async () => {
    const asked = await here.ask({ more: { demand: { stages: [{ roles: ['finance'], quorum: 2 }], distinct: true, ttl_ms: 1, on_timeout: 'deny' } } });
    await open();
    await signInAt(pathOf(asked), 'fiona');
    await page.getByLabel('Why you approve').first().fill('mine');
    await here.decide(asked, 'approve', 'georg', { caps: { max_amount: { USD_MICROCENTS: '4200000000' } } });
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    expect(await page.getByRole('alert').first().textContent()).toContain('Somebody else acted');
    expect(await page.getByLabel('Why you approve').first().inputValue()).toBe('mine');
    await picture('faster');
    await page.getByRole('button', { name: 'Approve as narrowed', exact: true }).click();
    expect((await here.names(asked)).filter((name) => name === 'ApprovalGranted')).toHaveLength(1);
  });

  test('the owner of the agent and people without a role see why they cannot decide', async () => {
    const asked = await here.ask();
    await open();
    await signInAt(pathOf(asked), 'olga');
    expect(await page.getByText('You are the owner of this agent').isVisible()).toBe(true);
    expect(await page.getByRole('button', { name: 'Approve', exact: true }).count()).toBe(0);
  });

  test('the queue and a hostile card stay readable and harmless at 390 and 1280 px', async () => {
    const hostile = await here.ask({
      args: { account: 'acct_'.repeat(60), body: `Dear Ann,\n\nthe refund is on its way.\n\n${HOSTILE}`, amount: '100.00', items: [{ sku: 'A-1', broken: true }, { sku: 'B-2', broken: null }], 'p\u0430ypal': 'x'.repeat(30_000) },
      sealed: { reasoning: HOSTILE, business_impact: 'The customer threatens to leave; about 12,000 USD a year.', target: 'acct_42' },
      more: { caps: { max_amount: { USD_MICROCENTS: '8000000000' } }, demand: { stages: [{ roles: ['finance'], quorum: 2 }, { roles: ['finance-lead', 'cfo'], quorum: 1 }], distinct: true, ttl_ms: 1, on_timeout: 'deny' } },
    });
    await here.ask({ expiresInMs: 400_000, amount: '1234567000' });
    await here.decide(hostile, 'approve', 'georg', { rationale: 'Looks right to me, but the amount is high.', caps: { max_amount: { USD_MICROCENTS: '5000000000' } } });
    for (const [width, scheme] of [[1280, 'light'], [390, 'light'], [1280, 'dark']] as const) {
      await open(width, scheme);
      await signInAt('/queue', 'fiona');
      await fitsWidth(width);
      await picture(`queue-${width}-${scheme}`);
      await page.goto(`${here.origin}${pathOf(hostile)}`);
      await fitsWidth(width);
      expect(await page.title()).toContain('payment.refund');
      expect(await page.getByRole('note').textContent()).toContain('reverse the reading direction');
      await picture(`hostile-${width}-${scheme}`);
      await context.close();
    }
    await open();
  });
});
