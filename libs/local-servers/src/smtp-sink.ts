import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import { readMail, type ReceivedMail } from './received-mail.js';

/** What the sink does with a mail whose content has arrived. `{}` takes it and says so at once. */
export type MailBehaviour = {
  /** Refuse with this SMTP code (4xx: try again, 5xx: never) instead of taking it. */
  refuseWith?: number;
  /** Hang up without an answer, `before` or `after` taking the mail: the sender cannot tell which. */
  hangUp?: 'before' | 'after';
  /** Wait between taking the mail and answering. */
  answerAfterMs?: number;
};

export type SmtpSink = {
  port: number;
  /** Every mail taken, in order of arrival. */
  messages: ReceivedMail[];
  /** Sets what happens to later mails. */
  behave(behaviour: (mail: ReceivedMail) => MailBehaviour): void;
  stop(): Promise<void>;
};

const largestMailBytes = 10 * 1024 * 1024;

/**
 * A mail server on 127.0.0.1 that takes every mail and delivers none: for the demo and for tests. No TLS, no accounts.
 * `port`: a free one when left out. Rejects with the system's error when the port is taken.
 */
export const startSmtpSink = (options: { port?: number } = {}): Promise<SmtpSink> => {
  const messages: ReceivedMail[] = [];
  let behaviour: (mail: ReceivedMail) => MailBehaviour = () => ({});
  const sockets = new Map<number, Socket>();

  const take = async (mail: ReceivedMail, remotePort: number): Promise<void> => {
    const { refuseWith, hangUp, answerAfterMs } = behaviour(mail);
    if (refuseWith !== undefined) throw Object.assign(new Error('refused by the sink'), { responseCode: refuseWith });
    if (hangUp !== 'before') messages.push(mail);
    if (hangUp !== undefined) return void sockets.get(remotePort)?.destroy();
    if (answerAfterMs !== undefined) await delay(answerAfterMs);
  };

  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    size: largestMailBytes,
    closeTimeout: 500,
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => {
        const from = session.envelope.mailFrom === false ? '' : (session.envelope.mailFrom?.address ?? '');
        const mail = readMail({ from, to: session.envelope.rcptTo.map(({ address }) => address) }, Buffer.concat(chunks), new Date());
        take(mail, session.remotePort).then(() => callback(null), (error: Error) => callback(error));
      });
    },
  });
  // A client that goes away in the middle of a mail is its own affair.
  server.on('error', () => undefined);

  return new Promise((resolve, reject) => {
    server.server.once('error', reject);
    server.server.on('connection', (socket) => {
      const remotePort = socket.remotePort ?? 0;
      sockets.set(remotePort, socket);
      socket.once('close', () => sockets.delete(remotePort));
    });
    server.listen(options.port ?? 0, '127.0.0.1', () => {
      const address = server.server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : 0,
        messages,
        behave: (next) => (behaviour = next),
        stop: () => new Promise((done) => server.close(() => done())),
      });
    });
  });
};
