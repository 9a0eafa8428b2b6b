import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generateSigningKey } from '@exequatur/audit-chain';
import type { TrustedKeys } from '@exequatur/audit-chain';
import { verifyExport, verifyReceipt } from '@exequatur/audit-verify';
import { run } from '@exequatur/cli';
import { startServices } from '@exequatur/standalone';
import type { Services } from '@exequatur/standalone';
import { describeWithKafka, startTestKafka, testKafkaStartMs } from '@exequatur/testing';
import type { TestKafka } from '@exequatur/testing';
import { askingAt, until } from './asking.js';
import type { Answer, Ask } from './asking.js';
import { openDatabaseOf, placesOf, topicsHolding } from './everywhere.js';
import { claimsOf, signedProposal } from './hostile/signed-proposal.js';
import { startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;
const PERSON = 'canary-person-4711@example.org';

async function* streamed(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

const as = async (token: string, origin: string, args: readonly string[]): Promise<{ exit: number; out: string; err: string }> => {
  let [out, err] = ['', ''];
  const exit = await run(args, { out: (text) => (out += text), err: (text) => (err += text), env: { EXEQUATUR_URL: origin, EXEQUATUR_TOKEN: token } });
  return { exit, out, err };
};

/** Invariant 29 from outside: a person in everything an action can hold, over both doors, and then nowhere. */
describe('erasure', () => {
  const directory = temporaryDirectory();
  const key = generateSigningKey('erasure').privateJwk;
  let standalone: RunningStandalone;
  let ask: Ask;
  let database: Awaited<ReturnType<typeof openDatabaseOf>>;
  const root = (request: `${'GET' | 'POST'} /${string}`, body: object): Promise<Answer> => ask(standalone.adminToken, request, { tenant: 'acme', ...body });

  beforeAll(async () => {
    standalone = await startStandalone(directory.path, ['--log-level', 'trace']);
    ask = askingAt(standalone.origin);
    database = await openDatabaseOf(directory.path);
    expect((await root('POST /v1/agents/outreach-agent/keys', { key_id: key.kid, public_key: key.x })).status).toBe(201);
  }, SLOW);
  afterAll(async () => {
    await database.end();
    await standalone.interrupt();
    directory.remove();
  }, SLOW);

  const mail = (run: string, more: object = {}): Record<string, unknown> => ({
    scope_path: standalone.credentials.scope_path, run_id: run, action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, target: PERSON,
    arguments: { to: PERSON, subject: `For ${PERSON}`, text: `Dear ${PERSON}` }, environment: 'prod', reasoning: `${PERSON} asked`, business_impact: `${PERSON} stays`, reversal: { reason: `tell ${PERSON}` }, execution_mode: 'self', ...more,
  });
  const byMessage = async (run: string, proposal: Record<string, unknown>): Promise<void> => {
    const message = signedProposal(claimsOf(proposal, { iss: 'outreach-agent', jti: run }), key);
    const { status } = await fetch(`${standalone.origin}/v1/intake`, { method: 'POST', headers: { 'content-type': 'application/jose' }, body: message });
    expect(status).toBe(202);
  };
  const exequatur = async (...args: string[]): Promise<{ exit: number; out: string; err: string }> => as(standalone.adminToken, standalone.origin, args);
  const naming = async (): Promise<readonly string[]> => ((await root('POST /v1/log/subjects', { subject: PERSON })).body['items'] as { action_id: string }[]).map(({ action_id: id }) => id);
  const approval = (id: string): Promise<Answer<{ view_hash: string }>> => until(() => ask(standalone.credentials.approver, `GET /v1/approvals/${id}`), ({ status }) => status === 200, 'the card');

  test('invariant 29: a person is led to their actions; erased, they are in no table, topic, dead letter, log or later export, and every proof holds', async () => {
    const { agent, approver, auditor } = standalone.credentials;
    // Over HTTP, asked twice: an idempotent answer is kept.
    const proposed = await ask(agent, 'POST /v1/actions', mail('erase-1'), { 'idempotency-key': 'erase-1' });
    expect(proposed.status).toBe(201);
    expect((await ask(agent, 'POST /v1/actions', mail('erase-1'), { 'idempotency-key': 'erase-1' })).bytes).toBe(proposed.bytes);
    const approvalId = String(proposed.body['approval_id']);
    await approval(approvalId);
    // A parked run, a remark, a question, a vote with its reason.
    const parked = await fetch(`${standalone.origin}/v1/approvals/${approvalId}/checkpoint`, { method: 'POST', headers: { authorization: `Bearer ${agent}`, 'content-type': 'application/octet-stream', 'idempotency-key': 'erase-parked' }, body: `state of ${PERSON}` });
    expect(parked.status).toBeLessThan(300);
    expect((await ask(agent, `POST /v1/approvals/${approvalId}/annotate`, { text: `${PERSON} is known`, source: 'crm' })).status).toBeLessThan(300);
    const seen = await approval(approvalId);
    expect(await ask(approver, `POST /v1/approvals/${approvalId}/approve`, { view_hash: seen.body.view_hash, rationale: `${PERSON} agreed` }, { 'if-match': seen.headers.get('etag') ?? '' })).toMatchObject({ status: 200 });
    // Over the topic: one that is decided, and one that is refused and becomes a dead letter.
    await byMessage('erase-2', mail('erase-2'));
    await byMessage('erase-3', mail('erase-3', { execution_mode: 'whenever' }));
    const actions = await until(naming, (found) => found.length === 2, 'both actions are found by the person');
    expect(actions).toContain(proposed.body['action_id']);
    // They are there to be found: in clear where an agent sent them in clear, and nowhere else.
    const before = await until(() => placesOf(database, PERSON), (places) => places.length === 2, 'the refused one is a dead letter');
    expect(before).toEqual(['bus.message exequatur.dead-letters.policy.v1', 'bus.message exequatur.intake.v1']);

    // What a batch of messages brings is committed before the batch is acknowledged, and only what is acknowledged can go.
    const untaken = async (): Promise<number> => (await database.query("SELECT FROM bus.partition p LEFT JOIN bus.consumer_offset o USING (topic, partition) WHERE topic = 'exequatur.intake.v1' AND coalesce(o.next_offset, 0) < p.next_offset")).rowCount ?? 0;
    await until(untaken, (partitions) => partitions === 0, 'the intake topic is taken');

    const dry = await exequatur('erase', '--subject', PERSON, '--reason', 'request 17', '--tenant', 'acme');
    expect(dry).toMatchObject({ exit: 0, out: expect.stringContaining(`${actions[0]} would be erased`), err: expect.stringContaining('--yes') });
    expect(await naming()).toHaveLength(2);
    expect(await exequatur('erase', '--subject', PERSON, '--reason', 'request 17', '--tenant', 'acme', '--yes')).toMatchObject({ exit: 0, out: expect.stringContaining(`${actions[1]} erased`) });

    expect(await placesOf(database, PERSON)).toEqual([]);
    expect(await naming()).toEqual([]);
    for (const action of actions) await until(() => ask(auditor, `GET /v1/timeline?action_id=${action}`), ({ bytes }) => bytes.includes('ErasureCompleted'), 'the erasure is in the log');
    const exports = await Promise.all(['jsonl', 'csv', 'ocsf'].map((format) => fetch(`${standalone.origin}/v1/exports`, { method: 'POST', headers: { authorization: `Bearer ${auditor}`, 'content-type': 'application/json', 'idempotency-key': format }, body: JSON.stringify({ format }) }).then((answer) => answer.text())));
    const lines = (exports[0] ?? '').split('\n').filter((line) => line !== '');
    const events = lines.map((line) => Buffer.from((JSON.parse(line) as { bytes_b64?: string }).bytes_b64 ?? '', 'base64').toString('utf8'));
    expect(events.filter((event) => event.includes('ErasureCompleted'))).not.toEqual([]);
    const trustedKeys = JSON.parse(readFileSync(join(directory.path, 'secrets', 'trusted-keys.json'), 'utf8')) as TrustedKeys;
    expect((await verifyExport(streamed(lines), { trustedKeys })).violations).toEqual([]);
    const { stdout, stderr } = standalone.program.output;
    expect(['exports', 'events', 'logs'].filter((_, index) => [exports.join('\n'), events.join('\n'), stdout + stderr][index]?.includes('canary-person'))).toEqual([]);
    // What processes still remember goes within seconds; then the agent's own view of it is empty too.
    await until(() => ask(agent, `GET /v1/actions/${actions[0]}`), ({ bytes, status }) => status === 200 && !bytes.includes('canary-person'), 'nobody opens it any more');
  }, SLOW);

  test('E4: one archive holds all that an auditor needs; broken off it goes on where it did; nobody stands in it who was erased', async () => {
    const { auditor } = standalone.credentials;
    const out = join(directory.path, 'acme.tar');
    const body = { format: 'archive', content: true };
    const whole = Buffer.from(await (await fetch(`${standalone.origin}/v1/exports`, { method: 'POST', headers: { authorization: `Bearer ${auditor}`, 'content-type': 'application/json', 'idempotency-key': 'broken-off' }, body: JSON.stringify(body) })).arrayBuffer());
    // As a download that broke off leaves it.
    writeFileSync(out, whole.subarray(0, 70_001));
    writeFileSync(`${out}.part`, JSON.stringify({ key: 'broken-off', body }));
    expect(await as(auditor, standalone.origin, ['export', '--out', out, '--content'])).toEqual({ exit: 0, out: `${out}: ${whole.length} bytes\n`, err: '' });
    expect(readFileSync(out).equals(whole)).toBe(true);
    expect(readdirSync(directory.path).filter((name) => name.endsWith('.part'))).toEqual([]);
    const folder = join(directory.path, 'archive');
    execFileSync('sh', ['-c', `mkdir "${folder}" && tar -xf "${out}" -C "${folder}"`]);
    expect(readdirSync(folder).sort()).toEqual(['README.md', 'export.jsonl', 'keys-as-stated.json', 'policies', 'receipts', 'schemas']);
    const trustedKeys = JSON.parse(readFileSync(join(directory.path, 'secrets', 'trusted-keys.json'), 'utf8')) as TrustedKeys;
    const lines = readFileSync(join(folder, 'export.jsonl'), 'utf8').trimEnd().split('\n');
    expect((await verifyExport(streamed(lines), { trustedKeys })).violations).toEqual([]);
    const receipts = readdirSync(join(folder, 'receipts'));
    expect(receipts).toHaveLength(2);
    for (const receipt of receipts) expect(verifyReceipt(readFileSync(join(folder, 'receipts', receipt)), { trustedKeys })).toMatchObject({ result: 'valid', violations: [] });
    const policies = readdirSync(join(folder, 'policies'));
    expect(policies.filter((name) => name.endsWith('.yaml'))).not.toEqual([]);
    expect(readFileSync(out).includes('canary-person')).toBe(false);

    // The story, from the server and from the file, one line an event.
    writeFileSync(join(directory.path, 'export.jsonl'), `${lines.join('\n')}\n`);
    const told = await as(auditor, standalone.origin, ['replay', '--run', 'erase-1', '--json']);
    const events = told.out.trimEnd().split('\n').map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events).toEqual(expect.arrayContaining(['ActionProposed', 'ApprovalRequired', 'ApprovalOpened', 'ApprovalGranted', 'ErasureCompleted']));
    expect((await as(auditor, standalone.origin, ['replay', join(directory.path, 'export.jsonl'), '--run', 'erase-1', '--json'])).out).toBe(told.out);
    expect((await as(auditor, standalone.origin, ['replay', '--agent', 'outreach-agent', '--to', '2020-01-01T00:00:00Z'])).out).toBe('');
    expect((await as(auditor, standalone.origin, ['replay', '--kind', 'message.email.send'])).out).toMatch(/^ +\d+ {2}\S+ {2}ActionProposed .* by agent:outreach-agent {2}action_kind=message.email.send/);
    expect(await as(auditor, standalone.origin, ['replay', join(folder, 'README.md')])).toMatchObject({ exit: 2 });
  }, SLOW);
});

/** The same over five processes and Kafka, where no message can be taken out of a topic alone. */
describeWithKafka('erasure over Kafka', () => {
  const directory = temporaryDirectory();
  const key = generateSigningKey('erasure').privateJwk;
  let kafka: TestKafka;
  let services: Services;
  let database: Awaited<ReturnType<typeof openDatabaseOf>>;

  beforeAll(async () => {
    kafka = await startTestKafka();
    services = await startServices({ dataDir: directory.path, brokers: kafka.brokers, logLevel: 'error', log: () => undefined });
    database = await openDatabaseOf(directory.path);
  }, SLOW + testKafkaStartMs);
  afterAll(async () => {
    await database.end();
    await services.stop();
    await kafka.stop();
    directory.remove();
  }, SLOW);

  const byMessage = async (run: string, more: object = {}): Promise<void> => {
    const proposal = {
      scope_path: services.credentials.scope_path, run_id: run, action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, target: PERSON, arguments: { to: PERSON }, environment: 'prod', reasoning: `${PERSON} asked`,
      business_impact: `${PERSON} stays`, reversal: { reason: 'a second mail' }, execution_mode: 'self', ...more,
    };
    const message = signedProposal(claimsOf(proposal, { iss: 'outreach-agent', jti: run }), key);
    const { status } = await fetch(`${services.urls.policy}/v1/intake`, { method: 'POST', headers: { 'content-type': 'application/jose' }, body: message });
    expect(status).toBe(202);
  };

  test('invariant 29: what came by the intake topic, decided or refused, can be read on no topic once its action is erased', async () => {
    const audit = askingAt(services.urls.audit);
    expect((await askingAt(services.urls.policy)(services.adminToken, 'POST /v1/agents/outreach-agent/keys', { tenant: 'acme', key_id: key.kid, public_key: key.x })).status).toBe(201);
    await byMessage('erase-decided');
    await byMessage('erase-refused', { execution_mode: 'whenever' });
    const naming = async (): Promise<readonly string[]> => ((await audit(services.adminToken, 'POST /v1/log/subjects', { tenant: 'acme', subject: PERSON })).body['items'] as { action_id: string }[]).map(({ action_id: id }) => id);
    const [actionId] = await until(naming, (found) => found.length === 1, 'the action is found by the person');
    const before = await until(() => topicsHolding(kafka.brokers, PERSON), ({ topics }) => topics.length === 2, 'the refused one is a dead letter');
    expect(before.topics).toEqual(['exequatur.dead-letters.policy.v1', 'exequatur.intake.v1']);

    // A batch is committed when all of it is decided: until then its messages stay, and whoever asks again finds them gone.
    const erased = async () => {
      expect(await audit(services.adminToken, 'POST /v1/log/erasures', { tenant: 'acme', action_id: actionId, reason: 'request 18' })).toMatchObject({ status: 200 });
      return topicsHolding(kafka.brokers, PERSON);
    };
    const after = await until(erased, ({ topics }) => topics.length === 0, 'nothing can be read on any topic');
    // Events of every topic are still there, and were searched.
    expect(after.messages).toBeGreaterThan(before.messages - 3);
    expect(await placesOf(database, PERSON)).toEqual([]);

    const auditor = { authorization: `Bearer ${services.credentials.auditor}`, 'content-type': 'application/json', 'idempotency-key': 'after' };
    const exported = await fetch(`${services.urls.audit}/v1/exports`, { method: 'POST', headers: auditor, body: JSON.stringify({ format: 'jsonl' }) }).then((answer) => answer.text());
    const trustedKeys = JSON.parse(readFileSync(join(directory.path, 'secrets', 'trusted-keys.json'), 'utf8')) as TrustedKeys;
    expect((await verifyExport(streamed(exported.trimEnd().split('\n')), { trustedKeys })).violations).toEqual([]);
    // The intake goes on behind what was forgotten.
    await byMessage('erase-next');
    await until(naming, (found) => found.length === 1, 'a later proposal is decided');
  }, SLOW * 2);
});
