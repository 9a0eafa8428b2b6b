import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeWithKafka } from '@exequatur/testing';
import { Installation } from './kit/installation.js';
import { isLongRun } from './kit/seeds.js';
import { persistently, Tenant, until } from './kit/tenant.js';

const SLOW = 900_000;
const PENDING = isLongRun() ? 10_000 : 100;
const DECIDED = isLongRun() ? 1_500 : 60;
const PER_SECOND = 50;
const LOOK_MS = 5;
/** Judged where nothing else runs on the machine; correctness always. */
const QUIET = process.env['EXEQUATUR_QUIET'] === '1';
const DECIDE_P99_MS = 100;
const VISIBLE_P99_MS = 200;

interface Waiting {
  readonly approval_id: string;
  readonly version: number;
  readonly view_hash: string;
}

const p99 = (times: readonly number[]): number => [...times].sort((left, right) => left - right)[Math.max(0, Math.ceil(times.length * 0.99) - 1)] ?? Number.NaN;

describeWithKafka(`deciding ${PER_SECOND} a second while ${PENDING} wait`, () => {
  let here: Installation;
  let tenant: Tenant;
  beforeAll(async () => {
    here = await Installation.start({ transport: 'kafka' });
    tenant = await Tenant.create(here, 'waiting');
    await tenant.budget(10 * PENDING);
  }, SLOW);
  afterAll(() => here.stop(), SLOW);

  const approvals = (path: string) => until(() => tenant.get('approvals', `/v1/approvals${path}`, tenant.approver), ({ status }) => status === 200, path);

  const propose = async (): Promise<void> => {
    let asked = 0;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (asked++ < PENDING) await tenant.propose({ kind: 'pay.refund' });
      }),
    );
    await until(() => approvals('/counts'), ({ body }) => body['requests'] === PENDING, 'all of them wait', SLOW);
  };

  const someWaiting = async (): Promise<readonly Waiting[]> => {
    const found: Waiting[] = [];
    for (let cursor = ''; found.length < DECIDED; ) {
      const { body } = await approvals(`?limit=200${cursor}`);
      found.push(...(body['items'] as Waiting[]));
      cursor = `&cursor=${encodeURIComponent(body['next_cursor'] as string)}`;
    }
    return found.slice(0, DECIDED);
  };

  const approve = async ({ approval_id, version, view_hash }: Waiting): Promise<string> => {
    const request = { token: tenant.approver, path: `/v1/approvals/${approval_id}/approve`, body: { view_hash }, key: randomUUID(), ifMatch: `"${version}"` };
    const { status, body } = await persistently<{ status?: string; code?: string }>(here.urls.approvals, request);
    return body.status ?? body.code ?? String(status);
  };

  test('each is granted once, and each grant reaches reservations; both soon enough where the machine is quiet', async () => {
    await propose();
    const waiting = await someWaiting();
    const answeredAt = new Map<string, number>();
    const visibleMs = new Map<string, number>();
    const decideMs: number[] = [];
    const outcomes = new Map<string, number>();
    let deciding = true;
    const watch = async (): Promise<void> => {
      const giveUp = performance.now() + SLOW / 2;
      while ((deciding || visibleMs.size < answeredAt.size) && performance.now() < giveUp) {
        const unseen = [...answeredAt.keys()].filter((id) => !visibleMs.has(id));
        if (unseen.length > 0) {
          const rows = await here.rows<{ grant_id: string }>('SELECT grant_id FROM reservations.grant_row WHERE grant_id = ANY ($1::uuid[])', [unseen]);
          const now = performance.now();
          for (const { grant_id } of rows) visibleMs.set(grant_id, now - (answeredAt.get(grant_id) ?? now));
        }
        await delay(LOOK_MS);
      }
    };
    const watching = watch();
    const from = performance.now();
    // Open loop: each is due at its own moment, and its time counts from there.
    await Promise.all(
      waiting.map(async (each, index) => {
        const due = from + (index * 1_000) / PER_SECOND;
        await delay(Math.max(0, due - performance.now()));
        const outcome = await approve(each);
        const now = performance.now();
        decideMs.push(now - due);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (outcome === 'granted') answeredAt.set(each.approval_id, now);
      }),
    );
    deciding = false;
    await watching;
    const figures = { pending: PENDING, decided: decideMs.length, decide_p99_ms: Math.round(p99(decideMs)), visible_p99_ms: Math.round(p99([...visibleMs.values()])) };
    process.stderr.write(`decisions: ${JSON.stringify(figures)}\n`);
    expect(Object.fromEntries(outcomes)).toEqual({ granted: DECIDED });
    expect(visibleMs.size).toBe(DECIDED);
    expect((await approvals('/counts')).body['requests']).toBe(PENDING - DECIDED);
    if (QUIET) expect([figures.decide_p99_ms < DECIDE_P99_MS, figures.visible_p99_ms < VISIBLE_P99_MS]).toEqual([true, true]);
  }, SLOW);
});
