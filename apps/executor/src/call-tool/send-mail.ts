import { connect, Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { CallEnding } from '@exequatur/executor-domain';
import type { Egress } from '../egress/egress.js';
import { isPinned, pinnedLookup } from '../egress/pinned-connection.js';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { secretsOf } from '../connectors/connector.js';
import type { Credential, SmtpSettings } from '../connectors/connector.js';
import { LIMITS } from '../limits.js';
import { composeMail } from './compose-mail.js';
import type { ComposedMail } from './compose-mail.js';
import { reachWithin } from './reach-within.js';
import { excerptOf, notSent } from './tool-call.js';
import type { CallResult, NotSent, ToolCall } from './tool-call.js';

/**
 * Sends one mail. Its content is what has the effect (RFC 5321 section 4.1.1.4: a server acts on the end of data only), so
 * until the server has asked for it nothing can have happened; once its first byte is out, only the server's reply tells.
 * The Message-ID is derived from the effect key: a mail that came twice could be seen.
 */
export const sendMail = async (settings: SmtpSettings, credential: Credential | undefined, call: ToolCall, egress: Egress): Promise<CallResult> => {
  const composed = await composeMail(settings, call);
  if ('unfit' in composed) return { ending: notSent('refused'), sent: call.bytes, excerpt: composed.unfit };
  const facts = { host: `${settings.host}:${settings.port}`, recipients: composed.envelope.to, ...(settings.environment === undefined ? {} : { environment: settings.environment }) };
  const early = call.mayBegin(facts);
  if (early !== undefined) return { ending: early, sent: call.bytes, excerpt: '' };
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), call.runtimeMs);
  const connection = await connectPinned(settings, egress, ended.signal);
  if (!(connection instanceof Socket)) {
    clearTimeout(timer);
    return { ending: connection, sent: call.bytes, excerpt: '' };
  }
  const attempt = new MailAttempt(settings, connection, credential, composed, () => call.mayBegin(facts));
  const { ending, said } = await attempt.run(ended.signal);
  clearTimeout(timer);
  return { ending, sent: call.bytes, excerpt: excerptOf(said, secretsOf(credential)), providerRequestId: composed.messageId };
};

/** A connection to one of the addresses that were judged, before a word is said; or why there is none. */
const connectPinned = async ({ host, port, private_networks }: SmtpSettings, egress: Egress, ended: AbortSignal): Promise<Socket | NotSent> => {
  const reach = await reachWithin(egress, host, private_networks, ended);
  if (reach.kind === 'refused') return notSent('egress');
  if (reach.kind === 'unresolved') return notSent('unreachable');
  const { addresses } = reach;
  const late = AbortSignal.any([ended, AbortSignal.timeout(LIMITS.connectMs)]);
  return new Promise((resolve) => {
    const socket = connect({ host, port, lookup: pinnedLookup(addresses) });
    const giveUp = (): void => void socket.destroy();
    const settle = (result: Socket | NotSent): void => {
      late.removeEventListener('abort', giveUp);
      socket.off('error', failed);
      socket.off('close', failed);
      resolve(result);
    };
    const failed = (): void => settle(notSent('unreachable'));
    socket.on('error', failed);
    socket.once('close', failed);
    late.addEventListener('abort', giveUp, { once: true });
    if (late.aborted) giveUp();
    socket.once('connect', () => {
      if (isPinned(socket, addresses)) return settle(socket);
      settle(notSent('egress'));
      socket.destroy();
    });
  });
};

interface Said {
  readonly ending: CallEnding;
  readonly said: string;
}

class MailAttempt {
  private readonly connection: SMTPConnection;
  private contentBegan = false;
  private refused: NotSent | undefined;
  private timedOut = false;

  constructor(
    settings: SmtpSettings,
    socket: Socket,
    private readonly credential: Credential | undefined,
    private readonly mail: ComposedMail,
    private readonly mayBegin: () => NotSent | undefined,
  ) {
    const { host, port, secure = false } = settings;
    // A password never goes out in clear, except to this very machine.
    const requireTLS = credential !== undefined && !secure && !['127.0.0.1', '::1', 'localhost'].includes(host);
    this.connection = new SMTPConnection({ connection: socket, host, port, secure, requireTLS, logger: false, connectionTimeout: LIMITS.connectMs, greetingTimeout: LIMITS.connectMs, maxResponseSize: LIMITS.resultBytes });
  }

  async run(ended: AbortSignal): Promise<Said> {
    const end = (): void => {
      this.timedOut = true;
      this.connection.close();
    };
    ended.addEventListener('abort', end, { once: true });
    if (ended.aborted) end();
    try {
      return await this.deliver();
    } finally {
      ended.removeEventListener('abort', end);
      this.connection.close();
    }
  }

  /** Resolves with the first thing that ends the attempt: a reply, an error, a closed connection. */
  private deliver(): Promise<Said> {
    return new Promise((resolve) => {
      const failed = (error?: unknown): void => resolve(this.failure(error));
      this.connection.once('error', failed);
      this.connection.once('end', () => failed());
      this.connection.connect((error?: Error) => {
        if (error !== undefined) return failed(error);
        this.authenticate((refusal) => {
          if (refusal) return failed(refusal);
          this.connection.send(this.mail.envelope, this.content(), (problem, delivered) => {
            if (problem) return failed(problem);
            resolve({ ending: { phase: 'answered', answer: 'done' }, said: `${delivered.response}${rejectedOf(delivered.rejected)}` });
          });
        });
      });
    });
  }

  private authenticate(done: (error?: Error | null) => void): void {
    const { username, password } = this.credential ?? {};
    if (username === undefined || password === undefined) return done();
    this.connection.login({ user: username, pass: password }, (error) => done(error));
  }

  /** Read when the server has said "go ahead": the last gate stands right before the first byte. */
  private content(): Readable {
    const { mail } = this;
    const gate = (): void => {
      this.refused = this.mayBegin();
      if (this.refused !== undefined) throw new Error('the call may not begin');
      this.contentBegan = true;
    };
    return Readable.from(
      (function* bytes() {
        gate();
        yield mail.bytes;
      })(),
    );
  }

  private failure(error: unknown): Said {
    const response = error instanceof Error && 'response' in error && typeof error.response === 'string' ? error.response : '';
    if (this.refused !== undefined) return { ending: this.refused, said: '' };
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (!this.contentBegan) return { ending: notSent(response === '' || code === 'ECONNECTION' ? 'unreachable' : 'refused'), said: response };
    // A reply of 4yz or 5yz to the content: the server has not taken it.
    if (code === 'EMESSAGE' && response !== '') return { ending: { phase: 'answered', answer: 'refused' }, said: response };
    return { ending: { phase: 'sent', because: this.timedOut ? 'timeout' : 'connection_lost' }, said: response };
  }
}

const rejectedOf = (rejected: readonly string[]): string => (rejected.length === 0 ? '' : `\nnot taken for: ${rejected.join(', ')}`);
