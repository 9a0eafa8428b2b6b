import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as contracts from '@exequatur/contracts';
import type { ReceiptDocument } from '@exequatur/contracts';
import { cosignedAt, merkleRoot, readWitnessKey, verifyTreeHead } from '@exequatur/audit-chain';
import type { WitnessKey } from '@exequatur/audit-chain';
import { canonicalText, newId, newSalt, saltedHash } from '@exequatur/kernel';
import { PgKeyStore, seal } from '@exequatur/sealing';
import { Database } from '@exequatur/service-kit';
import { verifyReceipt } from '@exequatur/audit-verify';
import { createIdentity, nameOfLog, publicText, readWatchedLogs, serveWitness, Witness, WitnessMemory } from '@exequatur/witness';
import type { RunningWitness } from '@exequatur/witness';
import { Installation } from './spec/installation.contract.js';
import { factsDigest, forgetFacts } from './workflow-metrics/fact-rows.js';
import { FollowTimeline } from './workflow-metrics/follow-timeline.js';

const hashOf = (digit: string): string => `sha256:${digit.repeat(64)}`;
const CANARY = 'canary-plaintext-0815';

describe('evidence', () => {
  const directory = mkdtempSync(join(tmpdir(), 'exequatur-evidence-'));
  let world: Installation;
  let witness: RunningWitness;
  let pinned: WitnessKey;
  const auditor = (): string => world.personToken('auditor');

  beforeAll(async () => {
    const identity = createIdentity(directory, 'witness.test/1');
    const written = publicText(identity);
    pinned = readWitnessKey(written) as WitnessKey;
    world = await Installation.start();
    const logs = JSON.stringify([{ origin: 'exequatur/*', keys: (world.trustedKeys['audit'] ?? []).map(({ jwk }) => jwk) }]);
    const memory = new WitnessMemory(join(directory, 'heads'));
    witness = await serveWitness(new Witness(identity, readWatchedLogs(logs), memory), memory, { port: 0, host: '127.0.0.1' });
    await world.startService({ EXEQUATUR_WITNESSES: JSON.stringify([{ url: witness.origin, key: written }]), EXEQUATUR_TILES_DIR: join(directory, 'tiles') });
    await world.populate('acme');
    await world.auditorKnown();
  });
  afterAll(async () => {
    await world.stop();
    await witness.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Actions opened so far, by every test. */
  let openings = 0;
  /** An action with sealed arguments and a card, as policy and approvals write them. */
  const opened = async (): Promise<string> => {
    openings += 1;
    const [actionId, approvalId, proposedId, openedId] = [newId(), newId(), newId(), newId()];
    const key = await new PgKeyStore({ sql: world.neighbours.policy.sql, keyEncryptionKey: Buffer.from(world.secrets.keyEncryptionKey, 'base64url') }).createActionKey('acme', actionId);
    const salt = newSalt();
    const [args, card] = [canonicalText({ to: CANARY }), canonicalText({ renderer: 'card/1', words: CANARY })];
    const hash = (text: string): string => saltedHash(salt, Buffer.from(text, 'utf8'));
    const proposal = { salt: salt.toString('base64url'), arguments: args };
    const facts: contracts.PolicyFacts = { tenant: 'acme', scope_path: 'tenant:acme', agent: 'outreach-agent', run_id: 'run-1', action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1' }, risk_tags: [], risk_points: 1, amounts: [], has_evidence: false, has_reversal: false, execution_mode: 'managed' };
    await world.neighbours.policy.publish({ tenant: 'acme', aggregate: 'action', id: actionId }, { definition: contracts.ActionProposed, id: proposedId, data: { action_id: actionId, facts, claimed: {}, arguments_hash: hash(args), action_hash: hashOf('b'), door: 'http' }, actor: { type: 'agent', id: 'outreach-agent' }, correlationId: actionId, sealed: seal(key, actionId, proposedId, proposal) });
    const demand = { stages: [{ roles: ['approver'], quorum: 1 }], distinct: true, ttl_ms: 1_000, on_timeout: 'deny' as const };
    const data = { approval_id: approvalId, action_id: actionId, agent: 'outreach-agent', demand, view_hash: hash(card), renderer: 'card/1', policy_hash: hashOf('e'), policy_version: 1, rule_id: 'r', expires_at: '2099-01-01T00:00:00.000Z' };
    await world.neighbours.approvals.publish({ tenant: 'acme', aggregate: 'approval', id: approvalId }, { definition: contracts.ApprovalOpened, id: openedId, data, actor: { type: 'service', id: 'approvals' }, correlationId: actionId, sealed: seal(key, actionId, openedId, { salt: proposal.salt, card, proposal }) });
    await world.neighbours.approvals.publish({ tenant: 'acme', aggregate: 'approval', id: approvalId }, { definition: contracts.ApprovalExpired, data: { approval_id: approvalId, action_id: actionId, on_timeout: 'deny', expires_at: '2026-11-20T00:00:00.000Z' }, actor: { type: 'system', id: 'clock' }, correlationId: actionId });
    return actionId;
  };

  const receiptOf = async (actionId: string, { steps = 3, query = '' } = {}): Promise<{ document: ReceiptDocument; text: string }> => {
    let text = '';
    await world.until('the receipt is under a cosigned head', async () => {
      const answer = await world.call<ReceiptDocument>('GET', `/v1/receipts/${actionId}${query}`, auditor());
      text = answer.text;
      const { steps: shown, tree_head: head } = answer.body;
      return answer.status === 200 && shown.length >= steps && shown.every(({ pending }) => pending !== true) && head !== undefined && cosignedAt(head.note, pinned) !== undefined;
    });
    return { document: JSON.parse(text) as ReceiptDocument, text };
  };

  test('a receipt with its content verifies alone, under a tree head that the witness cosigned', async () => {
    const { text, document } = await receiptOf(await opened(), { query: '?content=true' });
    const report = verifyReceipt(text, { trustedKeys: world.trustedKeys, witnesses: [pinned] });
    expect({ violations: report.violations, result: report.result, outcome: document.outcome }).toEqual({ violations: [], result: 'valid', outcome: 'expired' });
    expect(document.content).toMatchObject({ arguments: canonicalText({ to: CANARY }), cards: [{ card: canonicalText({ renderer: 'card/1', words: CANARY }) }] });
    for (const changed of [text.replace(`\\"${CANARY}\\"}","cards`, `\\"${CANARY}!\\"}","cards`), text.replace(`\\"words\\":\\"${CANARY}`, '\\"words\\":\\"lies')]) {
      expect(changed).not.toBe(text);
      expect(verifyReceipt(changed, { trustedKeys: world.trustedKeys }).result).toBe('invalid');
    }
    expect(cosignedAt(document.tree_head?.note ?? '', pinned)).toBeGreaterThan(1_600_000_000);
  });

  test('content is for auditors; without being asked for it is not there', async () => {
    const actionId = await opened();
    const { text } = await receiptOf(actionId);
    expect(text).not.toContain(CANARY);
    for (const [token, status] of [[world.personToken('operator'), 403], [world.agentToken('outreach-agent'), 403], [world.agentToken('other-agent'), 403], [undefined, 401]] as const) expect((await world.call('GET', `/v1/receipts/${actionId}?content=true`, token)).status).toBe(status);
  });

  test('the same address gives a page to print: no script, nothing from elsewhere, everything escaped', async () => {
    const { document } = await receiptOf(await opened());
    const answer = await fetch(`${world.origin}/v1/receipts/${document.action_id}?content=true`, { headers: { authorization: `Bearer ${auditor()}`, accept: 'text/html,*/*;q=0.8' } });
    const page = await answer.text();
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('vary')]).toEqual([200, 'text/html; charset=utf-8', 'accept']);
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(page).not.toMatch(/<script|<img|<link|http:|javascript:/i);
    for (const told of [document.action_id, 'expired', CANARY, document.tree_head?.root ?? '', pinned.name, ...document.steps.map(({ event_hash: hash }) => hash.slice(7, 23))]) expect(page).toContain(told);
    expect((await world.call('GET', `/v1/receipts/${newId()}`, auditor())).status).toBe(404);
  });

  test('an export carries the cosignatures, and asked for again the same bytes', async () => {
    await opened();
    let [key, text] = [newId(), ''];
    let report = await world.verified(text);
    // The log goes on by itself, and its witness after it.
    await world.until('an export ends under a cosigned head', async () => {
      const { body: head } = await world.call<{ size: number; note: string }>('GET', '/v1/log/tree-head', auditor());
      if (head.size !== (await world.size('acme')) || cosignedAt(head.note, pinned) === undefined) return false;
      key = newId();
      ({ text } = await world.call('POST', '/v1/exports', auditor(), { body: {}, key }));
      report = await world.verified(text, [pinned]);
      return report.witnessed?.[0]?.size === report.size;
    });
    expect(report.witnessed).toEqual([{ name: 'witness.test/1', size: report.size, at: expect.anything() }]);
    expect(report.by_invariant).not.toHaveProperty('24');
    await opened();
    expect((await world.call('POST', '/v1/exports', auditor(), { body: {}, key })).text).toBe(text);
    const head = await (await fetch(`${witness.origin}/heads/${nameOfLog('exequatur/acme')}`)).text();
    expect(cosignedAt(head, pinned)).toBeDefined();
  });

  test('a review of the log as CSV and OCSF: filtered, going on where it broke off, the key bound to what was asked', async () => {
    const actionId = await opened();
    await receiptOf(actionId);
    const review = (body: object, key = newId()) => world.call('POST', '/v1/exports', auditor(), { body, key });
    const csv = (await review({ format: 'csv', action_id: actionId })).text.trimEnd().split('\r\n');
    expect(csv).toHaveLength(4);
    // Events of different topics come into a log in no order of their own.
    expect(csv.filter((row) => row.includes('"ActionProposed"'))).toHaveLength(1);
    const key = newId();
    const whole = (await review({ format: 'ocsf' }, key)).text.trimEnd().split('\n').map((line) => JSON.parse(line) as { class_uid: number; metadata: { sequence: number; correlation_uid?: string } });
    expect(new Set(whole.map(({ class_uid: uid }) => uid))).toEqual(new Set([3004, 3005, 6003]));
    const middle = whole[Math.floor(whole.length / 2)]?.metadata.sequence ?? 0;
    const rest = (await review({ format: 'ocsf', after: middle }, key)).text.trimEnd().split('\n').map((line) => (JSON.parse(line) as { metadata: { sequence: number } }).metadata.sequence);
    expect(rest).toEqual(whole.map(({ metadata }) => metadata.sequence).filter((sequence) => sequence > middle));
    expect((await review({ format: 'csv' }, key)).body).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    expect((await review({ format: 'jsonl', action_id: actionId })).status).toBe(422);
    expect((await review({ format: 'ocsf', from: '2099-01-01T00:00:00Z' })).text.trim()).toBe('');
    expect((await review({ format: 'ocsf', action_kind: 'message.email.send' })).text).not.toContain('PersonLinked');
    expect((await review({ format: 'csv' })).text).not.toContain(CANARY);
  });

  test('the static files of a log lead to the root of its checkpoint', async () => {
    await receiptOf(await opened());
    const at = (path: string): Buffer => readFileSync(join(directory, 'tiles', 'acme', path));
    await world.until('a checkpoint with its cosignature is published', () => Promise.resolve(cosignedAt(at('checkpoint').toString(), pinned) !== undefined));
    const head = verifyTreeHead(at('checkpoint').toString(), (world.trustedKeys['audit'] ?? [])[0]?.jwk as NonNullable<Parameters<typeof verifyTreeHead>[1]>);
    if (!head.ok) throw new Error(head.reason);
    const { size, root } = head.head;
    const tile = at(`tile/0/000.p/${size}`);
    expect(merkleRoot(Array.from({ length: size }, (_, leaf) => tile.subarray(leaf * 32, leaf * 32 + 32)))).toEqual(root);
  });

  test('invariant 22: workflow metrics are counted from facts that are the same when they are made again', async () => {
    await receiptOf(await opened());
    await receiptOf(await opened());
    const counted = () => world.call<{ stale_expiries: number }>('GET', '/v1/timeline/metrics', auditor());
    let metrics = await counted();
    await world.until('all are counted', async () => (metrics = await counted()).body.stale_expiries === openings);
    expect(metrics.body).toMatchObject({ tenant: 'acme', approval_to_execution_rate: null, volume_by_kind: { 'message.email.send': expect.any(Number) } });
    const app = world.service?.app;
    if (app === undefined) throw new Error('not started');
    const database = app.get(Database);
    const live = await factsDigest(database, 'acme');
    await forgetFacts(database, 'acme');
    await app.get(FollowTimeline).catchUp('acme');
    expect(await factsDigest(database, 'acme')).toBe(live);
    await app.get(FollowTimeline).count();
    expect((await world.call('GET', '/metrics')).text).toMatch(/exequatur_workflow_stale_expiries\{tenant="acme",service="audit"\} [1-9]/);
    for (const query of ['from=2026-01-01T00:00:00Z', 'from=2030-01-01T00:00:00Z', 'from=2026-02-30T00:00:00Z', 'to=soon']) expect([query, (await world.call('GET', `/v1/timeline/metrics?${query}`, auditor())).status]).toEqual([query, 422]);
    expect((await world.call('GET', '/v1/timeline/metrics', world.agentToken('outreach-agent'))).status).toBe(403);
  });

  test('invariant 29: erased content is nowhere any more, a legal hold forbids it, and every proof still holds', async () => {
    const actionId = await opened();
    await receiptOf(actionId);
    const admin = 'root-token';
    const erase = (more: object = {}) => world.call('POST', '/v1/log/erasures', admin, { body: { tenant: 'acme', action_id: actionId, reason: 'request 17', ...more } });
    expect((await world.call('POST', '/v1/log/legal-holds', admin, { body: { tenant: 'acme', action_id: actionId, reason: 'case 4' } })).status).toBe(201);
    expect((await world.call('POST', '/v1/log/legal-holds', admin, { body: { tenant: 'acme', action_id: actionId, reason: 'case 4' } })).status).toBe(409);
    expect(await erase()).toMatchObject({ status: 409, body: { code: 'LEGAL_HOLD' } });
    expect((await receiptOf(actionId, { query: '?content=true' })).text).toContain(CANARY);
    expect((await world.call<{ items: unknown[] }>('GET', '/v1/log/legal-holds?tenant=acme', admin)).body.items).toHaveLength(1);
    const naming = async (subject: string, tenant = 'acme', token = admin) => (await world.call<{ items: { action_id: string; status: string }[] }>('POST', '/v1/log/subjects', token, { body: { tenant, subject } })).body.items;
    // A person leads to their actions, however they are spelled; not in another tenant, and not for everybody.
    expect(await naming(` ${CANARY.toUpperCase()}`)).toContainEqual({ action_id: actionId, status: 'held' });
    expect([await naming('nobody'), await naming(CANARY, 'other')]).toEqual([[], []]);
    expect((await world.call('POST', '/v1/log/subjects', auditor(), { body: { subject: CANARY } })).status).toBe(403);
    expect((await world.call('POST', `/v1/log/legal-holds/${actionId}/lift`, admin, { body: { tenant: 'acme', reason: 'closed' } })).status).toBe(200);
    expect((await world.call('POST', `/v1/log/legal-holds/${actionId}/lift`, admin, { body: { tenant: 'acme', reason: 'closed' } })).status).toBe(404);
    expect(await erase()).toMatchObject({ status: 200, body: { status: 'erased' } });
    expect(await erase()).toMatchObject({ status: 200, body: { status: 'erased' } });
    expect((await naming(CANARY)).map(({ action_id: id }) => id)).not.toContain(actionId);
    expect(await world.rows('SELECT FROM data_subject WHERE action_id = $1', [actionId])).toEqual([]);
    expect((await erase({ action_id: newId() })).status).toBe(404);
    expect((await erase({ reason: ' ' })).status).toBe(422);
    for (const token of [auditor(), world.personToken('operator'), world.agentToken('outreach-agent')]) expect((await world.call('POST', '/v1/log/erasures', token, { body: { action_id: actionId, reason: 'x' } })).status).toBe(403);
    const { text, document } = await receiptOf(actionId, { steps: 6, query: '?content=true' });
    expect([document.content, text.includes(CANARY)]).toEqual([{ cards: [], erased: true }, false]);
    expect(document.steps.filter(({ type }) => type === contracts.ErasureCompleted.type)).toHaveLength(1);
    expect(verifyReceipt(text, { trustedKeys: world.trustedKeys })).toMatchObject({ result: 'valid' });
    expect(await world.rows('SELECT FROM timeline WHERE data LIKE $1', [`%${CANARY}%`])).toEqual([]);
  });
});
