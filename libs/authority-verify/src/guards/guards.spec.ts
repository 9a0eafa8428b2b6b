import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fastify } from 'fastify';
import { canonicalText } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { AuthorizationVerifier } from '../authorization-verifier.js';
import { JwksKeys } from '../jwks-keys.js';
import { ARGUMENTS, claimsAt, JwksServer, SALT, testKey, tokenOf, TOOL } from '../spec/authority.js';
import { expressGuard } from './express-guard.js';
import type { GuardedRequest } from './express-guard.js';
import { fastifyGuard, rawBody } from './fastify-guard.js';
import type { Guarded } from './fastify-guard.js';
import { canonicalArguments } from './guarded-call.js';

const key = testKey('reservations-1');

/** What the tool does when it is called. */
const sent: JsonValue[] = [];

const startExpress = (verifier: AuthorizationVerifier): Promise<{ origin: string; stop: () => Promise<unknown> }> => {
  // docs:express
  const guard = expressGuard(verifier, { tenant: 'acme', tool: { name: 'mailer.send', version: '1.0' } });
  // docs:end
  const server = createServer((request: GuardedRequest, response) => {
    guard(request, response, (error) => {
      if (error !== undefined) return void response.writeHead(500).end();
      sent.push(request.body as JsonValue);
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sent: request.authorization?.reservation_id }));
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => new Promise((stopped) => server.close(stopped)) }));
  });
};

const startFastify = async (verifier: AuthorizationVerifier): Promise<{ origin: string; stop: () => Promise<unknown> }> => {
  const mailer = { send: (args: JsonValue) => sent.push(args) };
  // docs:fastify
  const app = fastify();
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, rawBody);
  const guard = fastifyGuard(verifier, { tenant: 'acme', tool: { name: 'mailer.send', version: '1.0' } });
  app.post('/send', { preHandler: guard }, (request) => {
    const { body, authorization } = request as typeof request & Guarded;
    mailer.send(body);
    return { sent: authorization.reservation_id };
  });
  // docs:end
  return { origin: await app.listen({ port: 0, host: '127.0.0.1' }), stop: () => app.close() };
};

