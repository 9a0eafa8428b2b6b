import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { describeWithBrowser } from '@exequatur/testing';
import type { Page } from '@playwright/test';
import { sealData, unsealData } from 'iron-session';
import { until } from './asking.js';
import type { Ask } from './asking.js';
import { BrowserBed } from './browser-bed.js';
import { freePort } from './free-port.js';
import { AGENT, API, IdentityProvider, PAGES } from './identity-provider.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;
const STEP_UP_SECONDS = 3_600;

/** Issue 6, "Shown by" 5: people of an organisation sign in with their own provider, in a real browser. */
describeWithBrowser('signing in with an identity provider', () => {
  let provider: IdentityProvider;
  let bed: BrowserBed;
  let standalone: RunningStandalone;
  let page: Page;
  let ask: Ask;

  beforeAll(async () => {
    const port = await freePort();
    provider = await IdentityProvider.start(`http://127.0.0.1:${port}`);
    const people = { name_claim: 'preferred_username', roles_claim: 'groups', roles: { finance: ['approver', 'finance'], leads: ['finance-lead'] } };
    bed = await BrowserBed.start(['--port', String(port)], {
      EXEQUATUR_IDENTITY_PROVIDERS: JSON.stringify([{ issuer: provider.issuer, name: 'Acme', tenant: 'acme', audience: API, sign_in: { ...PAGES, scope: 'openid profile' }, people }]),
      EXEQUATUR_STEP_UP: JSON.stringify({ '*': STEP_UP_SECONDS }),
    });
    ({ standalone, ask } = bed);
  }, SLOW);
  afterAll(async () => {
    await bed.stop();
    await provider.stop();
  }, SLOW);
  afterEach(() => bed.closePage());

  const urlOf = (path: string): string => bed.urlOf(path);
  const refundAsked = (): ReturnType<BrowserBed['refundAsked']> => bed.refundAsked('12.00', 'self');
  const statusOf = (action: string): Promise<unknown> => bed.statusOf(action);
  /** Through the provider's own pages: account and password where it asks for them, then what it wants to be allowed. */
  const throughTheProvider = async (account: string): Promise<void> => {
    await page.waitForURL((url) => url.origin === provider.issuer && url.pathname.startsWith('/interaction/'));
    await page.locator('input[name=login]').fill(account);
    await page.locator('input[name=password]').fill('anything');
    await page.getByRole('button', { name: 'Sign-in' }).click();
    await page.waitForURL((url) => url.origin === standalone.origin || url.pathname.startsWith('/interaction/'));
    const allow = page.getByRole('button', { name: 'Continue' });
    await allow.or(page.locator('#main')).first().waitFor();
    if ((await allow.count()) > 0) await allow.click();
  };
  const signIn = async (account: string): Promise<void> => {
    await page.getByRole('link', { name: 'Sign in with Acme' }).click();
    await throughTheProvider(account);
  };
  const at = (path: string): Promise<void> => page.waitForURL(urlOf(path));
  /** The browser's session, changed as time would: nobody waits eight hours for a test. */
  const changeSession = async (change: object): Promise<void> => {
    const password = readFileSync(join(standalone.dataDir, 'secrets', 'session-secret'), 'utf8');
    const cookie = (await bed.context?.cookies(standalone.origin))?.find(({ name }) => name === 'exq_session');
    if (cookie === undefined) throw new Error('no session');
    const session = await unsealData<Record<string, unknown>>(cookie.value, { password });
    await bed.context?.addCookies([{ ...cookie, value: await sealData({ ...session, ...change }, { password }) }]);
  };

  test('sign in, the deep link kept, decide; the person is who the provider says, with the roles its groups mean', async () => {
    const asked = await refundAsked();
    page = await bed.open();
    await page.goto(urlOf(asked.path));
    expect(page.url()).toBe(urlOf(`/login?next=${encodeURIComponent(asked.path)}`));
    await signIn('fiona');
    await at(asked.path);
    expect(await page.locator('.who').textContent()).toContain('fiona');
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    await page.getByRole('status').first().waitFor();
    expect(await page.getByRole('status').first().textContent()).toContain('Your approval is recorded');
    const { body } = await ask(standalone.adminToken, 'GET /v1/people?tenant=acme&limit=200');
    expect((body['items'] as Record<string, unknown>[]).find(({ person }) => person === 'fiona')).toMatchObject({ subject: `${provider.issuer}#fiona`, roles: ['approver', 'finance'] });
    const cookies = await bed.context?.cookies(standalone.origin);
    expect(cookies?.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite]).sort()).toEqual([['exq_session', true, 'Strict'], ['exq_sign_in', true, 'Lax']]);
  }, SLOW);

  test('an expired session leads to sign-in and back; signing out here, then at the provider', async () => {
    const asked = await refundAsked();
    page = await bed.open();
    await page.goto(urlOf('/queue'));
    await signIn('georg');
    await at('/queue');
    await changeSession({ until: Date.now() - 1 });
    await page.goto(urlOf(asked.path));
    expect(page.url()).toBe(urlOf(`/login?next=${encodeURIComponent(asked.path)}`));
    // Still signed in at the provider, which asks nothing.
    await page.getByRole('link', { name: 'Sign in with Acme' }).click();
    await at(asked.path);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await at('/login?left=0');
    await page.goto(urlOf(asked.path));
    expect(page.url()).toBe(urlOf(`/login?next=${encodeURIComponent(asked.path)}`));
    await page.goto(urlOf('/login?left=0'));
    await page.getByRole('link', { name: 'Sign out of Acme too' }).click();
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await at('/login');
    await page.getByRole('link', { name: 'Sign in with Acme' }).click();
    await page.locator('input[name=login]').waitFor();
  }, SLOW);

  test('an old sign-in does not approve: the page leads through a fresh one, back to the request', async () => {
    const asked = await refundAsked();
    page = await bed.open();
    await page.goto(urlOf(asked.path));
    await signIn('fiona');
    await at(asked.path);
    await changeSession({ authTime: Math.floor(Date.now() / 1_000) - STEP_UP_SECONDS - 10 });
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    await page.getByText('This decision needs a more recent sign-in').first().waitFor();
    expect(await statusOf(asked.action)).toBe('awaiting_approval');
    await page.getByRole('link', { name: 'Sign in again' }).click();
    await signIn('fiona');
    await at(asked.path);
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    await page.getByText('Your approval is recorded').first().waitFor();
  }, SLOW);

  test('an id token for another audience, a stranger, a forged return: nobody is signed in, and nothing is told', async () => {
    page = await bed.open();
    provider.wrongAudience = true;
    try {
      await page.goto(urlOf('/login'));
      await signIn('fiona');
      await page.getByRole('alert').waitFor();
    } finally {
      provider.wrongAudience = false;
    }
    expect(await page.getByRole('alert').textContent()).toBe('Your identity provider did not confirm who you are. Nothing was changed.');
    await page.goto(urlOf('/queue'));
    expect(page.url()).toBe(urlOf('/login?next=%2Fqueue'));
    for (const forged of ['/login/callback?code=x&state=y', '/login/callback?error=access_denied', '/login/callback']) {
      const answer = await page.request.get(urlOf(forged), { maxRedirects: 0 });
      expect([answer.status(), await answer.text()]).toEqual([401, expect.stringContaining('did not confirm who you are')]);
    }
    for (const evil of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)']) {
      const start = await page.request.get(urlOf(`/login/start?provider=0&next=${encodeURIComponent(evil)}`), { maxRedirects: 0 });
      expect([start.status(), new URL(start.headers()['location'] ?? '').origin]).toEqual([303, provider.issuer]);
    }
    page = await bed.open();
    await page.goto(urlOf('/login?next=https://evil.example/'));
    await signIn('stranger');
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toContain('your account has no role here');
  }, SLOW);

  test('an agent’s client proposes with its own tokens; a wrong audience and a rotated key are refused; people go on signing in', async () => {
    const root = standalone.adminToken;
    const subject = `${provider.issuer}#${AGENT.client_id}`;
    expect((await ask(root, 'POST /v1/agents/outreach-agent/keys', { tenant: 'acme', subject })).status).toBe(201);
    const proposes = async (token: string): Promise<number> =>
      (await ask(token, 'POST /v1/actions', { scope_path: standalone.credentials.scope_path, run_id: 'oauth', action_kind: 'research.search', tool: { name: 'web.search', version: '1.0' }, arguments: { query: 'x' }, execution_mode: 'self' })).status;
    const old = await provider.agentToken();
    expect(await proposes(old)).toBe(201);
    expect(await proposes(await provider.agentToken('https://other.example'))).toBe(401);
    const asked = await refundAsked();
    expect((await ask(old, `POST ${asked.path.replace('/approvals', '/v1/approvals')}/approve` as 'POST /v1', { view_hash: `sha256:${'0'.repeat(64)}` }, { 'if-match': '"1"' })).body['code']).toBe('NOT_A_PERSON');
    await provider.rotate('second');
    const fresh = await provider.agentToken();
    await until(() => proposes(fresh), (status) => status === 201, 'the new key');
    expect(await proposes(old)).toBe(401);
    page = await bed.open();
    await page.goto(urlOf('/login'));
    await signIn('georg');
    await at('/queue');
  }, SLOW);
});
