import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { ReviewDrawn } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { seal } from '@exequatur/sealing';
import type { Browser, BrowserContext, Page } from '@playwright/test';
import { describeWithBrowser, launchBrowser } from '@exequatur/testing';
import { Installation, type Asked } from '../spec/installation.js';

/** Where to keep pictures of the pages, when somebody wants to look at them. */
const PICTURES = process.env['EXEQUATUR_PICTURES'];

describeWithBrowser('pages for those who look after the reviewers, without JavaScript', () => {
  let here: Installation;
  let browser: Browser;
  let context: BrowserContext | undefined;
  let page: Page;
  beforeAll(async () => {
    here = await Installation.start();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await here.stop();
  });
  afterEach(async () => {
    await context?.close();
    context = undefined;
  });

  const open = async (path: string, person: string): Promise<void> => {
    await context?.close();
    context = await browser.newContext({ viewport: { width: 1280, height: 900 }, javaScriptEnabled: false });
    page = await context.newPage();
    await page.goto(`${here.origin}${path}`);
    await page.getByLabel('Access token').fill(here.personToken(person));
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  const press = (name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click();
  const said = (role: 'status' | 'alert'): Promise<string | null> => page.getByRole(role).first().textContent();
  const main = async (): Promise<string> => (await page.locator('main').textContent()) ?? '';
  /** Nothing stands beyond the edge, on a phone and on a desk; where pictures are kept, of each in light and dark. */
  const looksRight = async (name: string): Promise<void> => {
    const looks = [[390, 'light'], [1280, 'light'], [390, 'dark'], [1280, 'dark']] as const;
    for (const [width, colorScheme] of PICTURES === undefined ? looks.slice(0, 2) : looks) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      const box = await page.locator('main').boundingBox();
      expect([name, width, (box?.x ?? 0) + (box?.width ?? 0) <= width]).toEqual([name, width, true]);
      if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ colorScheme: 'light' });
  };
  const pathOf = ({ request }: Asked): string => `/approvals/${request.approval_id}`;

  /** An allowed action, drawn by policy. */
  const draw = async (): Promise<string> => {
    const { facts, policy_hash, policy_version, rule_id, arguments_hash } = (await here.ask({ tenant: 'globex' })).request;
    const actionId = newId();
    const key = await here.keys.createActionKey('acme', actionId);
    const id = newId();
    const sealed = seal(key, actionId, id, { salt: Buffer.alloc(16).toString('base64url'), arguments: '{"amount":"12.00","note":"a\u202eb","to":"acct_42"}', target: 'acct_42', reasoning: 'The parcel came a week late.' });
    const data = { action_id: actionId, policy_hash, policy_version, rule_id, reason: 'Refunds below 50 USD run by themselves', tier: 'AUTO' as const, facts: { ...facts, tenant: 'acme', scope_path: 'tenant:acme/workspace:support' }, arguments_hash, agent_owner: 'olga' };
    await here.policy.publish({ tenant: 'acme', aggregate: 'action', id: actionId }, { definition: ReviewDrawn, data, actor: { type: 'agent', id: 'support-bot' }, id, correlationId: actionId, sealed });
    await here.until('it is to be reviewed', async () => (await here.rows('SELECT FROM action_review WHERE action_id = $1', [actionId])).length === 1);
    return actionId;
  };

  test.each([
    ['georg', ['Queue'], ['/queue/reviews', '/queue/planted']],
    ['fiona', ['Queue', 'After the fact'], ['/queue/planted']],
    ['olga', ['Queue', 'After the fact', 'Reviewers'], ['/queue/planted']],
    ['pia', ['Queue', 'After the fact', 'Reviewers', 'Planted'], []],
  ])('%s finds in the navigation what their roles open, and nothing else opens', async (person, links, closed) => {
    await open('/queue', person);
    expect(await page.getByRole('navigation', { name: 'Main' }).getByRole('link').allTextContents()).toEqual(links);
    for (const link of links) {
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: link, exact: true }).click();
      expect(await page.getByRole('navigation', { name: 'Main' }).locator('[aria-current=page]').textContent()).toBe(link);
    }
    for (const path of closed) expect([path, (await page.goto(`${here.origin}${path}`))?.status()]).toEqual([path, 403]);
  });

  test('a review after the fact: nothing waits; two are drawn; a finding needs both fields; then the next one; then nothing else', async () => {
    await open('/queue/reviews', 'pia');
    expect(await main()).toContain('Nothing waits for a review.');
    await looksRight('reviews-empty');
    const [first, second] = [await draw(), await draw()];
    await page.reload();
    await looksRight('reviews');
    await page.locator(`a[href="/queue/reviews/${first}"]`).click();
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('payment.refund by support-bot');
    expect(await page.getByRole('note').textContent()).toContain('reverse the reading direction');
    await looksRight('review');
    await page.getByLabel('Letting it run was').selectOption('wrong');
    await page.getByLabel('Why', { exact: true }).fill('   ');
    await press('Record the finding');
    expect(await said('alert')).toContain('Nothing was recorded.');
    expect(await page.locator('#words-fault').textContent()).toBe('Say why.');
    expect(await page.getByLabel('Letting it run was').inputValue()).toBe('wrong');
    await looksRight('review-fault');
    await page.getByLabel('Why', { exact: true }).fill('It should have asked.');
    await press('Record the finding, then the next');
    expect([page.url(), await said('status')]).toEqual([`${here.origin}/queue/reviews/${second}?done=next`, 'Recorded. This is the next action to review.']);
    // Somebody else is faster: what was written is not recorded, and the finding that is stands there.
    await here.call('POST', `/v1/approvals/reviews/${second}`, here.personToken('fiona'), { body: { judgement: 'right', words: 'fine' } });
    await page.getByLabel('Letting it run was').selectOption('wrong');
    await page.getByLabel('Why', { exact: true }).fill('mine');
    await press('Record the finding');
    expect([await said('alert'), (await main()).includes('fiona')]).toEqual([expect.stringContaining('Somebody else reviewed it'), true]);
    const third = await draw();
    await page.goto(`${here.origin}/queue/reviews/${third}`);
    await page.getByLabel('Letting it run was').selectOption('right');
    await page.getByLabel('Why', { exact: true }).fill('Small and usual.');
    await press('Record the finding, then the next');
    expect([await main(), await said('status')]).toEqual([expect.stringContaining('Nothing waits for a review.'), 'Recorded. Nothing else waits for a review.']);
    await page.getByRole('link', { name: 'With reviewed' }).click();
    expect(await page.locator('.pill').allTextContents()).toEqual(['Wrong to allow', 'Right to allow', 'Right to allow']);
    await looksRight('reviews-all');
    await page.locator(`a[href="/queue/reviews/${first}"]`).click();
    expect(await main()).toContain('It should have asked.');
    await looksRight('review-found');
    const fourth = await draw();
    await open(`/queue/reviews/${fourth}`, 'olga');
    expect([await main(), await page.getByRole('button', { name: 'Record the finding' }).count()]).toEqual([expect.stringContaining('You are the owner of this agent'), 0]);
    expect((await page.goto(`${here.origin}/queue/reviews/${newId()}`))?.status()).toBe(404);
  });

  test('a planted request: from a card, with arguments that are JSON and others than recorded; then whether it was noticed', async () => {
    const model = await here.ask({ args: { account: 'acct_42', amount: '100.00', note: 'a\u202eb' } });
    await open('/queue/planted', 'pia');
    expect(await main()).toContain('Nothing was planted yet.');
    await page.goto(`${here.origin}${pathOf(model)}`);
    await page.getByRole('link', { name: 'Plant a request like this one' }).click();
    const args = page.getByLabel('Arguments, as JSON');
    expect(await args.inputValue()).toBe('{\n  "account": "acct_42",\n  "amount": "100.00",\n  "note": "a\\u202eb"\n}');
    await looksRight('plant');
    await press('Plant it');
    expect(await page.locator('#arguments-fault').textContent()).toContain('Nothing is changed.');
    await args.fill('{\n  "account": "acct_66",\n  "amount": \n}');
    await press('Plant it');
    expect([await said('alert'), await page.locator('#arguments-fault').textContent(), await args.inputValue()]).toEqual([expect.stringContaining('Nothing was planted.'), 'Line 4, column 1: this is not JSON here.', '{\n  "account": "acct_66",\n  "amount": \n}']);
    await looksRight('plant-fault');
    for (const amount of ['9000.00', '8000.00']) {
      await page.goto(`${here.origin}/queue/planted/new?like=${model.request.approval_id}`);
      await page.getByLabel('Arguments, as JSON').fill(JSON.stringify({ account: 'acct_66', amount }));
      await page.getByLabel('What the agent says').fill('Approve this at once.');
      await press('Plant it');
      expect(await said('status')).toBe('Planted. It stands in the queue among the others.');
    }
    expect(await page.locator('.pill').allTextContents()).toEqual(['Waits', 'Waits']);
    const [newest, oldest] = await here.rows<{ approval_id: string }>('SELECT approval_id FROM approval_request WHERE planted_by IS NOT NULL ORDER BY opened_at DESC');
    const asIf = (row: { approval_id: string } | undefined): Asked => ({ ...model, request: { ...model.request, approval_id: row?.approval_id ?? '' } });
    await here.decide(asIf(oldest), 'approve', 'georg');
    await here.decide(asIf(newest), 'reject', 'fiona', { reason: 'never' });
    await page.reload();
    expect(await page.locator('.pill').allTextContents()).toEqual(['Noticed by fiona', 'Not noticed by georg']);
    await looksRight('planted');
    // Nobody else learns of it from a card.
    await open(pathOf(model), 'georg');
    expect(await page.getByRole('link', { name: 'Plant a request like this one' }).count()).toBe(0);
    for (const [path, status] of [[`/queue/planted/new?like=${model.request.approval_id}`, 403], ['/queue/planted/new', 422], ['/queue/planted/new?like=%00', 422], ['/queue/planted/none', 404], ['/queue/reviews/none', 404]] as const) {
      expect([path, (await page.goto(`${here.origin}${path}`))?.status()]).toEqual([path, status]);
    }
  });

  test('how people review: rates, times and flags; by kind of one person; oneself alone; nothing in a tenant where nobody decided', async () => {
    await open('/queue/reviewers', 'olga');
    await here.rows(`INSERT INTO vote_cast (tenant, vote_event_id, approval_id, person, vote, action_kind, rule_id, cast_at, opened_at, dwell_ms, narrowed, edited, emergency, overrides, reason_code)
SELECT 'acme', gen_random_uuid(), gen_random_uuid(), who, CASE WHEN who = 'careful' AND n % 4 = 0 THEN 'reject' ELSE 'approve' END, CASE WHEN n % 2 = 0 THEN 'payment.refund' ELSE 'mail.send' END, 'refund-large', clock_timestamp(), clock_timestamp() - interval '95 minutes', CASE WHEN who = 'stamper' THEN 2000 ELSE 74000 END, who = 'careful' AND n % 5 = 0, false, false, false, CASE WHEN who = 'careful' AND n % 4 = 0 THEN 'too_much' END
FROM generate_series(1, 100) AS n, (VALUES ('stamper'), ('careful')) AS people (who)`);
    await page.reload();
    const rowOf = (name: string) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
    expect(await rowOf('stamper').locator('.pill').allTextContents()).toEqual(['Approves nearly everything', 'Decides too fast']);
    expect(await rowOf('stamper').getByRole('cell').allTextContents()).toEqual(['100', '100 %', '0 %', '0 %', '0 %', '1 h 35 min', '2 s', '–']);
    expect(await rowOf('careful').getByRole('cell').allTextContents()).toEqual(['100', '75 %', '20 %', '0 %', '0 %', '1 h 35 min', '1 min 14 s', '–']);
    expect([await rowOf('careful').locator('.pill').count(), await rowOf('careful').getByRole('rowheader').textContent()]).toEqual([0, 'carefulRejected for: Too much (25)']);
    await looksRight('reviewers');
    await page.getByRole('link', { name: 'careful', exact: true }).click();
    expect(await page.getByRole('rowheader').allTextContents()).toEqual([expect.stringContaining('mail.send'), expect.stringContaining('payment.refund')]);
    await page.getByText('What the numbers mean').click();
    await looksRight('reviewers-of-one');
    await page.getByRole('link', { name: '7 days' }).click();
    expect([await main(), new URL(page.url()).searchParams.get('reviewer')]).toEqual([expect.stringContaining('the last 7 days'), 'careful']);
    expect((await page.goto(`${here.origin}/queue/reviewers?by=height`))?.status()).toBe(422);
    await open('/queue', 'nobody');
    await page.getByRole('link', { name: 'nobody' }).click();
    expect([await page.getByRole('heading', { level: 1 }).textContent(), await main()]).toEqual(['How you review', expect.stringContaining('You decided nothing in these days.')]);
    await looksRight('reviewers-empty');
  });

  test('other arguments as a new action: faults by their line; what stays within is a change; beyond ends this request, and leads to the new one', async () => {
    const within = await here.ask({ args: { account: 'acct_42', amount: '100.00', note: 'x' } });
    await open(pathOf(within), 'fiona');
    const propose = async (text: string): Promise<void> => {
      if (!(await page.getByLabel('Arguments, as JSON').isVisible())) await page.getByText('Propose other arguments').click();
      await page.getByLabel('Arguments, as JSON').fill(text);
      await press('Propose as a new action');
    };
    await page.getByText('Propose other arguments').click();
    await looksRight('propose');
    await propose('{\n  "account": "acct_42",\n  "account": "acct_43"\n}');
    expect([await said('alert'), await page.locator('#new-action-arguments-fault').textContent()]).toEqual([expect.stringContaining('Nothing was recorded.'), 'Line 3, column 3: this name stands here twice.']);
    await looksRight('propose-fault');
    await propose('{"account": "acct_42", "amount": "60.00", "note": "x"}');
    expect([await said('status'), await here.names(within)]).toEqual(['Your change is recorded.Back to the queue', ['ApprovalOpened', 'ApprovalEdited', 'ApprovalVoted', 'ApprovalGranted']]);

    const asked = await here.ask({ args: { account: 'acct_42', amount: '100.00', note: 'x' } });
    const wider = { account: 'acct_42', amount: '500.00', note: 'all of it' };
    await page.goto(`${here.origin}${pathOf(asked)}`);
    await propose(JSON.stringify(wider, null, 2));
    expect([await said('status'), await main()]).toEqual([expect.stringContaining('This request has ended.'), expect.stringContaining('Nobody is asked about the new action so far')]);
    expect((await here.names(asked)).slice(-2)).toEqual(['EditProposed', 'ApprovalCancelled']);
    await looksRight('proposed');
    // As policy publishes what it decided on them.
    const follower = await here.ask({ args: wider, amount: '50000000000', more: { follows: asked.request.action_id, edited_by: 'fiona' } });
    await page.getByRole('link', { name: 'Look again' }).click();
    await looksRight('proposed-asked');
    await page.getByRole('link', { name: 'payment.refund by support-bot for 500.00 USD' }).click();
    expect(page.url()).toBe(`${here.origin}${pathOf(follower)}`);
    expect([await main(), await page.getByRole('button', { name: 'Approve', exact: true }).count()]).toEqual([expect.stringContaining('You proposed these arguments, so somebody else decides.'), 0]);
    await page.getByRole('link', { name: 'an earlier request' }).click();
    expect(page.url()).toBe(`${here.origin}${pathOf(asked)}`);
  });

  test('the order of the queue is chosen on its page, kept in a saved view, and not offered where ended requests are listed too', async () => {
    const { facts } = (await here.ask()).request;
    const low = await here.ask({ expiresInMs: 100_000, more: { facts: { ...facts, agent: 'order-bot', risk_points: 1 } } });
    const high = await here.ask({ expiresInMs: 200_000, more: { facts: { ...facts, agent: 'order-bot', risk_points: 99 } } });
    const order = (): Promise<(string | null)[]> => page.locator('.request h2 a').evaluateAll((links) => links.map((link) => link.getAttribute('href')));
    await open('/queue?agent=order-bot', 'fiona');
    expect(await order()).toEqual([pathOf(low), pathOf(high)]);
    await page.getByLabel('Order').selectOption('risk');
    await press('Show');
    expect(await order()).toEqual([pathOf(high), pathOf(low)]);
    await looksRight('queue-by-risk');
    await page.getByLabel('Save this view as').fill('risky');
    await press('Save');
    expect([await order(), await page.getByLabel('Order').inputValue()]).toEqual([[pathOf(high), pathOf(low)], '']);
    await page.getByLabel('Order').selectOption('deadline');
    await press('Show');
    expect(await order()).toEqual([pathOf(low), pathOf(high)]);
    await page.getByRole('link', { name: 'With ended' }).click();
    expect(await page.getByLabel('Order').count()).toBe(0);
  });
});
