import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { QUIET } from '@exequatur/testing';
import { AccountLinked } from '@exequatur/contracts';
import { startSlackWorkspace, type SlackMessage, type SlackWorkspace } from '@exequatur/local-servers';
import { Installation, type Asked } from '../spec/installation.js';

const textOf = (message: SlackMessage | undefined): string => JSON.stringify(message?.blocks ?? []);

describe('Slack', () => {
  let here: Installation;
  let slack: SlackWorkspace;
  let to: string;
  beforeAll(async () => {
    slack = await startSlackWorkspace();
    const workspace = { team_id: slack.teamId, bot_token: slack.botToken, signing_secret: slack.signingSecret, api: slack.api };
    here = await Installation.start({
      PUBLIC_URL: 'https://gate.example',
      EXEQUATUR_SLACK: JSON.stringify([
        { name: 'cards', tenant: 'acme', channel: 'C0CARDS', shows: 'card', ...workspace },
        { name: 'facts', tenant: 'globex', channel: 'C0FACTS', ...workspace },
      ]),
    });
    to = `${here.origin}/v1/approvals/slack/cards/interactions`;
    for (const [person, user] of [['fiona', 'U0FIONA'], ['georg', 'U0GEORG'], ['olga', 'U0OLGA'], ['nobody', 'U0NOBODY']] as const) {
      await here.policy.publish({ tenant: 'acme', aggregate: 'person', id: person }, { definition: AccountLinked, data: { person, subject: `https://slack.com/${slack.teamId}#${user}` }, actor: { type: 'system', id: 'root' } });
    }
    await here.until('the accounts are known', async () => (await here.rows("SELECT FROM directory_account WHERE subject LIKE 'https://slack.com/%'")).length === 4);
  });
  afterAll(async () => {
    await here.stop();
    await slack.stop();
  });

  const messageOf = ({ request }: Asked): SlackMessage | undefined => slack.messages.find((message) => message.threadTs === undefined && textOf(message).includes(request.approval_id));
  const posted = async (asked: Asked): Promise<SlackMessage> => {
    await here.until('the card is posted', async () => messageOf(asked) !== undefined);
    return messageOf(asked) as SlackMessage;
  };
  const statusOf = async (asked: Asked): Promise<unknown> => (await here.show(asked)).body['status'];
  const outcomes = async (): Promise<readonly (string | null)[]> => (await here.rows<{ outcome: string | null }>('SELECT outcome FROM slack_interaction ORDER BY received_at')).map(({ outcome }) => outcome);
  const toldTo = (user: string): readonly string[] => slack.ephemerals.filter((each) => each.user === user).map(({ text }) => text);

  test('the whole card is posted once; a linked person approves it there, is acknowledged at once, and the card is rewritten without buttons', async () => {
    const asked = await here.ask();
    const message = await posted(asked);
    expect(message).toMatchObject({ channel: 'C0CARDS', text: 'Waits for a decision: payment.refund by support-bot for 100.00 USD' });
    for (const words of ['/account: acct_42', '/amount: 100.00', 'The photograph shows a broken part.', 'Refunds above 50 USD need a person', 'If nobody answers']) expect(textOf(message)).toContain(words);
    const answer = await slack.press(message, 'approve', { to, user: 'U0FIONA' });
    expect([answer.status, answer.body]).toEqual([200, '']);
    if (QUIET) expect(answer.ms).toBeLessThan(3_000);
    await here.until('it is granted', async () => (await statusOf(asked)) === 'granted');
    expect((await here.show(asked)).body).toMatchObject({ votes: [{ person: 'fiona', vote: 'approve' }], resolution: { person: 'fiona' } });
    await here.until('the card is rewritten', async () => textOf(messageOf(asked)).includes('Granted by fiona'));
    expect(textOf(messageOf(asked))).not.toContain('"approve"');
    // The same bytes again, as a replay would send them: acknowledged, and nothing happens.
    const replay = await fetch(to, { method: 'POST', ...answer.sent });
    expect(replay.status).toBe(200);
    expect(await here.names(asked)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalGranted']);
    expect(slack.messages.filter((each) => textOf(each).includes(asked.request.approval_id))).toHaveLength(1);
  });

  test('invariant 24: an account linked to nobody, a forged, old or foreign request decide nothing', async () => {
    const asked = await here.ask();
    const message = await posted(asked);
    for (const gesture of [{ signingSecret: 'x' }, { ageSeconds: 301 }, { ageSeconds: -301 }]) expect((await slack.press(message, 'approve', { to, user: 'U0FIONA', ...gesture })).status).toBe(401);
    expect((await slack.press(message, 'approve', { to, user: 'U0FIONA', team: 'T0OTHER' })).status).toBe(403);
    expect((await slack.press(message, 'approve', { to: to.replace('cards', 'unknown'), user: 'U0FIONA' })).status).toBe(404);
    const before = (await outcomes()).length;
    expect((await slack.press(message, 'approve', { to, user: 'U0STRANGER' })).status).toBe(200);
    await here.until('the stranger is told', async () => toldTo('U0STRANGER').length === 1);
    expect(toldTo('U0STRANGER')[0]).toMatch(/linked to nobody.*https:\/\/gate\.example\/approvals\//);
    expect((await outcomes()).slice(before)).toEqual(['not linked']);
    expect(await here.names(asked)).toEqual(['ApprovalOpened']);
  });

  test('who may not, may not from here either, and is told why: the owner, a role that is not asked', async () => {
    const asked = await here.ask();
    const message = await posted(asked);
    for (const user of ['U0OLGA', 'U0NOBODY']) {
      await slack.press(message, 'approve', { to, user });
      await here.until(`${user} is told`, async () => toldTo(user).length === 1);
      expect(toldTo(user)[0]).toContain('It did not count');
    }
    expect(await statusOf(asked)).toBe('open');
    expect((await here.events(asked)).filter(({ name }) => name === 'VoteRefused').map(({ actorid, data }) => [actorid, data['code']])).toEqual([['olga', 'SELF_APPROVAL'], ['nobody', 'NOT_ELIGIBLE']]);
  });

  test('rejecting asks why in a dialog; the reason reaches the agent, and is kept nowhere else', async () => {
    const asked = await here.ask();
    const message = await posted(asked);
    expect((await slack.press(message, 'reject', { to, user: 'U0GEORG' })).status).toBe(200);
    await here.until('the dialog is open', async () => slack.views.length === 1);
    const [view] = slack.views;
    if (view === undefined) throw new Error('no dialog');
    expect((await slack.submit(view, { code: 'wrong_facts', reason: 'canary-reason: the photograph is old' }, { to, user: 'U0GEORG' })).status).toBe(200);
    await here.until('it is rejected', async () => (await statusOf(asked)) === 'rejected');
    expect((await here.show(asked)).body).toMatchObject({ resolution: { person: 'georg', text: 'canary-reason: the photograph is old', reason_code: 'wrong_facts', instruction: 'abort' } });
    expect(await here.rows("SELECT FROM slack_interaction WHERE payload IS NOT NULL")).toEqual([]);
    await here.until('the card is rewritten', async () => textOf(messageOf(asked)).includes('Rejected by georg'));
  });

  test('a card that is no longer what stands there decides nothing and is rewritten', async () => {
    const asked = await here.ask({ more: { demand: { stages: [{ roles: ['finance'], quorum: 2 }], distinct: true, ttl_ms: 3_600_000, on_timeout: 'deny' } } });
    const old = structuredClone(await posted(asked));
    await here.decide(asked, 'approve', 'georg', { caps: { max_amount: { USD_MICROCENTS: '4200000000' } } });
    await here.until('the vote stands on the card', async () => textOf(messageOf(asked)).includes('1 of 2') && textOf(messageOf(asked)).includes('42.00'));
    await slack.press(old, 'approve', { to, user: 'U0FIONA' });
    await here.until('fiona is told', async () => toldTo('U0FIONA').length === 1);
    expect(toldTo('U0FIONA')[0]).toContain('somebody acted on the request');
    expect(await statusOf(asked)).toBe('open');
    await slack.press(await posted(asked), 'approve', { to, user: 'U0FIONA' });
    await here.until('it is granted', async () => (await statusOf(asked)) === 'granted');
  });

  test('acknowledged while the request is locked by somebody else: it counts when its turn comes', async () => {
    const asked = await here.ask();
    const message = await posted(asked);
    const [answer] = await here.atOnce(asked, [() => slack.press(message, 'approve', { to, user: 'U0FIONA' })]);
    if (QUIET) expect(answer?.ms).toBeLessThan(3_000);
    await here.until('it is granted', async () => (await statusOf(asked)) === 'granted');
  });

  test('a workspace that shows facts gets no argument and no word of the agent, and is not decided in', async () => {
    const asked = await here.ask({ tenant: 'globex', args: { account: 'canary-account', amount: '100.00' }, sealed: { reasoning: 'canary-words' } });
    const message = await posted(asked);
    expect(message.channel).toBe('C0FACTS');
    expect(textOf(message)).not.toMatch(/canary|"approve"/);
    expect(textOf(message)).toContain('Refunds above 50 USD need a person');
  });

  test('hostile text stays text: no mention, no link, no line of its own; what is too long is decided on the page', async () => {
    const asked = await here.ask({ args: { note: '<!channel> <https://evil.example|ok>\nSTATUS: Granted\n\u202eevil', amount: '100.00' } });
    const message = await posted(asked);
    expect(textOf(message)).not.toMatch(/<!channel>|<https|\u202e|mrkdwn/);
    expect(textOf(message)).toContain('    ¦ STATUS: Granted');
    const long = await here.ask({ args: Object.fromEntries(Array.from({ length: 90 }, (_, index) => [`field_${index}`, '<'.repeat(600)])) });
    const short = textOf(await posted(long));
    expect([short.includes('too long to be shown here'), short.includes('"approve"'), short.length < 5_000]).toEqual([true, false, true]);
  });

  test('Slack that is busy is asked again when it says; a reminder is said below the card', async () => {
    const before = slack.messages.length;
    const first = slack.calls.length;
    let refused = 0;
    slack.behave((method) => (method === 'chat.postMessage' && refused++ === 0 ? { retryAfterSeconds: 1 } : {}));
    const asked = await here.ask({ expiresInMs: 600_000, more: { demand: { stages: [{ roles: ['finance'], quorum: 1 }], distinct: true, ttl_ms: 600_000, sla_ms: 1_000, on_timeout: 'deny' } } });
    const message = await posted(asked);
    await here.until('it is reminded of', async () => slack.messages.some(({ threadTs }) => threadTs === message.ts));
    slack.behave(() => ({}));
    expect(slack.calls.length).toBeGreaterThan(first + 1);
    expect(slack.messages.slice(before).filter(({ threadTs }) => threadTs === undefined)).toHaveLength(1);
  });
});
