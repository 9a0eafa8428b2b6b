import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import { describeWithBrowser } from '@exequatur/testing';
import type { Page } from '@playwright/test';
import { until } from './asking.js';
import { BrowserBed } from './browser-bed.js';

const SLOW = 120_000;
/** Where to keep pictures of the pages, when somebody wants to look at them. */
const PICTURES = process.env['EXEQUATUR_PICTURES'];

/** Issue 3, "Shown by" 3: a person walks the whole path on the server-rendered pages of a running instance. */
describeWithBrowser('browser suite', () => {
  let bed: BrowserBed;
  let tool: Awaited<ReturnType<typeof startHttpTool>>;
  let page: Page;

  beforeAll(async () => {
    bed = await BrowserBed.start();
    tool = await startHttpTool({});
    await bed.ask(bed.standalone.credentials.operator, 'POST /v1/connectors', { tool: { name: 'billing.refund', version: '1.0' }, type: 'http', settings: { url: `${tool.url}/refunds`, private_networks: ['127.0.0.1'] } });
    if (PICTURES !== undefined) mkdirSync(PICTURES, { recursive: true });
  }, SLOW);
  afterAll(async () => {
    await tool.stop();
    await bed.stop();
  }, SLOW);
  afterEach(() => bed.closePage());

  const refundAsked = (amount: string): ReturnType<BrowserBed['refundAsked']> => bed.refundAsked(amount, 'managed');
  const statusOf = (action: string): Promise<unknown> => bed.statusOf(action);
  const urlOf = (path: string): string => bed.urlOf(path);
  const picture = async (name: string): Promise<void> => {
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  };
  const enter = async (token: string): Promise<void> => {
    await page.getByLabel('Access token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  const said = async (): Promise<string> => (await page.getByRole('status').first().textContent()) ?? '';

  describe.each([['without JavaScript', false], ['with JavaScript', true]] as const)('%s', (how, javaScript) => {
    const shot = (name: string): Promise<void> => picture(`${name}-${javaScript ? 'js' : 'nojs'}`);

    test('wrong token, sign in, queue, card, approve narrower: the tool gets the narrowed amount, the page says so', async () => {
      const asked = await refundAsked('120.00');
      page = await bed.open({ javaScriptEnabled: javaScript });
      await page.goto(urlOf('/'));
      expect(page.url()).toBe(urlOf('/login?next=%2Fqueue'));
      await enter('exq_person_not-a-token');
      expect(await page.getByRole('alert').textContent()).toBe('This token is not valid. It may have been replaced: ask your administrator.');
      await shot('1-wrong-token');
      await enter(bed.standalone.credentials.agent);
      expect(await page.getByRole('alert').textContent()).toContain('Only people decide');
      await enter(bed.standalone.credentials.approver);
      expect(page.url()).toBe(urlOf('/queue'));
      await shot('2-queue');
      await page.locator(`a[href="${asked.path}"]`).first().click();
      expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(asked.title);
      expect(await page.locator('main').textContent()).toContain('The parcel came a week late.');
      await shot('3-card');
      await page.getByText('Approve narrower').first().click();
      await page.getByLabel('At most, in USD').fill('42.00');
      await page.locator('#narrow-form').getByLabel('Why you approve').fill('A goodwill gesture');
      await shot('4-narrower');
      await page.getByRole('button', { name: 'Approve narrower', exact: true }).click();
      expect(await said()).toContain('narrower limits');
      await until(() => statusOf(asked.action), (status) => status === 'executed', 'the refund');
      expect(tool.received.at(-1)?.body.toString('utf8')).toBe(`{"account":"${asked.customer}","amount":"42.00","note":"Late delivery"}`);
      await page.reload();
      expect(await page.locator('main').textContent()).toContain('42.00');
      await shot('5-granted');
      // The two refused sign-ins, and a hint about password managers, are all a browser has to say.
      expect(bed.complaints.filter((line) => !/^\[DOM\] Password forms|status of 401/.test(line))).toEqual([]);
    }, SLOW);

    test('a deep link is kept through the sign-in; a rejection needs a reason, which reaches the agent', async () => {
      const asked = await refundAsked('80.00');
      page = await bed.open({ javaScriptEnabled: javaScript, width: 390 });
      await page.goto(urlOf(asked.path));
      expect(page.url()).toBe(urlOf(`/login?next=${encodeURIComponent(asked.path)}`));
      await enter(bed.standalone.credentials.approver);
      expect(page.url()).toBe(urlOf(asked.path));
      await shot('6-card-phone');
      await page.getByText('Reject', { exact: true }).first().click();
      await page.getByRole('button', { name: 'Reject', exact: true }).click();
      expect(await statusOf(asked.action)).toBe('awaiting_approval');
      await page.getByLabel('In your words').fill('The parcel was on time.');
      await page.getByLabel('What the agent should do now').selectOption('escalate');
      await page.getByRole('button', { name: 'Reject', exact: true }).click();
      expect(await said()).toMatch(/rejected|rejection/i);
      await shot('7-rejected-phone');
      const view = await until(() => bed.ask(bed.standalone.credentials.agent, `GET /v1/actions/${asked.action}`), ({ body }) => body['status'] === 'rejected', 'the rejection');
      expect(view.body['rejection']).toMatchObject({ reason: 'The parcel was on time.', instruction: 'escalate' });
    }, SLOW);

    test('a forged form is refused; every page has the strict policy; after signing out the queue asks for a token', async () => {
      const asked = await refundAsked('60.00');
      page = await bed.open({ javaScriptEnabled: javaScript });
      await page.goto(urlOf(asked.path));
      await enter(bed.standalone.credentials.approver);
      const forged = await page.request.post(urlOf(`${asked.path}/approve`), { form: { csrf: 'forged', version: '1', view_hash: `sha256:${'0'.repeat(64)}` }, maxRedirects: 0 });
      expect(forged.status()).toBe(403);
      const elsewhere = await page.request.post(urlOf(`${asked.path}/approve`), { form: { csrf: (await page.locator('input[name=csrf]').first().getAttribute('value')) ?? '', version: '1' }, headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, maxRedirects: 0 });
      expect(elsewhere.status()).toBe(403);
      expect(await statusOf(asked.action)).toBe('awaiting_approval');
      for (const path of ['/queue', asked.path, '/login', '/approvals/unknown']) {
        const answer = await page.request.get(urlOf(path), { maxRedirects: 0 });
        expect([path, answer.headers()['content-security-policy'], answer.headers()['x-frame-options']]).toEqual([path, expect.stringContaining("default-src 'none'"), 'DENY']);
      }
      await page.getByRole('button', { name: 'Sign out' }).click();
      expect(page.url()).toBe(urlOf('/login'));
      await page.goto(urlOf('/queue'));
      expect(page.url()).toBe(urlOf('/login?next=%2Fqueue'));
      await page.goBack();
      expect(await page.getByRole('button', { name: 'Approve', exact: true }).count()).toBe(0);
    }, SLOW);

    test(`a page of another site cannot post here in the person's name (${how})`, async () => {
      const asked = await refundAsked('70.00');
      page = await bed.open({ javaScriptEnabled: javaScript });
      await page.goto(urlOf(asked.path));
      await enter(bed.standalone.credentials.approver);
      // Another site, played by the browser's own router: nothing listens there.
      await page.route('http://evil.localhost:1/**', (route) => route.fulfill({ contentType: 'text/html', body: `<form method="post" action="${urlOf(`${asked.path}/approve`)}"><input name="version" value="1"><button>Win</button></form>` }));
      await page.goto('http://evil.localhost:1/');
      await page.getByRole('button', { name: 'Win' }).click();
      await page.waitForLoadState();
      expect(await statusOf(asked.action)).toBe('awaiting_approval');
      expect(await page.getByRole('status').count()).toBe(0);
    }, SLOW);
  });
});
