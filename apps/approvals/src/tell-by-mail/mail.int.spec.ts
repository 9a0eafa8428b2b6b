import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sha256Text } from '@exequatur/kernel';
import { startSmtpSink, type ReceivedMail, type SmtpSink } from '@exequatur/local-servers';
import { ExpireRequests } from '../expire-requests/expire-requests.js';
import { ExpirySweep } from '../expire-requests/expiry-sweep.js';
import { Installation, PEOPLE, type Asked } from '../spec/installation.js';
import { WatchTimeouts } from '../tell-channels/watch-timeouts.js';

const ROOT = 'root-token-of-this-suite';

describe('mail', () => {
  let here: Installation;
  let sink: SmtpSink;
  beforeAll(async () => {
    sink = await startSmtpSink();
    here = await Installation.start({ EXEQUATUR_ADMIN_TOKEN_HASH: sha256Text(Buffer.from(ROOT)), EXEQUATUR_MAIL: JSON.stringify({ host: '127.0.0.1', port: sink.port, from: 'gate@corp.example' }), PUBLIC_URL: 'https://gate.example' });
    for (const person of Object.keys(PEOPLE)) expect(await setAddress(person)).toMatchObject({ status: 200 });
  });
  afterAll(async () => {
    await here.stop();
    await sink.stop();
  });

  const setAddress = (person: string, body: object = { address: `${person}@corp.example` }) => here.call('POST', `/v1/approvals/mail-addresses/${person}`, ROOT, { body: { tenant: 'acme', ...body } });
  const mailsOf = ({ request }: Asked): readonly ReceivedMail[] => sink.messages.filter(({ text }) => text.includes(request.approval_id));
  const undelivered = ({ request }: Asked) => here.rows<{ address: string; last_fault: string | null; next_at: Date | null }>("SELECT address, last_fault, next_at FROM notice WHERE channel = 'mail' AND approval_id = $1 AND delivered_at IS NULL ORDER BY address", [request.approval_id]);
  const settled = (asked: Asked) =>
    here.until('everybody was told', async () => {
      await here.rows("UPDATE notice SET next_at = clock_timestamp() WHERE channel = 'mail' AND next_at > clock_timestamp() AND last_fault IS NOT NULL");
      const notices = await here.rows<{ address: string; open: boolean }>("SELECT address, next_at IS NOT NULL AS open FROM notice WHERE channel = 'mail' AND approval_id = $1", [asked.request.approval_id]);
      return notices.length > 1 && notices.every(({ open }) => !open);
    });

  test('who may decide is told, once, with facts and a link that leads to the login: no argument, no word of the agent, no secret', async () => {
    const asked = await here.ask({ args: { account: 'canary-account', amount: '100.00' }, sealed: { reasoning: 'canary-words', target: 'canary-target' } });
    await settled(asked);
    const mails = mailsOf(asked);
    // Neither olga, who owns the agent, nor roles that are not asked.
    expect(mails.map(({ to }) => to[0]).sort()).toEqual(['fiona@corp.example', 'georg@corp.example']);
    for (const { subject, text, headers, raw } of mails) {
      expect(subject).toBe('Decision wanted: payment.refund by support-bot for 100.00 USD');
      expect(text).toContain(`https://gate.example/approvals/${asked.request.approval_id}\r\n`);
      expect(raw.toString('utf8')).not.toMatch(/canary|exq_|token|eyJ/);
      expect(headers['auto-submitted']).toBe('auto-generated');
    }
    const page = await fetch(`${here.origin}/approvals/${asked.request.approval_id}`, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([303, `/login?next=%2Fapprovals%2F${asked.request.approval_id}`]);
  });

  test('a server that is busy is asked again with the same Message-ID; one that refuses for good is not', async () => {
    const tries: (string | undefined)[] = [];
    sink.behave(({ to, headers }) => {
      if (to[0] === 'georg@corp.example') return { refuseWith: 550 };
      return tries.push(headers['message-id']) === 1 ? { refuseWith: 451 } : {};
    });
    const asked = await here.ask();
    await settled(asked);
    sink.behave(() => ({}));
    expect(tries).toHaveLength(2);
    expect(new Set(tries).size).toBe(1);
    expect(mailsOf(asked).map(({ to }) => to[0])).toEqual(['fiona@corp.example']);
    expect(await undelivered(asked)).toMatchObject([{ address: 'georg', last_fault: 'the mail server answered 550', next_at: null }]);
  });

  test('a reminder goes out before the SLA is over; who voted is left in peace', async () => {
    // From here on by hand: a reminder that came before the vote would reach both.
    await here.service.app.get(ExpirySweep).beforeApplicationShutdown();
    const sweep = () => here.service.app.get(ExpireRequests).sweep();
    const asked = await here.ask({ more: { demand: { stages: [{ roles: ['finance'], quorum: 2 }], distinct: true, ttl_ms: 3_600_000, sla_ms: 1_800_000, on_timeout: 'deny' } } });
    await settled(asked);
    await here.decide(asked, 'approve', 'fiona');
    await here.rows("UPDATE approval_request SET remind_at = clock_timestamp() WHERE approval_id = $1", [asked.request.approval_id]);
    // The decider judges the SLA itself: it is not due, so nothing is recorded and nobody is told.
    expect((await sweep()).failures).toEqual([]);
    expect(await here.names(asked)).not.toContain('ApprovalReminded');
    const due = await here.ask({ expiresInMs: 600_000, more: { demand: { stages: [{ roles: ['finance'], quorum: 2 }], distinct: true, ttl_ms: 600_000, sla_ms: 1, on_timeout: 'deny' } } });
    await here.decide(due, 'approve', 'fiona');
    expect((await sweep()).failures).toEqual([]);
    expect(await here.names(due)).toContain('ApprovalReminded');
    await here.until('georg is reminded', async () => mailsOf(due).some(({ subject }) => subject.startsWith('Still waits')));
    await settled(due);
    expect(mailsOf(due).filter(({ subject }) => subject.startsWith('Still waits')).map(({ to }) => to[0])).toEqual(['georg@corp.example']);
  });

  test('an admin says where mail goes, for people of the tenant alone, to one plain mailbox; anybody can have it stopped', async () => {
    expect(await setAddress('stranger')).toMatchObject({ status: 404 });
    expect(await setAddress('stranger', { address: 'no mailbox' })).toMatchObject({ status: 404 });
    expect(await setAddress('fiona', { address: 'a@b.example, c@d.example' })).toMatchObject({ status: 422 });
    expect(await here.call('POST', '/v1/approvals/mail-addresses/fiona', here.personToken('georg'), { body: { address: 'x@y.example' } })).toMatchObject({ status: 403 });
    expect(await here.call('POST', '/v1/approvals/mail-addresses/fiona/remove', here.personToken('georg'), { body: {} })).toMatchObject({ status: 403 });
    expect(await here.call('POST', '/v1/approvals/mail-addresses/nobody/remove', here.personToken('nobody'), { body: {} })).toMatchObject({ status: 200 });
    const removed = (person: string) => here.call('POST', `/v1/approvals/mail-addresses/${person}/remove`, ROOT, { body: { tenant: 'acme' } });
    expect(await removed('stranger')).toMatchObject({ status: 404 });
    // Gone already is as good as gone.
    expect(await removed('nobody')).toMatchObject({ status: 200 });
    const { items } = (await here.call('GET', '/v1/approvals/mail-addresses?tenant=acme', ROOT)).body as { items: { person: string }[] };
    expect(items.map(({ person }) => person)).not.toContain('nobody');
  });

  test('A12: a broken glass is an alert to operators, admins and auditors, and to who would have decided; whoever broke it knows', async () => {
    const asked = await here.ask();
    await settled(asked);
    const before = mailsOf(asked).length;
    expect((await here.decide(asked, 'break-glass', 'erin', { reason: 'canary-outage' })).body).toMatchObject({ status: 'granted', emergency: true });
    const alerts = () => mailsOf(asked).slice(before).filter(({ subject }) => subject.startsWith('Approved in an emergency, to be reviewed'));
    await here.until('the alert', async () => alerts().length >= 4);
    await settled(asked);
    // olga is an operator, pia an auditor; fiona and georg would have been asked.
    expect(alerts().map(({ to }) => to[0]).sort()).toEqual(['fiona@corp.example', 'georg@corp.example', 'olga@corp.example', 'pia@corp.example']);
    for (const { text } of alerts()) {
      expect(text).toContain('By: erin');
      expect(text).toContain(`https://gate.example/approvals/${asked.request.approval_id}`);
      expect(text).not.toContain('canary');
    }
  });

  test('requests that end in silence more often than before are an alert, once an hour, to operators', async () => {
    const asked = await here.ask();
    await here.rows("INSERT INTO approval_request SELECT (jsonb_populate_record(r, jsonb_build_object('approval_id', gen_random_uuid(), 'status', 'expired', 'resolved_at', clock_timestamp()))).* FROM approval_request r, generate_series(1, 40) WHERE r.approval_id = $1", [asked.request.approval_id]);
    const watch = here.service.app.get(WatchTimeouts);
    expect(await watch.look()).toEqual(['acme']);
    expect(await watch.look()).toEqual(['acme']);
    const alerts = () => sink.messages.filter(({ subject }) => subject.startsWith('Alert: '));
    await here.until('the alert', async () => alerts().length > 0);
    expect(alerts().map(({ to, subject }) => [to[0], subject])).toEqual([['olga@corp.example', 'Alert: 40 requests ended without an answer']]);
  });
});