describe.each([
  ['express', startExpress],
  ['fastify', startFastify],
])('%s guard', (_, start) => {
  let jwks: JwksServer;
  let tool: { origin: string; stop: () => Promise<unknown> };
  beforeAll(async () => {
    jwks = await JwksServer.start(key);
    tool = await start(new AuthorizationVerifier({ keys: new JwksKeys({ url: jwks.url }) }));
  });
  afterAll(async () => {
    await tool.stop();
    await jwks.stop();
  });

  const send = async (body: string, headers: Record<string, string> = {}): Promise<{ status: number; type: string | null; body: Record<string, unknown> }> => {
    const answer = await fetch(`${tool.origin}/send`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
    return { status: answer.status, type: answer.headers.get('content-type'), body: JSON.parse((await answer.text()) || '{}') as Record<string, unknown> };
  };
  const authorised = (changes = {}): Record<string, string> => ({ 'exequatur-authorization': tokenOf(key, claimsAt(Date.now(), changes)) });

  test('the tool runs once, on the arguments that were hashed, however they were spelled', async () => {
    const headers = authorised();
    const before = sent.length;
    expect(await send(' { "to": "customer@example.com", "text": "H\\u0065llo" } ', headers)).toMatchObject({ status: 200, body: { sent: expect.any(String) } });
    expect(sent.slice(before)).toEqual([ARGUMENTS]);
    expect(await send(canonicalText(ARGUMENTS), headers)).toMatchObject({ status: 409, type: expect.stringContaining('application/problem+json'), body: { code: 'TOKEN_REPLAYED', retryable: false } });
    expect(sent).toHaveLength(before + 1);
  });

  test('the salt may stand in its own header', async () => {
    const headers = authorised({ salt: undefined });
    expect(await send(canonicalText(ARGUMENTS), headers)).toMatchObject({ status: 400, body: { code: 'SALT_MISSING' } });
    expect(await send(canonicalText(ARGUMENTS), { ...headers, 'exequatur-salt': SALT.toString('base64url') })).toMatchObject({ status: 200 });
  });

  test.each([
    ['no token', () => send(canonicalText(ARGUMENTS)), 401, 'TOKEN_MISSING'],
    ['swapped arguments', () => send('{"to":"thief@example.com","text":"Hello"}', authorised()), 403, 'ARGUMENTS_MISMATCH'],
    ['a key named twice', () => send('{"to":"customer@example.com","text":"Hello","to":"thief@example.com"}', authorised()), 400, 'ARGUMENTS_MALFORMED'],
    ['another tool’s token', () => send(canonicalText(ARGUMENTS), authorised({ aud: 'x', tool: { ...TOOL, name: 'x' } })), 403, 'AUDIENCE_MISMATCH'],
  ])('%s: the tool does not run', async (__, ask, status, code) => {
    const before = sent.length;
    expect(await ask()).toMatchObject({ status, body: { code, status } });
    expect(sent).toHaveLength(before);
  });

  test('a body past the bound is refused', async () => {
    const before = sent.length;
    expect((await send(`{"to":"${'x'.repeat(300_000)}"}`, authorised())).status).toBeGreaterThanOrEqual(400);
    expect(sent).toHaveLength(before);
  });
});

test('the keys cannot be fetched: 503, retryable, nothing runs', async () => {
  const jwks = await JwksServer.start(key);
  const { url } = jwks;
  await jwks.stop();
  const tool = await startExpress(new AuthorizationVerifier({ keys: new JwksKeys({ url }) }));
  const before = sent.length;
  const answer = await fetch(tool.origin, { method: 'POST', headers: { 'exequatur-authorization': tokenOf(key, claimsAt(Date.now())) }, body: canonicalText(ARGUMENTS) });
  expect({ status: answer.status, ...((await answer.json()) as object) }).toMatchObject({ status: 503, code: 'KEYS_UNAVAILABLE', retryable: true });
  expect(sent).toHaveLength(before);
  await tool.stop();
});

test('a body that was parsed before the guard is a fault of the wiring, and an already read buffer is taken', async () => {
  const verifier = new AuthorizationVerifier({ keys: new JwksKeys({ url: 'http://127.0.0.1:1' }) });
  const judged = (request: object): Promise<unknown> => new Promise((resolve) => { expressGuard(verifier, { tenant: 'acme', tool: TOOL })({ headers: {}, readableEnded: true, ...request } as GuardedRequest, { writeHead: (status: number) => ({ end: () => resolve(status) }) } as never, resolve); });
  expect(await judged({ body: {} })).toMatchObject({ name: 'BodyAlreadyParsed' });
  expect(await judged({ body: Buffer.from('{}') })).toBe(401);
});

test('canonicalArguments gives one value and its bytes', () => {
  expect(canonicalArguments('{"b":1,"a":2}')).toEqual({ value: { a: 2, b: 1 }, bytes: Buffer.from('{"a":2,"b":1}') });
  expect(canonicalArguments('{"a":1e400}')).toMatchObject({ refused: true, code: 'ARGUMENTS_MALFORMED' });
});

test('the guide quotes what runs here', () => {
  const [spec, guide] = ['guards.spec.ts', '../../../../docs/guides/verify-authorizations.md'].map((path) => readFileSync(join(import.meta.dirname, path), 'utf8'));
  const quotes = [...(spec ?? '').matchAll(/^ *\/\/ docs:\w+\n([^]*?)^ *\/\/ docs:end$/gm)].map(([, code]) => (code ?? '').replaceAll(/^ {2}/gm, ''));
  expect(quotes).toHaveLength(2);
  for (const quote of quotes) expect(guide).toContain(`\`\`\`ts\n${quote}\`\`\``);
});
