import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { run } from '@exequatur/cli';
import { Installation, type Asked } from '../spec/installation.js';

describe('exequatur approvals, against the service', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const approvals = async (person: string, args: readonly string[], answer?: string): Promise<{ exit: number; out: string; err: string; asked: readonly string[] }> => {
    let [out, err] = ['', ''];
    const asked: string[] = [];
    const ask = (question: string): Promise<string> => {
      asked.push(question);
      return Promise.resolve(answer ?? '');
    };
    const exit = await run(['approvals', ...args], { out: (text) => (out += text), err: (text) => (err += text), env: { EXEQUATUR_URL: here.origin, EXEQUATUR_TOKEN: here.personToken(person) }, ...(answer === undefined ? {} : { ask }) });
    return { exit, out, err, asked };
  };
  const idOf = ({ request }: Asked): string => request.approval_id;
  const statusOf = async (asked: Asked): Promise<unknown> => (await here.show(asked)).body['status'];
  const reversible = async (): Promise<Asked> => {
    const { facts } = (await here.ask()).request;
    return here.ask({ more: { facts: { ...facts, has_reversal: true } }, sealed: { reversal: { handle: 'refund/undo' } } });
  };

  test('list and show: the card in the terminal, hostile text neutralised', async () => {
    const asked = await here.ask({ args: { account: 'acct_42', amount: '100.00', note: '\u001b[2J\u202eevil' } });
    expect(await approvals('fiona', ['list', '--kind', 'payment.refund'])).toMatchObject({ exit: 0, out: expect.stringContaining(`${idOf(asked)}  open`) as unknown });
    const { exit, out } = await approvals('fiona', ['show', idOf(asked)]);
    expect(exit).toBe(0);
    for (const words of ['payment.refund by support-bot for 100.00 USD', 'WHAT EXACTLY', '/account: acct_42', 'LOOK CLOSELY', '\\u001b[2J\\u202eevil', 'If nobody answers', 'view    sha256:']) expect(out).toContain(words);
    expect(out).not.toMatch(/\u001b|\u202e/);
    expect(await approvals('nobody', ['show', idOf(asked)])).toMatchObject({ exit: 3, err: expect.stringContaining('NOT_FOUND') as unknown });
  });

  test('what cannot be undone is asked about first; without anybody to ask it is not approved', async () => {
    const asked = await here.ask();
    expect(await approvals('fiona', ['approve', idOf(asked)])).toMatchObject({ exit: 2, err: expect.stringContaining('nobody is there to be asked') as unknown });
    expect(await approvals('fiona', ['approve', idOf(asked)], 'y')).toMatchObject({ exit: 1, err: 'not approved\n' });
    expect(await statusOf(asked)).toBe('open');
    const approved = await approvals('fiona', ['approve', idOf(asked), '--rationale', 'as agreed'], 'approve');
    expect(approved).toMatchObject({ exit: 0, out: expect.stringContaining('/amount: 100.00') as unknown });
    expect(approved.asked).toEqual(['payment.refund by support-bot for 100.00 USD: this cannot be undone. Type "approve" to approve it: ']);
    expect(approved.out).toContain(`granted, grant ${idOf(asked)}`);
    expect((await here.show(asked)).body).toMatchObject({ votes: [{ person: 'fiona', rationale: 'as agreed' }] });
  });

  test('what can be undone is not asked about; a card other than the one that was looked at is not decided on', async () => {
    const asked = await reversible();
    expect(await approvals('fiona', ['approve', idOf(asked), '--view', `sha256:${'0'.repeat(64)}`])).toMatchObject({ exit: 1, err: expect.stringContaining('another card') as unknown });
    const { view_hash } = JSON.parse((await approvals('fiona', ['show', idOf(asked), '--json'])).out) as { view_hash: string };
    expect((await approvals('fiona', ['approve', idOf(asked), '--view', view_hash])).exit).toBe(0);
    expect(await statusOf(asked)).toBe('granted');
    expect(await approvals('georg', ['reject', idOf(asked), '--reason', 'late'])).toMatchObject({ exit: 3, err: expect.stringContaining('ALREADY_DECIDED') as unknown });
  });

  test('reject, respond, escalate; who may not is told so', async () => {
    const [rejected, answered, escalated] = [await here.ask(), await here.ask(), await here.ask()];
    expect((await approvals('olga', ['approve', idOf(rejected), '--yes'])).err).toContain('SELF_APPROVAL');
    expect((await approvals('fiona', ['reject', idOf(rejected), '--reason', 'wrong account', '--instruction', 'reroute', '--json'])).exit).toBe(0);
    expect((await here.show(rejected)).body).toMatchObject({ status: 'rejected', resolution: { person: 'fiona', text: 'wrong account', instruction: 'reroute' } });
    expect((await approvals('fiona', ['respond', idOf(answered), '--text', 'It was refunded by hand.'])).out).toContain('answered');
    expect((await here.show(answered)).body).toMatchObject({ status: 'answered', resolution: { text: 'It was refunded by hand.' } });
    expect((await approvals('fiona', ['escalate', idOf(escalated)])).exit).toBe(2);
    expect((await approvals('fiona', ['escalate', idOf(escalated), '--person', 'georg', '--reason', 'you know them'])).exit).toBe(0);
    expect((await here.show(escalated)).body).toMatchObject({ status: 'open', escalated_to: { people: ['georg'] } });
  });

  test('watch prints what happened since an event, and what happens', async () => {
    const watched = async (seconds: number): Promise<readonly string[]> => {
      const before = (await here.call('GET', '/v1/stream', here.personToken('fiona'))).body['last_event_id'] as string;
      const asked = await here.ask();
      const watching = approvals('fiona', ['watch', '--for', String(seconds), '--since', before, '--json']);
      await here.decide(asked, 'reject', 'fiona', { reason: 'no' });
      const lines = (await watching).out.split('\n').filter((each) => each !== '').map((each) => JSON.parse(each) as { event: string; approval_id: string });
      return lines.filter(({ approval_id }) => approval_id === idOf(asked)).map(({ event }) => event);
    };
    const happened = ['ApprovalOpened', 'ApprovalRejected'];
    // It ends by the clock: where four seconds were too few for a loaded machine, once more and for longer.
    let seen = await watched(4);
    if (!happened.every((event) => seen.includes(event))) seen = await watched(60);
    expect(seen).toEqual(expect.arrayContaining(happened));
  });
});
