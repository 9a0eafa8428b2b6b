import { httpAnswer } from '@exequatur/executor-domain';
import type { CallFacts } from '@exequatur/executor-domain';
import { isJsonObject, parseStrict } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { buildConnector, Client } from 'undici';
import type { Dispatcher } from 'undici';
import { basicToken, secretsOf } from '../connectors/connector.js';
import type { Credential, HttpSettings } from '../connectors/connector.js';
import { LIMITS } from '../limits.js';
import { excerptOf, notSent, withoutSecrets } from './tool-call.js';
import type { CallResult, NotSent, ToolCall } from './tool-call.js';

/** Where a connection of this call stands: `refused` it will never be used, `open` it was handed over for writing. */
type Progress = { state: 'connecting' } | { state: 'refused'; ending: NotSent } | { state: 'open' };

/**
 * POSTs the granted bytes. A connection of its own, handed over once and only after every check: so before that nothing can
 * have been sent, and after it nothing is ever sent a second time. No redirects, no retries, a bounded answer.
 */
export const callHttpTool = async (settings: HttpSettings, credential: Credential | undefined, call: ToolCall): Promise<CallResult> => {
  const url = new URL(settings.url);
  const secrets = secretsOf(credential);
  const facts = factsOf(url, call.bytes);
  const early = call.mayBegin(facts);
  if (early !== undefined) return { ending: early, sent: call.bytes, excerpt: '' };
  const ended = new AbortController();
  const progress: { now: Progress } = { now: { state: 'connecting' } };
  const client = new Client(url.origin, { connect: checkedConnect(progress, () => (ended.signal.aborted ? notSent('unreachable') : call.mayBegin(facts))), pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  const timer = setTimeout(() => ended.abort(), call.runtimeMs);
  try {
    const response = await client.request({ path: `${url.pathname}${url.search}`, method: settings.method ?? 'POST', headers: headersOf(settings, credential, call.effectKey), body: call.bytes, idempotent: false, signal: ended.signal });
    const body = await beginning(response.body);
    const providerRequestId = requestIdOf(response.headers, body, secrets);
    const excerpt = excerptOf(`HTTP ${response.statusCode}\n${body.toString('utf8')}`, secrets);
    return { ending: httpAnswer(response.statusCode), sent: call.bytes, excerpt, ...(providerRequestId === undefined ? {} : { providerRequestId }) };
  } catch {
    // The error may quote headers; how far the call came says all that matters.
    const { now } = progress;
    if (now.state === 'refused') return { ending: now.ending, sent: call.bytes, excerpt: '' };
    if (now.state === 'connecting') return { ending: notSent('unreachable'), sent: call.bytes, excerpt: 'no connection' };
    return { ending: { phase: 'sent', because: ended.signal.aborted ? 'timeout' : 'connection_lost' }, sent: call.bytes, excerpt: '' };
  } finally {
    clearTimeout(timer);
    ended.abort();
    client.destroy().catch(() => undefined);
  }
};

/** The last gate: between "connected" (TLS included) and the first byte. */
const checkedConnect = (progress: { now: Progress }, mayBegin: () => NotSent | undefined): buildConnector.connector => {
  const connect = buildConnector({ timeout: LIMITS.connectMs });
  return (options, callback) => {
    if (progress.now.state !== 'connecting') return callback(new Error('a second connection for one call'), null);
    connect(options, (error, socket) => {
      if (error !== null || socket === null) return callback(error ?? new Error('no connection'), null);
      const refused = progress.now.state === 'connecting' ? mayBegin() : notSent('unreachable');
      if (refused !== undefined) {
        if (progress.now.state === 'connecting') progress.now = { state: 'refused', ending: refused };
        socket.destroy();
        return callback(new Error('the call may not begin'), null);
      }
      progress.now = { state: 'open' };
      callback(null, socket);
    });
  };
};

const headersOf = ({ headers }: HttpSettings, credential: Credential | undefined, effectKey: string): Record<string, string> => ({
  ...headers,
  ...credential?.headers,
  ...(credential?.bearer_token === undefined ? {} : { authorization: `Bearer ${credential.bearer_token}` }),
  ...(credential?.password === undefined ? {} : { authorization: `Basic ${basicToken(credential.username, credential.password)}` }),
  'content-type': 'application/json',
  accept: 'application/json, */*;q=0.1',
  'idempotency-key': effectKey,
});

/** Twice what is kept: a secret that the cut would halve is seen as a whole. */
const READ_BYTES = 2 * LIMITS.resultBytes;

/** The first bytes of the answer; the rest is not read. A status was seen, so a body that breaks off changes nothing. */
const beginning = async (body: Dispatcher.ResponseData['body']): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= READ_BYTES) break;
    }
  } catch {
    return Buffer.concat(chunks).subarray(0, READ_BYTES);
  }
  return Buffer.concat(chunks).subarray(0, READ_BYTES);
};

const REQUEST_ID_HEADERS = ['x-request-id', 'request-id', 'x-amzn-requestid', 'x-correlation-id'];
const REQUEST_ID = /^[\x21-\x7e]{1,300}$/;

/** How the tool itself calls this request: for whoever reconciles. */
const requestIdOf = (headers: Dispatcher.ResponseData['headers'], body: Buffer, secrets: readonly string[]): string | undefined => {
  const named = [...REQUEST_ID_HEADERS.map((name) => headers[name]), idIn(body)];
  return named.find((value): value is string => typeof value === 'string' && REQUEST_ID.test(value) && withoutSecrets(value, secrets) === value);
};

const idIn = (body: Buffer): JsonValue | undefined => {
  try {
    const parsed = parseStrict(body);
    return isJsonObject(parsed) ? parsed['id'] : undefined;
  } catch {
    return undefined;
  }
};

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Recipients as the field of a mail would name them; where there are none, caps on recipients admit nothing. */
const factsOf = (url: URL, bytes: Buffer): CallFacts => {
  const host = `${url.hostname}:${url.port === '' ? DEFAULT_PORTS[url.protocol] : url.port}`;
  const recipients = recipientsIn(bytes);
  return { host, ...(recipients === undefined ? {} : { recipients }) };
};

const RECIPIENT_FIELDS = ['to', 'cc', 'bcc', 'recipients'];

const recipientsIn = (bytes: Buffer): readonly string[] | undefined => {
  const parsed = parseStrict(bytes);
  if (!isJsonObject(parsed)) return undefined;
  const named = RECIPIENT_FIELDS.flatMap((field) => (parsed[field] === undefined ? [] : [parsed[field]])).flat();
  return named.length > 0 && named.every((recipient) => typeof recipient === 'string') ? named : undefined;
};
