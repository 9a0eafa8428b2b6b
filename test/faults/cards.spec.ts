import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { contextOf, renderCard, requestOf, viewHash } from '@exequatur/approvals-domain';
import { ActionProposed, ApprovalAnnotated, ApprovalOpened, SERVICES } from '@exequatur/contracts';
import type { DataOf, EventEnvelope, SealedOf } from '@exequatur/contracts';
import { saltedHash } from '@exequatur/kernel';
import { open, PgKeyStore } from '@exequatur/sealing';
import { secretsOf } from '@exequatur/standalone';
import pg from 'pg';
import { streamExport } from './cards/export-stream.js';
import { randomProposals } from './cards/random-proposals.js';
import type { RandomProposal } from './cards/random-proposals.js';
import { Installation } from './kit/installation.js';
import { isLongRun } from './kit/seeds.js';
import { persistently, Tenant, until } from './kit/tenant.js';
import { TRANSPORT } from './kit/topology.js';
import { seedOf } from './seeded-random.js';

const SLOW = isLongRun() ? 3_600_000 : 900_000;
/** `npm run faults -- cards`: 10,000. */
const ACTIONS = isLongRun() ? 10_000 : 150;
const AT_ONCE = 8;
/** One in so many is remarked on, so that a second card stands in the request; and one in so many approved, so that later ones have something to differ from. */
const REMARKED = 10;
const APPROVED = 25;
const KEYS_AT_ONCE = 500;

