import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as contracts from '@exequatur/contracts';
import type { ReceiptDocument } from '@exequatur/contracts';
import { frontierRoot, merkleRoot, originHeaders, verifyConsistency, verifyInclusion, verifyTreeHead } from '@exequatur/audit-chain';
import type { Frontier } from '@exequatur/audit-chain';
import { newId, sha256Text } from '@exequatur/kernel';
import { InMemoryKeyStore, seal } from '@exequatur/sealing';
import { Database } from '@exequatur/service-kit';
import { PgEventStore } from '@exequatur/event-store';
import { verifyExport } from '@exequatur/audit-verify';
import { AppendLeaves } from './append-leaves/append-leaves.js';
import { Installation } from './spec/installation.contract.js';
import { rebuildTimeline } from './timeline-view/rebuild-timeline.js';
import { insertUnread } from './timeline-view/timeline-rows.js';

const bytesOf = (hash: string): Buffer => Buffer.from(hash.slice('sha256:'.length), 'hex');
const hashOf = (digit: string): string => `sha256:${digit.repeat(64)}`;
const CANARY = 'canary-plaintext-4711';

interface Head {
  size: number;
  root: string;
  note: string;
}

describe('the audit projector', () => {
  let world: Installation;
  const auditor = (tenant = 'acme'): string => world.personToken('auditor', tenant);

  beforeAll(async () => {
    world = await Installation.start();
    await world.startService();
    for (const tenant of ['acme', 'globex']) await world.populate(tenant);
    await world.until('the auditors are known', async () => (await world.rows("SELECT FROM directory_person WHERE person = 'auditor'")).length === 2);
  });
  afterAll(() => world.stop());

  const ruling = (actionId: string) => ({ action_id: actionId, policy_hash: hashOf('e'), policy_version: 1, rule_id: 'class:x', reason: 'because' });

  const propose = async (tenant: string, agent = 'outreach-agent'): Promise<string> => {
    const actionId = newId();
    const id = newId();
    const keys = new InMemoryKeyStore();
    const key = await keys.createActionKey(tenant, actionId);
    const facts: contracts.PolicyFacts = { tenant, scope_path: `tenant:${tenant}`, agent, run_id: 'run-1', action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1' }, risk_tags: [], risk_points: 1, amounts: [], has_evidence: false, has_reversal: false, execution_mode: 'managed' };
    const data: contracts.DataOf<typeof contracts.ActionProposed> = { action_id: actionId, facts, claimed: {}, arguments_hash: hashOf('a'), action_hash: hashOf('b'), door: 'http' };
    await world.neighbours.policy.publish({ tenant, aggregate: 'action', id: actionId }, { definition: contracts.ActionProposed, id, data, actor: { type: 'agent', id: agent }, correlationId: actionId, sealed: seal(key, actionId, id, { salt: 'c2FsdA', arguments: `"${CANARY}"` }) });
    return actionId;
  };
  const denied = async (tenant: string): Promise<string> => {
    const actionId = await propose(tenant);
    await world.emit('policy', tenant, actionId, contracts.ActionDenied, { ...ruling(actionId), code: 'POLICY_DENIED' }, actionId);
    return actionId;
  };
  const receiptOf = async (actionId: string, token: string, ended = true): Promise<ReceiptDocument> => {
    let found: ReceiptDocument | undefined;
    await world.until('the receipt is proven', async () => {
      const { status, body } = await world.call<ReceiptDocument>('GET', `/v1/receipts/${actionId}`, token);
      if (status === 200) found = body;
      return found?.ended === ended && found.steps.every(({ pending }) => pending !== true);
    });
    return found as ReceiptDocument;
  };

  test('a receipt for an action that policy denied: each event with a hash, and a proof that leads to the signed head', async () => {
    const actionId = await denied('acme');
    const receipt = await receiptOf(actionId, auditor());
    expect(receipt).toMatchObject({ format: 'exequatur-receipt/1', tenant: 'acme', outcome: 'denied', ended: true, agent: 'outreach-agent', chain: { card: null, grant: null, votes: [], reservations: [] } });
    expect(receipt.steps.map(({ step, type }) => [step, type])).toEqual([['proposal', contracts.ActionProposed.type], ['verdict', contracts.ActionDenied.type]]);
    const auditKey = world.trustedKeys['audit']?.[0]?.jwk as NonNullable<ReturnType<() => (typeof world.trustedKeys)[string][number]['jwk']>>;
    const head = verifyTreeHead(receipt.tree_head?.note ?? '', auditKey);
    if (!head.ok) throw new Error(head.reason);
    expect(head.head.origin).toBe('exequatur/acme');
    for (const { proof, event_hash: eventHash, event_id: eventId } of receipt.steps) {
      if (proof === undefined) throw new Error('no proof');
      expect(verifyInclusion({ leafHash: bytesOf(proof.leaf_hash), index: proof.index, size: proof.size, path: proof.path.map(bytesOf), root: head.head.root })).toBe(true);
      const [leaf] = await world.rows<{ bytes: Buffer }>('SELECT bytes FROM leaf WHERE event_id = $1', [eventId]);
      expect(eventHash).toBe(sha256Text(leaf?.bytes as Buffer));
    }
  });

  test('the chain of an approved action that was refused at last: proposal, verdict, card, vote, decision, grant, reservation', async () => {
    const [actionId, approvalId, reservationId, voteId] = [await propose('acme'), newId(), newId(), newId()];
    const facts = (JSON.parse((await world.rows<{ data: string }>('SELECT data FROM timeline WHERE action_id = $1', [actionId]))[0]?.data ?? '{"facts":null}') as { facts: contracts.PolicyFacts | null }).facts;
    const demand = { stages: [{ roles: ['approver'], quorum: 1 }], distinct: true, ttl_ms: 1_000, on_timeout: 'deny' as const };
    const expires = '2099-01-01T00:00:00.000Z';
    await world.emit('approvals', 'acme', approvalId, contracts.ApprovalOpened, { approval_id: approvalId, action_id: actionId, agent: 'outreach-agent', demand, view_hash: hashOf('d'), renderer: 'card/1', policy_hash: hashOf('e'), policy_version: 1, rule_id: 'r', expires_at: expires }, actionId);
    const vote = { approval_id: approvalId, action_id: actionId, person: 'approver', role: 'approver', stage: 0, vote: 'approve' as const, view_hash: hashOf('d'), granted_arguments_hash: hashOf('a') };
    await world.neighbours.approvals.publish({ tenant: 'acme', aggregate: 'approval', id: approvalId }, { definition: contracts.ApprovalVoted, data: vote, id: voteId, actor: { type: 'person', id: 'approver' }, correlationId: actionId });
    await world.emit('approvals', 'acme', approvalId, contracts.ApprovalGranted, { approval_id: approvalId, action_id: actionId, grant_id: approvalId, grant: 'e30.e30.c2ln', approver_ids: ['approver'], vote_event_ids: [voteId], granted_arguments_hash: hashOf('a'), arguments_hash: hashOf('a'), narrowed: [], view_hash: hashOf('d'), expires_at: expires }, actionId);
    await world.emit('reservations', 'acme', reservationId, contracts.ReservationRefused, { reservation_id: reservationId, grant_id: approvalId, action_id: actionId, agent: 'outreach-agent', code: 'BUDGET_EXCEEDED', after_approval: true, attempt: 1 }, actionId);
    const receipt = await receiptOf(actionId, auditor());
    expect(facts === null || facts.agent === 'outreach-agent').toBe(true);
    expect(receipt).toMatchObject({ outcome: 'refused', chain: { card: { view_hash: hashOf('d'), renderer: 'card/1' }, votes: [voteId], grant: { grant_id: approvalId, source: 'approval' } } });
    expect(receipt.steps.map(({ step }) => step)).toEqual(['proposal', 'approval', 'vote', 'decision', 'reservation']);
    expect(JSON.stringify(receipt)).not.toContain('e30.e30.c2ln');
  });

  test('the timeline is for auditors, operators and the agent of the action; for others there is none', async () => {
    const actionId = await denied('acme');
    await receiptOf(actionId, auditor());
    const path = `/v1/timeline?action_id=${actionId}`;
    for (const token of [auditor(), world.personToken('operator'), world.agentToken('outreach-agent')]) {
      const { status, body, text } = await world.call<{ items: { type: string; actor: { id: string } }[] }>('GET', path, token);
      expect([status, body.items.map(({ actor }) => actor.id)]).toEqual([200, ['outreach-agent', 'policy']]);
      expect(text).not.toContain('ciphertext');
    }
    const answers = await Promise.all([world.agentToken('other-agent'), auditor('globex'), world.agentToken('outreach-agent', 'globex'), world.personToken('approver'), undefined].map((token) => world.call('GET', path, token)));
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 403, 401]);
  });

  test('invariant 18: what one tenant asks for, by id or by name, another tenant’s log never answers', async () => {
    const actionId = await denied('acme');
    const { steps } = await receiptOf(actionId, auditor());
    const foreign = auditor('globex');
    const paths = [`/v1/receipts/${actionId}`, `/v1/timeline?action_id=${actionId}`, `/v1/log/proof/inclusion?event_id=${steps[0]?.event_id}`, '/v1/log/tree-head?tenant=acme', '/v1/log/entries?tenant=acme', '/v1/log/proof/consistency?from=1&to=1&tenant=acme', `/v1/receipts/${actionId}?tenant=acme`];
    for (const path of paths) expect([path, (await world.call('GET', path, foreign)).status]).toEqual([path, 404]);
    expect((await world.call('POST', '/v1/exports', foreign, { body: { tenant: 'acme' } })).status).toBe(404);
    const { text } = await world.call('POST', '/v1/exports', foreign, { body: {} });
    const tenants = new Set(text.split('\n').filter((line) => line.includes('bytes_b64')).map((line) => (JSON.parse(Buffer.from((JSON.parse(line) as { bytes_b64: string }).bytes_b64, 'base64').toString()) as { tenant: string }).tenant));
    expect([...tenants]).toEqual(['globex']);
  });

  test('invariant 24: heads come by themselves, none for the same size twice, and any two are consistent', async () => {
    await denied('acme');
    await world.until('every leaf is under a head', async () => (await world.rows("SELECT FROM log WHERE tenant = 'acme' AND head_size = size")).length === 1);
    await denied('acme');
    const first = (await world.call<Head>('GET', '/v1/log/tree-head', auditor())).body;
    let second = first;
    await world.until('there is a newer head', async () => (second = (await world.call<Head>('GET', '/v1/log/tree-head', auditor())).body).size > first.size);
    const { body } = await world.call<{ path: string[] }>('GET', `/v1/log/proof/consistency?from=${first.size}&to=${second.size}`, auditor());
    expect(verifyConsistency({ oldSize: first.size, newSize: second.size, oldRoot: bytesOf(first.root), newRoot: bytesOf(second.root), path: body.path.map(bytesOf) })).toBe(true);
    expect(await world.rows('SELECT FROM leaf WHERE type = $1', [contracts.TreeHeadPublished.type])).toEqual([]);
    // One statement: the next head comes by itself.
    const [counted] = await world.rows<{ published: number; heads: number }>("SELECT (SELECT count(*)::int FROM event WHERE type = $1 AND tenant = 'acme') AS published, (SELECT count(*)::int FROM tree_head WHERE tenant = 'acme') AS heads", [contracts.TreeHeadPublished.type]);
    expect(counted?.published).toBeGreaterThan(1);
    expect(counted?.published).toBe(counted?.heads);
  });

  test('a tenant whose name no key may have gets its heads too', async () => {
    const actionId = newId();
    await world.emit('policy', 'a+b@c:d', actionId, contracts.ActionWithdrawn, { action_id: actionId, reason: 'no longer needed' }, actionId);
    await world.until('there is a head', async () => (await world.rows("SELECT FROM tree_head WHERE tenant = 'a+b@c:d'")).length > 0);
    const { text } = await world.call('POST', '/v1/exports', 'root-token', { body: { tenant: 'a+b@c:d' } });
    async function* lines(): AsyncGenerator<string> {
      yield* text.trimEnd().split('\n');
      await Promise.resolve();
    }
    expect((await verifyExport(lines(), { trustedKeys: world.trustedKeys })).by_invariant).not.toHaveProperty('24');
  });

  test('proofs that cannot be are refused, not guessed', async () => {
    const { size } = (await world.call<Head>('GET', '/v1/log/tree-head', auditor())).body;
    const statusOf = async (query: string): Promise<number> => (await world.call('GET', `/v1/log/proof/${query}`, auditor())).status;
    expect(await statusOf('inclusion')).toBe(422);
    expect(await statusOf(`inclusion?event_id=${newId()}`)).toBe(404);
    expect(await statusOf('inclusion?sequence=1000000')).toBe(404);
    expect(await statusOf(`inclusion?sequence=0&size=${size + 1_000}`)).toBe(404);
    expect(await statusOf('consistency?from=0&to=1')).toBe(422);
    expect(await statusOf('consistency?from=2&to=1')).toBe(422);
    expect(await statusOf(`consistency?from=1&to=${size + 1_000}`)).toBe(422);
    expect(await statusOf('consistency?from=1')).toBe(422);
  });

  test('entries are paged', async () => {
    const first = await world.call<{ items: { sequence: number }[]; next_start: number }>('GET', '/v1/log/entries?limit=3', auditor());
    expect([first.body.items.map(({ sequence }) => sequence), first.body.next_start]).toEqual([[0, 1, 2], 3]);
    expect((await world.call('GET', '/v1/log/entries?limit=100000', auditor())).status).toBe(422);
    expect((await world.call('GET', '/v1/log/entries', world.personToken('operator'))).status).toBe(403);
  });

  test('an export is what the independent verifier takes, the same key gives the same bytes, and taking it is recorded', async () => {
    await denied('acme');
    const key = newId();
    const { status, text } = await world.call('POST', '/v1/exports', auditor(), { body: {}, key });
    expect(status).toBe(200);
    await denied('acme');
    expect((await world.call('POST', '/v1/exports', auditor(), { body: {}, key })).text).toBe(text);
    async function* lines(): AsyncGenerator<string> {
      yield* text.trimEnd().split('\n');
      await Promise.resolve();
    }
    const report = await verifyExport(lines(), { trustedKeys: world.trustedKeys });
    // The neighbours of this spec publish events, not whole stories: proofs must hold, the other invariants are not theirs to keep.
    expect(Object.keys(report.by_invariant).filter((each) => ['12', '18', '19', '20', '24', '25'].includes(each))).toEqual([]);
    expect(report.violations.filter(({ invariant, message }) => invariant === 'format' && !message.includes('/data/grant'))).toEqual([]);
    expect(report.counts.leaves).toBeGreaterThan(10);
    await world.until('the export is in the log', async () => (await world.rows('SELECT FROM leaf WHERE tenant = $1 AND type = $2', ['acme', contracts.ExportMade.type])).length > 0);
    expect(text).not.toContain(CANARY);
  });

  test('an export is for auditors', async () => {
    const statuses = await Promise.all([undefined, world.agentToken('outreach-agent'), world.personToken('operator'), world.personToken('approver')].map(async (token) => (await world.call('POST', '/v1/exports', token, { body: {} })).status));
    expect(statuses).toEqual([401, 403, 403, 403]);
  });

  test('what cannot be read or proven is logged, never a reason to stop', async () => {
    const { publisher } = world.neighbours.policy.transport;
    const before = await world.size('_unreadable');
    const forged = { id: newId(), type: contracts.ApprovalGranted.type, tenant: 'acme', source: '/tenants/acme/services/approvals', data: {} };
    const values = [Buffer.from('hello'), Buffer.from([0xff, 0x00]), Buffer.from('['.repeat(50_000)), Buffer.from(JSON.stringify(forged)), Buffer.from('{"tenant":"nobody-knows"}')];
    await publisher.publish('exequatur.actions.v1', values.map((value) => ({ key: 'x', value, headers: {} })));
    await publisher.publish('exequatur.actions.v1', values.map((value) => ({ key: 'x', value, headers: {} })));
    const actionId = await denied('acme');
    await receiptOf(actionId, auditor());
    await world.until('all are logged', async () => (await world.size('_unreadable')) === before + 4);
    const [leaf] = await world.rows<{ tenant: string; origin: string }>('SELECT tenant, origin FROM leaf WHERE event_id = $1', [forged.id]);
    expect(leaf).toEqual({ tenant: 'acme', origin: 'no_proof' });
    expect(await world.rows('SELECT FROM timeline WHERE event_id = $1', [forged.id])).toEqual([]);
    expect(await world.rows("SELECT FROM log WHERE tenant = 'nobody-knows'")).toEqual([]);
    expect((await world.service?.ready())?.ready).toBe(true);
  });

  test('invariant 22: a rebuilt read model equals the live one by hash, with duplicates and while the log grows', async () => {
    const { publisher } = world.neighbours.policy.transport;
    const again = await world.rows<{ bytes: Buffer; path: string; signature: string; key_id: string }>("SELECT bytes, path, signature, key_id FROM leaf WHERE tenant = 'acme' AND topic = 'exequatur.actions.v1' AND origin = 'ok' ORDER BY sequence DESC LIMIT 20");
    await publisher.publish('exequatur.actions.v1', again.map(({ bytes, path, signature, key_id: keyId }) => ({ key: 'again', value: bytes, headers: { 'exq-path': path, 'exq-signature': signature, 'exq-keyid': keyId } })));
    const writing = Promise.all(Array.from({ length: 10 }, () => denied('acme')));
    const app = world.service?.app;
    if (app === undefined) throw new Error('not started');
    const rebuilt = await rebuildTimeline(app.get(Database), app.get(PgEventStore), 'acme');
    expect(rebuilt.after).toBe(rebuilt.before);
    expect(rebuilt.rows).toBeGreaterThan(10);
    const last = (await writing).at(-1) ?? '';
    expect(await receiptOf(last, auditor())).toMatchObject({ outcome: 'denied' });
    expect((await rebuildTimeline(app.get(Database), app.get(PgEventStore), 'acme')).after).toMatch(/^sha256:/);
    expect((await world.rows<{ generation: number }>("SELECT DISTINCT generation FROM timeline WHERE tenant = 'acme'")).length).toBe(1);
  });

  test('invariant 22: of two leaves of one event the first counts in a rebuilt chunk too, and the others of the chunk stand', async () => {
    const database = world.service?.app.get(Database);
    if (database === undefined) throw new Error('not started');
    const row = { tenant: 'twice', generation: 7, event_id: 'a', action_id: 'x', sequence: 1, name: 'N', type: 't', service: 's', version: 1, time: 't', actor_type: 'agent', actor_id: 'i', event_hash: 'h', data: 'first' };
    await insertUnread(database, [row, { ...row, sequence: 2, data: 'second' }, { ...row, event_id: 'b', sequence: 3 }]);
    expect(await world.rows("SELECT event_id, data FROM timeline WHERE tenant = 'twice' ORDER BY event_id")).toEqual([{ event_id: 'a', data: 'first' }, { event_id: 'b', data: 'first' }]);
  });

  test('the rebuild command runs beside the live service and says that nothing differs', async () => {
    const { code, output } = await world.rebuild();
    expect([code, output.includes('DIFFERS')]).toEqual([0, false]);
    expect(output).toMatch(/^acme: \d+ leaves, \d+ rows, sha256:[0-9a-f]{64}, equal to the one before, in \d+ ms$/m);
  });

  test('invariant 24: writers of one log at the same time, with overlapping messages, make one sequence', async () => {
    const { store } = world.neighbours.policy;
    const appender = world.service?.app.get(AppendLeaves);
    if (appender === undefined) throw new Error('not started');
    // Stored but, by this spec itself, delivered; the relay brings them once more.
    const stream = { tenant: 'race', aggregate: 'action', id: newId() };
    const messages = await store.transact({ streams: [stream] }, async (tx) => {
      const events = Array.from({ length: 60 }, (_, n) => ({ definition: contracts.ActionWithdrawn, data: { action_id: stream.id, reason: `${n}` }, actor: { type: 'agent' as const, id: 'a' } }));
      const recorded = await store.append(tx, [{ stream, expectedVersion: 0, events }]);
      return recorded.map((event, index) => ({ topic: 'exequatur.actions.v1', partition: 0, offset: String(index), key: 'k', value: event.bytes, headers: originHeaders(event) }));
    });
    await Promise.all(Array.from({ length: 12 }, (_, n) => appender.append(messages.slice(n * 4, n * 4 + 16))));
    await world.until('the relay has brought them too', async () => (await world.rows("SELECT FROM leaf WHERE tenant = 'race' AND type LIKE '%StreamHeads%'")).length > 0);
    // One statement: the log of the tenant goes on by itself.
    const leaves = await world.rows<{ sequence: string; leaf_hash: Buffer; event_id: string; frontier: Frontier }>(`SELECT sequence::text, leaf_hash, event_id, frontier FROM leaf JOIN log USING (tenant) WHERE tenant = 'race' ORDER BY leaf.sequence`);
    expect(leaves.map(({ sequence }) => Number(sequence))).toEqual(leaves.map((_, index) => index));
    expect(new Set(leaves.map(({ event_id: id }) => id)).size).toBe(leaves.length);
    expect(frontierRoot(leaves[0]?.frontier as Frontier)).toEqual(merkleRoot(leaves.map(({ leaf_hash: hash }) => hash)));
  });

  test('the log refuses to be changed, by the service’s own role too', async () => {
    for (const statement of ["UPDATE leaf SET bytes = '' WHERE tenant = 'acme'", 'DELETE FROM tree_head', 'TRUNCATE log_node']) await expect(world.rows(statement)).rejects.toThrow('append-only');
  });
});
