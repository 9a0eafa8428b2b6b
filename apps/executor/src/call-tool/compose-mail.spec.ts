import { describe, expect, test } from '@jest/globals';
import { canonicalBytes } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { composeMail } from './compose-mail.js';

const settings = { host: 'mail.example', port: 25, from: 'agent@acme.example' };
const compose = (args: JsonValue) => composeMail(settings, { bytes: Buffer.from(canonicalBytes(args)), effectKey: 'e-1' });

describe('the mail that arguments describe', () => {
  test('everybody who is written to is in the envelope, blind copies in no header', async () => {
    const mail = await compose({ to: 'Kim <kim@a.example>', cc: ['lee@a.example'], bcc: ['max@a.example'], subject: 's', html: '<b>x</b>', text: 'x', reply_to: 'r@acme.example' });
    if ('unfit' in mail) throw new Error(mail.unfit);
    expect(mail.envelope).toEqual({ from: 'agent@acme.example', to: ['kim@a.example', 'lee@a.example', 'max@a.example'] });
    const text = mail.bytes.toString('utf8');
    expect(text).toContain('Message-ID: <e-1@acme.example>');
    expect(text).not.toContain('max@a.example');
  });

  test.each<[JsonValue, string]>([
    [[], 'no object'],
    [{ subject: 's' }, 'no recipient'],
    [{ to: 'a@x.example, b@y.example' }, 'argument to'],
    [{ to: ['a@x.example', 7] }, 'argument to'],
    [{ to: 'a@x.example\r\nBcc: b@y.example' }, 'argument to'],
    [{ to: 'a@x.example', subject: 5 }, 'argument subject'],
    [{ to: 'a@x.example', text: { path: '/etc/passwd' } }, 'argument text'],
    [{ to: 'a@x.example', text: 'a', body: 'b' }, 'text and body'],
    [{ to: 'a@x.example', from: 'ceo@acme.example' }, 'sender'],
    [{ to: 'a@x.example', priority: 'high' }, '"priority"'],
  ])('%j is unfit', async (args, why) => expect(await compose(args)).toEqual({ unfit: expect.stringContaining(why) }));

  test('a line break in a subject makes no header', async () => {
    const mail = await compose({ to: 'a@x.example', subject: 'x\r\nBcc: eve@evil.example', text: 't' });
    if ('unfit' in mail) throw new Error(mail.unfit);
    expect(mail.bytes.toString('utf8')).not.toMatch(/^Bcc:/m);
    expect(mail.envelope.to).toEqual(['a@x.example']);
  });
});
