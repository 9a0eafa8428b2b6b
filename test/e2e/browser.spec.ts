import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import { describeWithBrowser } from '@exequatur/testing';
import type { Locator, Page } from '@playwright/test';
import { until } from './asking.js';
import { BrowserBed } from './browser-bed.js';

const SLOW = 300_000;
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
      await page.getByRole('alert').filter({ hasText: 'Only people decide' }).waitFor();
      await enter(bed.standalone.credentials.approver);
      await page.waitForURL(urlOf('/queue'));
      await shot('2-queue');
      await page.locator(`a[href="${asked.path}"]`).first().click();
      await page.waitForURL(urlOf(asked.path));
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
      await page.waitForURL(urlOf(asked.path));
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
      await page.waitForURL(urlOf(asked.path));
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
      await page.waitForURL(urlOf('/login'));
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
      await page.waitForURL(urlOf(asked.path));
      // Another site, played by the browser's own router: nothing listens there.
      await page.route('http://evil.localhost:1/**', (route) => route.fulfill({ contentType: 'text/html', body: `<form method="post" action="${urlOf(`${asked.path}/approve`)}"><input name="version" value="1"><button>Win</button></form>` }));
      await page.goto('http://evil.localhost:1/');
      await page.getByRole('button', { name: 'Win' }).click();
      await page.waitForURL((url) => url.origin === bed.standalone.origin);
      expect(await statusOf(asked.action)).toBe('awaiting_approval');
      expect(await page.getByRole('status').count()).toBe(0);
    }, SLOW);
  });

  describe('with the keyboard alone', () => {
    const FOCUSABLE = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
    const focused = (): Locator => page.locator(':focus');
    const isFocused = (target: Locator): Promise<boolean> => target.evaluate((element) => element.matches(':focus'));
    /** Width in pixels of the outline that says where one is. */
    const outline = (): Promise<number> =>
      focused().evaluate((element) => {
        const style = element.ownerDocument.defaultView?.getComputedStyle(element);
        return style === undefined || style.outlineStyle === 'none' ? 0 : Number.parseFloat(style.outlineWidth);
      });
    const tabTo = async (target: Locator): Promise<void> => {
      for (let presses = 0; presses < 200; presses += 1) {
        await page.keyboard.press('Tab');
        if (!(await isFocused(target))) continue;
        expect([await outline() > 0, await focused().isVisible()]).toEqual([true, true]);
        return;
      }
      throw new Error(`the Tab key does not lead to ${String(target)}`);
    };
    const go = async (path: string | RegExp): Promise<void> => {
      const there = page.waitForURL(typeof path === 'string' ? urlOf(path) : path);
      await page.keyboard.press('Enter');
      await there;
    };
    /** Each place that takes the focus gets it by Tab, one after another, and each shows it: nothing holds it fast. */
    const tabsThrough = async (): Promise<void> => {
      const places = page.locator(FOCUSABLE).filter({ visible: true });
      const all = await places.count();
      const seen = new Set<number>();
      for (let presses = 0; presses < all + 10 && seen.size < all; presses += 1) {
        await page.keyboard.press('Tab');
        const at = await places.evaluateAll((elements) => elements.findIndex((element) => element.matches(':focus')));
        if (at < 0) continue;
        expect([at, await outline() > 0]).toEqual([at, true]);
        seen.add(at);
      }
      expect([...Array(all).keys()].filter((at) => !seen.has(at))).toEqual([]);
    };
    const unlabelled = (): Promise<readonly string[]> =>
      page.locator('input:not([type=hidden]), select, textarea').evaluateAll((fields) => fields.filter((field) => ((field as { labels?: { length: number } | null }).labels?.length ?? 0) === 0 && !field.hasAttribute('aria-label')).map((field) => field.outerHTML));

    test('sign in, skip to the content, open, read, reject with a reason; approve another with a narrowed amount', async () => {
      const [refused, narrowed] = [await refundAsked('81.00'), await refundAsked('121.00')];
      page = await bed.open();
      await page.goto(urlOf('/queue'));
      expect([await isFocused(page.getByLabel('Access token')), await unlabelled()]).toEqual([true, []]);
      await page.keyboard.type(bed.standalone.credentials.approver);
      await go('/queue');

      // The first Tab shows the way past the navigation, and it leads there.
      await page.keyboard.press('Tab');
      expect([await focused().textContent(), await focused().isVisible(), (await focused().boundingBox())?.x]).toEqual(['Skip to content', true, 16]);
      await go('/queue#main');
      expect(await isFocused(page.locator('main'))).toBe(true);
      await page.keyboard.press('Tab');
      expect(await focused().evaluate((element) => element.closest('main') !== null)).toBe(true);
      expect(await unlabelled()).toEqual([]);
      await tabsThrough();

      await tabTo(page.locator(`a[href="${refused.path}"]`));
      await go(refused.path);
      expect([await page.getByRole('heading', { level: 1 }).textContent(), await unlabelled()]).toEqual([refused.title, []]);
      await tabsThrough();
      // What does not fit is scrolled by keys: the parameters take the focus.
      await tabTo(page.getByRole('region', { name: 'Parameters' }));
      await tabTo(page.locator('summary', { hasText: /^Reject$/ }));
      await page.keyboard.press('Enter');
      await tabTo(page.locator('#reject-code'));
      await page.keyboard.press('ArrowDown');
      await tabTo(page.locator('#reject-reason'));
      await page.keyboard.type('The parcel was on time.');
      await tabTo(page.locator('#reject-instruction'));
      await page.keyboard.press('End');
      await picture('8-keyboard-reject');
      await tabTo(page.getByRole('button', { name: 'Reject', exact: true }));
      await go(`${refused.path}?done=reject`);
      expect(await said()).toContain('Rejected.');
      const view = await until(() => bed.ask(bed.standalone.credentials.agent, `GET /v1/actions/${refused.action}`), ({ body }) => body['status'] === 'rejected', 'the rejection');
      expect(view.body['rejection']).toMatchObject({ reason: 'The parcel was on time.', reason_code: 'wrong_target', instruction: 'escalate' });

      await tabTo(page.getByRole('link', { name: 'Back to the queue' }));
      await go('/queue');
      await tabTo(page.locator(`a[href="${narrowed.path}"]`));
      await go(narrowed.path);
      await tabTo(page.locator('summary', { hasText: 'Approve narrower' }));
      await page.keyboard.press('Space');
      await tabTo(page.getByLabel('At most, in USD'));
      await page.keyboard.type('42.00');
      await tabTo(page.locator('#narrow-rationale'));
      await page.keyboard.type('A goodwill gesture');
      await page.keyboard.press('Shift+Tab');
      expect(await isFocused(page.locator('#narrow-minutes'))).toBe(true);
      await tabTo(page.getByRole('button', { name: 'Approve narrower', exact: true }));
      await go(`${narrowed.path}?done=narrow`);
      expect(await said()).toContain('narrower limits');
      await until(() => statusOf(narrowed.action), (status) => status === 'executed', 'the refund');
      expect(tool.received.at(-1)?.body.toString('utf8')).toContain('"amount":"42.00"');
      await tabTo(page.getByRole('button', { name: 'Sign out' }));
      await go('/login');
      expect(bed.complaints.filter((line) => !line.startsWith('[DOM] Password forms'))).toEqual([]);
    }, SLOW);
  });
});
