import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { startSmtpSink, type SmtpSink } from './index.js';

describe('startSmtpSink', () => {
  let sink: SmtpSink;
  const send = (mail: SendMailOptions): Promise<unknown> => createTransport({ host: '127.0.0.1', port: sink.port, secure: false }).sendMail(mail);
  const mail = { from: 'agent@acme.example', to: 'ada@customer.example', bcc: 'audit@acme.example', subject: 'Your renewal', text: 'Dear Ada,\nit is due.\n' };

  beforeEach(async () => {
    sink = await startSmtpSink();
  });
  afterEach(() => sink.stop());

  test('keeps envelope, headers, text and raw bytes of every mail', async () => {
    await send({ ...mail, headers: { 'X-Effect-Key': 'exe_1' } });
    expect(sink.messages).toHaveLength(1);
    expect(sink.messages[0]).toMatchObject({
      from: 'agent@acme.example', to: ['ada@customer.example', 'audit@acme.example'], subject: 'Your renewal', headers: { 'x-effect-key': 'exe_1', to: 'ada@customer.example' },
    });
    expect(sink.messages[0]?.text.replaceAll('\r\n', '\n').trimEnd()).toBe('Dear Ada,\nit is due.');
    expect(sink.messages[0]?.raw.toString()).toContain('Subject: Your renewal\r\n');
  });

  test.each(['Grüße, Ada – 5 € = fällig', '日本語の本文 '.repeat(30).trim()])('reads other scripts as they were written: %s', async (words) => {
    await send({ ...mail, subject: words, text: words });
    expect(sink.messages[0]?.subject).toBe(words);
    expect(sink.messages[0]?.text.trimEnd()).toBe(words);
  });

  test('refuses as told and takes nothing', async () => {
    sink.behave((received) => (received.subject === 'Your renewal' ? { refuseWith: 550 } : {}));
    await expect(send(mail)).rejects.toMatchObject({ responseCode: 550 });
    await send({ ...mail, subject: 'Another' });
    expect(sink.messages.map(({ subject }) => subject)).toEqual(['Another']);
  });

  test.each([['before', 0], ['after', 1]] as const)('hangs up %s taking the mail: the sender fails, %i taken', async (hangUp, taken) => {
    sink.behave(() => ({ hangUp }));
    await expect(send(mail)).rejects.toThrow();
    expect(sink.messages).toHaveLength(taken);
  });

  test('answers late as told', async () => {
    sink.behave(() => ({ answerAfterMs: 150 }));
    const began = Date.now();
    await send(mail);
    expect(Date.now() - began).toBeGreaterThanOrEqual(145);
  });

  test('a taken port is an error', async () => {
    await expect(startSmtpSink({ port: sink.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
