import { EVALUATED, HOSTILE_TEXTS } from './payloads.js';
import type { Received, Sent } from './wire.js';
import type { World } from './world.js';

const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Sent => ({ method: 'POST', path, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body: new URLSearchParams(fields).toString() });

/** Requests to the pages that no page of ours makes. */
export const pageRequests = ({ acme, globex, root }: World): Sent[] => {
  const page = `/approvals/${acme.approval}`;
  const decisions = ['approve', 'narrow', 'reject', 'respond', 'revoke'].map((decision) => `${page}/${decision}`);
  const hostile = HOSTILE_TEXTS.map((text) => encodeURIComponent(text).slice(0, 2_000));
  const get = (path: string, headers: Record<string, string> = {}): Sent => ({ method: 'GET', path, headers });
  return [
    ...hostile.flatMap((text) => [get(`/approvals/${text}`), get(`/login?next=${text}`), get(`/queue?cursor=${text}`), get('/queue', { cookie: `exq_session=${text}` })]),
    ...['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)', '/queue\r\nset-cookie: a=b'].map((next) => get(`/login?next=${encodeURIComponent(next)}`)),
    ...[...decisions, '/login', '/logout'].flatMap((path) => [
      form(path, {}),
      form(path, { csrf: 'forged', version: '1', view_hash: acme.viewHash, token: acme.person }),
      form(path, { csrf: 'x'.repeat(5_000) }),
      form(path, { __proto__: 'x', constructor: 'x', csrf: '' }),
      form(path, { csrf: 'forged' }, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }),
      form(path, { csrf: 'forged' }, { cookie: 'exq_session=forged; exq_session=twice' }),
      { ...form(path, {}), body: Buffer.from([0xff, 0x00, 0x25]) },
      { ...form(path, {}), body: 'csrf=%zz&a=%ff' },
      { ...form(path, {}), body: 'x'.repeat(300 * 1024) },
      { ...form(path, {}), headers: { 'content-type': 'application/json' }, body: '{"csrf":1}' },
      { ...form(path, {}), headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--x--' },
    ]),
    ...[acme.agent, root, globex.person, 'nonsense'].map((credential) => form(`${page}/approve`, { version: '1', view_hash: acme.viewHash }, { authorization: `Bearer ${credential}` })),
    ...['PUT', 'DELETE', 'PATCH'].flatMap((method) => ['/login', '/queue', page].map((path): Sent => ({ method, path, headers: {} }))),
  ];
};

/** A page, a redirect to one of ours, or a refusal; a form is never accepted. */
export const pageFault = (sent: Sent, { status, text }: Received): string | undefined => {
  if (status >= 500 || status < 200) return `${status} ${text.slice(0, 200)}`;
  if (sent.method !== 'GET' && status < 300) return `accepted with ${status}`;
  return /<script|javascript:alert|href="(https?:)?\/\/evil|value="(https?:)?\/\/evil|\bat \S+ \(|node_modules/.exec(text)?.[0] ?? (text.includes(EVALUATED) ? EVALUATED : undefined);
};

const lines = (...all: readonly string[]): string => `${all.join('\r\n')}\r\n\r\n`;

/** Bytes that a well-behaved HTTP client cannot even send. */
export const rawRequests = ({ acme }: World): Readonly<Record<string, string | Buffer>> => {
  const closing = ['host: here', 'connection: close'];
  const writing = [...closing, `authorization: Bearer ${acme.agent}`, 'content-type: application/json'];
  return {
    'not HTTP': lines('hello'),
    'an HTTP version that is not': lines('GET /livez HTTP/9.9', ...closing),
    'a method that is not': lines('FETCH /v1/actions HTTP/1.1', ...closing),
    'a control character in the Idempotency-Key': `${lines('POST /v1/actions HTTP/1.1', ...writing, 'idempotency-key: a\u0001b', 'content-length: 2')}{}`,
    'a zero byte in a header': lines('GET /v1/actions HTTP/1.1', ...closing, 'x: a\0b'),
    'a header of 20 KiB': lines('GET /v1/actions HTTP/1.1', ...closing, `x: ${'a'.repeat(20_000)}`),
    'a space in the path': lines('GET /v1/actions and more HTTP/1.1', ...closing),
    'a zero byte in the path': lines('GET /v1/actions/\0 HTTP/1.1', ...closing),
    'bytes beyond ASCII in the path': Buffer.from(lines('GET /v1/actions/\u00ff\u00fe HTTP/1.1', ...closing), 'latin1'),
    'another origin as the path': lines('GET http://evil.example/v1/actions HTTP/1.1', ...closing),
    'two slashes': lines('GET //evil.example/v1/actions HTTP/1.1', ...closing),
    'a path that climbs': lines('GET /v1/../../etc/passwd HTTP/1.1', ...closing),
    'a fragment': lines('GET /v1/actions#x HTTP/1.1', ...closing),
    'two lengths': `${lines('POST /v1/actions HTTP/1.1', ...writing, 'content-length: 2', 'content-length: 3')}{} `,
    'length and chunks': `${lines('POST /v1/actions HTTP/1.1', ...writing, 'content-length: 5', 'transfer-encoding: chunked')}0\r\n\r\n`,
    'a negative length': `${lines('POST /v1/actions HTTP/1.1', ...writing, 'content-length: -1')}{}`,
    'a length that is no number': `${lines('POST /v1/actions HTTP/1.1', ...writing, 'content-length: 0x2')}{}`,
    'chunks that are none': `${lines('POST /v1/actions HTTP/1.1', ...writing, 'idempotency-key: k', 'transfer-encoding: chunked')}zz\r\n{}\r\n0\r\n\r\n`,
    'an encoding that is not': `${lines('POST /v1/actions HTTP/1.1', ...writing, 'idempotency-key: k', 'transfer-encoding: gzip')}{}`,
    'TRACE': lines('TRACE /v1/actions HTTP/1.1', ...closing),
    'OPTIONS *': lines('OPTIONS * HTTP/1.1', ...closing),
  };
};
