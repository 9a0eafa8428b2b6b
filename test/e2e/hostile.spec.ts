import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generateSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import { CODES, INTAKE_TOPIC } from '@exequatur/contracts';
import { postgresTransport } from '@exequatur/messaging';
import { examplePolicy } from '@exequatur/standalone';
import { until } from './asking.js';
import { randomFrom, seedOf } from '../faults/seeded-random.js';
import { attackAll } from './hostile/attack.js';
import type { Attack, Tally } from './hostile/attack.js';
import { bodyAttacks, credentialAttacks, headerAttacks, pathAttacks, queryAttacks, soundRequest, tenantAttacks } from './hostile/attacks.js';
import { endpointsOf } from './hostile/endpoints.js';
import type { Endpoint, OpenApi } from './hostile/endpoints.js';
import { claimsOf, signedProposal } from './hostile/signed-proposal.js';
import { hostileMessages, JUDGED_ON_THE_TOPIC, soundProposal } from './hostile/intake.js';
import { LedgerReader } from './hostile/ledger.js';
import type { Ledger } from './hostile/ledger.js';
import { pageFault, pageRequests, rawRequests } from './hostile/pages.js';
import { EVALUATED, HOSTILE_TEXTS } from './hostile/payloads.js';
import { forgedServiceTokens, grantAttacks, policyFileAttacks, scopeAttacks, strayAttacks, timedGrantAttacks, voteAttacks } from './hostile/special-attacks.js';
import { wireTo } from './hostile/wire.js';
import { signingKeyOf, worldOf } from './hostile/world.js';
import type { World } from './hostile/world.js';
import { startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;
const BY_CHANCE = 25;
/** Proposals that were decided. */
const proposalsIn = (ledger: Ledger): number => ledger['policy dev.exequatur.actions.ActionProposed.v1'] ?? 0;
const random = randomFrom(seedOf('hostile requests'));

describe('hostile requests', () => {
  const directory = temporaryDirectory();
  let standalone: RunningStandalone;
  let world: World;
  let wire: ReturnType<typeof wireTo>;
  let ledger: LedgerReader;
  let before: Ledger;
  let endpoints: Endpoint[];
  const key = generateSigningKey('hostile').privateJwk;
  const stranger = generateSigningKey('stranger').privateJwk;
  const total = new Map<string, number>();

  beforeAll(async () => {
    standalone = await startStandalone(directory.path);
    world = await worldOf(standalone, examplePolicy());
    wire = wireTo(standalone.origin);
    endpoints = endpointsOf((await (await fetch(`${standalone.origin}/openapi.json`)).json()) as OpenApi);
    await world.ask(world.root, 'POST /v1/agents/own-agent/keys', { tenant: 'acme', key_id: key.kid, public_key: key.x });
    ledger = await LedgerReader.open(directory.path);
    before = await ledger.settled();
  }, SLOW);
  afterAll(async () => {
    await ledger.close();
    wire.close();
    await standalone.interrupt();
    directory.remove();
  }, SLOW);

  const run = async (attacks: readonly Attack[]): Promise<Tally> => {
    const tally = await attackAll(attacks, (sent) => wire.ask(sent));
    for (const [name, count] of tally.asked) total.set(name, (total.get(name) ?? 0) + count);
    return tally;
  };
  const each = (attacksOf: (endpoint: Endpoint) => readonly Attack[]): Promise<Tally> => run(endpoints.flatMap(attacksOf));
  const expectRefused = ({ faults, asked }: Tally): void => {
    expect(faults.slice(0, 25)).toEqual([]);
    expect(asked.size).toBeGreaterThan(0);
  };

  const keyOf = (service: string): PrivateJwk => JSON.parse(signingKeyOf(standalone, service)) as PrivateJwk;

  test('each read answers 200 when nothing is wrong with it, so that it is the attack that is refused', async () => {
    const reads = endpoints.filter(({ method }) => method === 'GET');
    const answers = await Promise.all(reads.map(async (endpoint) => [endpoint.name, (await wire.ask(soundRequest(endpoint, world))).status] as const));
    expect(answers.filter(([, status]) => status !== 200)).toEqual([]);
  }, SLOW);

  test('credentials: missing, unknown, cut short, revoked, expired, forged, of the wrong kind', async () => {
    const forged = await forgedServiceTokens(keyOf('executor'));
    expectRefused(await each((endpoint) => credentialAttacks(endpoint, world, forged)));
  }, SLOW);

  test('bodies: unreadable, huge, deep, not an object, every field wrong or missing, unknown fields, and by chance', async () => {
    expectRefused(await each((endpoint) => bodyAttacks(endpoint, world, random, BY_CHANCE)));
  }, SLOW);

  test('headers: Idempotency-Key and If-Match', async () => {
    expectRefused(await each((endpoint) => headerAttacks(endpoint, world)));
  }, SLOW);

  test('queries: wrong values, unknown and repeated names, cursors of nobody', async () => {
    expectRefused(await each((endpoint) => queryAttacks(endpoint, world)));
  }, SLOW);

  test('paths: ids that name nothing, traversal, wrong methods', async () => {
    expectRefused(await each((endpoint) => pathAttacks(endpoint, world)));
    expectRefused(await run(strayAttacks(world)));
  }, SLOW);

  test("invariant 18: another tenant's ids, and another agent's, read as not found", async () => {
    expectRefused(await each((endpoint) => tenantAttacks(endpoint, world)));
  }, SLOW);

  test('grants: forged, foreign, and used for something else', async () => {
    expectRefused(await run(await grantAttacks(world, keyOf('policy'), keyOf('executor'))));
  }, SLOW);

  test('votes of no standing, scopes of others, policy files that are none', async () => {
    expectRefused(await run([...voteAttacks(world), ...scopeAttacks(world), ...policyFileAttacks(world)]));
  }, SLOW);

  test('pages: nothing but a page, a redirect or a refusal, and no form of anybody else', async () => {
    const faults: string[] = [];
    for (const sent of pageRequests(world)) {
      const fault = pageFault(sent, await wire.ask(sent));
      if (fault !== undefined) faults.push(`${sent.method} ${sent.path}: ${fault}`);
    }
    expect(faults).toEqual([]);
  }, SLOW);

  test('bytes that are not HTTP, or nearly', async () => {
    const answers = await Promise.all(Object.entries(rawRequests(world)).map(async ([what, bytes]) => ({ what, ...(await wire.raw(bytes)) })));
    expect(answers.filter(({ status, type, text }) => status < 400 || status > 499 || !type.startsWith('application/problem+json') || !Object.hasOwn(CODES, (JSON.parse(text) as { code: string }).code))).toEqual([]);
  }, SLOW);

  test('nothing half-written: beside refusals, no event and no row came of all this', async () => {
    expect(await ledger.settled()).toEqual(before);
    expect(await ledger.brokenStreams()).toEqual([]);
  }, SLOW);

  describe('the intake door', () => {
    const send = (message: string | Buffer, type = 'application/jose') => wire.ask({ method: 'POST', path: '/v1/intake', headers: { 'content-type': type }, body: message });

    test('over HTTP, each message that is no signed proposal is a problem, or is published to be a dead letter', async () => {
      const faults: string[] = [];
      for (const [what, message, reason] of hostileMessages(world.acme.scopePath, key, stranger)) {
        const { status, text } = await send(message);
        const { code = '' } = JSON.parse(text) as { code?: string };
        if (JUDGED_ON_THE_TOPIC.has(what) ? status !== 202 : status < 400 || status > 499 || !reason.test(`${code}: `)) faults.push(`${what}: ${status} ${text.slice(0, 200)}`);
      }
      for (const type of ['application/json', 'text/plain', 'application/xml', '']) {
        const { status } = await send('a.b.c', type);
        if (status < 400 || status > 499) faults.push(`content type ${type}: ${status}`);
      }
      expect(faults).toEqual([]);
    }, SLOW);

    test('nothing came of it', async () => {
      expect(await ledger.settled()).toEqual(before);
    }, SLOW);

    test('on the topic, each is a dead letter with its reason, and the next good message is decided', async () => {
      const password = readFileSync(join(directory.path, 'secrets', 'policy.database-password'), 'utf8');
      const transport = postgresTransport({ connectionString: `postgres://exequatur_policy:${encodeURIComponent(password)}@127.0.0.1:${ledger.port}/exequatur`, service: 'policy' });
      const proposal = soundProposal(world.acme.scopePath);
      const propose = endpoints.find(({ name }) => name === 'POST /v1/actions');
      const fields = propose === undefined ? [] : bodyAttacks(propose, world, random, BY_CHANCE).filter(({ what }) => what.startsWith('by chance') || what.startsWith('no /')).map(({ what, sent }) => [what, signedProposal(`{"proposal":${String(sent.body)},${JSON.stringify(claimsOf(undefined)).slice(1)}`, key), /^(INVALID|MALFORMED): /] as const);
      const messages = [...hostileMessages(world.acme.scopePath, key, stranger), ...fields];
      const good = claimsOf(proposal);
      await transport.publisher.publish(INTAKE_TOPIC.name, [...messages.map(([, message]) => message), signedProposal(good, key)].map((message) => ({ key: 'acme/own-agent', value: Buffer.from(message), headers: {} })));
      await transport.close();
      const letters = await until(() => ledger.deadLetters(), (found) => messages.every(([, message]) => found.has(message)), 'a dead letter for every message');
      expect(messages.filter(([, message, reason]) => !reason.test(letters.get(message) ?? '')).map(([what, message]) => `${what}: ${letters.get(message)}`)).toEqual([]);
      console.log(`hostile messages on the intake topic: ${messages.length}`);
      const found = await until(() => world.ask<{ items: Record<string, unknown>[] }>(world.acme.agent, `GET /v1/actions?idempotency_key=${String(good['jti'])}`), ({ body }) => body.items.length === 1, 'the good message');
      const direct = await world.ask(world.acme.agent, 'POST /v1/actions', proposal);
      const decision = ({ verdict, status, code, rule_id, reason, policy_hash, stop_reason }: Record<string, unknown>): object => ({ verdict, status, code, rule_id, reason, policy_hash, stop_reason });
      expect(decision(found.body.items[0] ?? {})).toEqual(decision(direct.body));
      expect(proposalsIn(await ledger.settled()) - proposalsIn(before)).toBe(2);
    }, SLOW);
  });

  test('grants outside their time, truly signed', async () => {
    expectRefused(await run(await timedGrantAttacks(world, keyOf('policy'))));
    const after = await ledger.settled();
    expect([after['reservations.reservation'], after['reservations.grant_use']]).toEqual([before['reservations.reservation'], before['reservations.grant_use']]);
  }, SLOW);

  test('hostile text where text belongs stays text, in the card and the queue', async () => {
    for (const text of HOSTILE_TEXTS.filter((each) => each.length < 4_000 && /^[\x20-\x7e]*[!-~][\x20-\x7e]*$/.test(each))) {
      const proposed = await world.ask(world.acme.agent, 'POST /v1/actions', { ...soundProposal(world.acme.scopePath), arguments: { to: 'customer@example.com', subject: text, text }, reasoning: text, business_impact: text });
      expect([text, proposed.status]).toEqual([text, 201]);
      const card = await until(() => world.ask(world.acme.person, `GET /v1/approvals/${String(proposed.body['approval_id'])}`), ({ status }) => status === 200, 'the card');
      expect(card.bytes).toContain(JSON.stringify(text).slice(1, 40));
      expect(card.bytes).not.toContain(EVALUATED);
    }
  }, SLOW);

  test('at least 500 in all, every endpoint among them; the process is up and works', async () => {
    const asked = [...total.values()].reduce((sum, count) => sum + count, 0);
    console.log(`hostile requests: ${asked}, to all of ${endpoints.length} endpoints`);
    expect(asked).toBeGreaterThanOrEqual(500);
    expect(endpoints.filter(({ name, callers }) => !total.has(name) && !callers.includes('public')).map(({ name }) => name)).toEqual([]);
    expect(await ledger.brokenStreams()).toEqual([]);
    await until(() => fetch(`${standalone.origin}/readyz`).then(({ status }) => status), (status) => status === 200, 'it is ready');
    const proposed = await world.ask(world.acme.agent, 'POST /v1/actions', { scope_path: world.acme.scopePath, run_id: `after-${randomBytes(4).toString('hex')}`, action_kind: 'research.search', tool: { name: 'search.web', version: '1.0' }, arguments: { query: 'still there?' }, execution_mode: 'self' });
    expect([proposed.status, proposed.body['verdict']]).toEqual([201, 'ALLOW']);
  }, SLOW);
});