describe('cards from an exported log', () => {
  let here: Installation;
  let tenant: Tenant;
  let pool: pg.Pool;
  let keys: PgKeyStore;
  beforeAll(async () => {
    here = await Installation.start({ transport: TRANSPORT });
    tenant = await Tenant.create(here, 'cards');
    // As the auditor's own service reads it: with its role in the database, and the key of the installation.
    const secrets = secretsOf(here.dataDir);
    pool = new pg.Pool({ host: '127.0.0.1', port: here.postgres.port, database: 'exequatur', user: 'exequatur_audit', password: secrets.databasePasswords.audit, max: 1 });
    pool.on('error', () => undefined);
    keys = new PgKeyStore({ sql: pool, keyEncryptionKey: Buffer.from(readFileSync(secrets.keyEncryptionKeyFile, 'utf8').trim(), 'base64url') });
  }, SLOW);
  afterAll(async () => {
    await pool.end();
    await here.stop();
  }, SLOW);

  const propose = async (nth: number, { arguments: args, reasoning, businessImpact }: RandomProposal): Promise<void> => {
    const { status, bytes, body } = await persistently(here.urls.policy, {
      token: tenant.agent, path: '/v1/actions', key: randomUUID(),
      body: { ...tenant.proposalOf({ kind: 'pay.refund', run: `run-${nth}` }), target: args.account, arguments: args, reasoning, business_impact: businessImpact },
    });
    expect([status, bytes]).toEqual([201, expect.stringContaining('approval_id')]);
    const id = String(body['approval_id']);
    if (nth % REMARKED !== 0 && nth % APPROVED !== 0) return;
    await until(() => tenant.get('approvals', `/v1/approvals/${id}`, tenant.approver), (card) => card.status === 200, 'the card', SLOW / 2);
    if (nth % REMARKED === 0) {
      const remarked = await persistently(here.urls.approvals, { token: tenant.agent, path: `/v1/approvals/${id}/annotate`, body: { source: 'scorer', score: '0.25', text: reasoning === '' ? 'nothing' : `remark: ${reasoning}` }, key: randomUUID() });
      expect([remarked.status, remarked.bytes]).toEqual([200, remarked.bytes]);
    }
    // Whatever became of one attempt on a busy machine, the next one sees it.
    if (nth % APPROVED === 0) await until(async () => (await tenant.get('approvals', `/v1/approvals/${id}`, tenant.approver)).body['status'] === 'granted' || tenant.approve(id).then(() => true), (granted) => granted, 'it is granted', SLOW / 2);
  };

  /** Events of the tenant that are under no tree head yet; heads aside, which go on by themselves. */
  const underNoHead = async (): Promise<number> => {
    const committed = SERVICES.map((service) => `SELECT event_id, tenant, type FROM ${service}.event`).join(' UNION ALL ');
    const [row] = await here.rows<{ count: string }>(
      `SELECT count(*) FROM (${committed}) e LEFT JOIN audit.leaf l ON l.tenant = e.tenant AND l.event_id = e.event_id::text
       WHERE e.tenant = $1 AND e.type !~ '(StreamHeads|TreeHead)Published' AND COALESCE(l.sequence >= (SELECT max(size) FROM audit.tree_head WHERE tenant = $1), true)`,
      [tenant.name],
    );
    return Number(row?.count);
  };

  /** What the export holds of actions and cards, once the offline verifier calls it valid. */
  const exported = async () => {
    const proposed = new Map<string, string>();
    const opened: EventEnvelope[] = [];
    const remarked: EventEnvelope[] = [];
    const report = await streamExport({ url: here.urls.audit, auditorToken: tenant.auditor, trustedKeys: here.trustedKeys }, (event) => {
      if (event.type === ActionProposed.type) proposed.set((event.data as DataOf<typeof ActionProposed>).action_id, (event.data as DataOf<typeof ActionProposed>).arguments_hash);
      if (event.type === ApprovalOpened.type) opened.push(event);
      if (event.type === ApprovalAnnotated.type) remarked.push(event);
    });
    return { report, proposed, opened, remarked };
  };

  test(`invariant 26: of ${ACTIONS} random actions, every card and view_hash follow from the exported log alone`, async () => {
    const seed = seedOf('cards');
    const waiting = randomProposals(ACTIONS, seed).map((proposal, nth) => ({ proposal, nth })).reverse();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await propose(next.nth, next.proposal);
    }));
    await until(() => here.rows<{ count: string }>('SELECT count(*) FROM approvals.approval_request WHERE tenant = $1', [tenant.name]), ([row]) => Number(row?.count) === ACTIONS, 'a request of each', SLOW / 2);
    await until(underNoHead, (events) => events === 0, 'the log holds what was committed', SLOW / 2);
    const { report, proposed, opened, remarked } = await until(exported, ({ report: { result } }) => result === 'valid', 'the export is valid', SLOW / 2);
    expect(report).toMatchObject({ result: 'valid', violations: [], keys: 'pinned' });
    expect([proposed.size, opened.length, remarked.length]).toEqual([ACTIONS, ACTIONS, Math.ceil(ACTIONS / REMARKED)]);

    const remarksOf = new Map<string, EventEnvelope[]>();
    for (const remark of remarked) remarksOf.set(remark.subject, [...(remarksOf.get(remark.subject) ?? []), remark]);
    const wrong: unknown[] = [];
    let cards = 0;
    let withContext = 0;
    for (let from = 0; from < opened.length; from += KEYS_AT_ONCE) {
      const some = opened.slice(from, from + KEYS_AT_ONCE);
      const dataKeys = await keys.actionKeys(tenant.name, some.map(({ data }) => (data as DataOf<typeof ApprovalOpened>).action_id));
      for (const event of some) {
        const data = event.data as DataOf<typeof ApprovalOpened>;
        const key = dataKeys.get(data.action_id);
        const contentOf = <S>({ id, sealed }: EventEnvelope): S => {
          if (key === undefined || sealed === undefined) throw new Error(`${id} has nothing that can be opened`);
          return open(key, sealed, id) as S;
        };
        const { salt: encodedSalt, proposal, context = '' } = contentOf<SealedOf<typeof ApprovalOpened>>(event);
        const salt = Buffer.from(encodedSalt, 'base64url');
        const request = requestOf(data);
        const views = [{ recorded: data.view_hash, context }, ...(remarksOf.get(event.subject) ?? []).map((remark) => ({ recorded: (remark.data as DataOf<typeof ApprovalAnnotated>).view_hash, context: contentOf<SealedOf<typeof ApprovalAnnotated>>(remark).context }))];
        for (const view of views) {
          const recomputed = viewHash(salt, renderCard(request, proposal, contextOf(view.context)));
          if (recomputed !== view.recorded) wrong.push({ seed, approval: event.subject, recomputed, recorded: view.recorded });
        }
        // The card is about the very arguments that were proposed.
        if (saltedHash(salt, Buffer.from(proposal.arguments, 'utf8')) !== proposed.get(data.action_id)) wrong.push({ seed, approval: event.subject, arguments: 'not those proposed' });
        cards += views.length;
        if (contextOf(context).similar !== undefined) withContext += 1;
      }
    }
    process.stderr.write(`cards: ${JSON.stringify({ seed, leaves: report.size, actions: opened.length, cards_recomputed: cards, with_a_similar_one: withContext, wrong: wrong.length })}\n`);
    expect(wrong).toEqual([]);
    expect(cards).toBe(ACTIONS + remarked.length);
    // Otherwise nothing was shown of cards that depend on what was decided before.
    expect(withContext).toBeGreaterThan(0);
  }, SLOW);
});
