import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ActionWithdrawn } from '@exequatur/contracts';
import { merkleRoot } from '@exequatur/audit-chain';
import { newId } from '@exequatur/kernel';
import { Installation } from './spec/installation.contract.js';

const TENANTS = ['acme', 'globex'] as const;
const STREAMS = 24;
const ROUNDS = 25;
const MOST_ROUNDS = 500;

describe('kill -9 of the projector', () => {
  let world: Installation;
  beforeAll(async () => {
    world = await Installation.start();
  });
  afterAll(() => world.stop());

  test('invariants 20, 24: however often, every event is a leaf once, without a gap, and no size has two roots', async () => {
    const published: string[] = [];
    let writing = true;
    let crashesInside = 0;
    const writer = (async () => {
      const streams = Array.from({ length: STREAMS }, (_, n) => ({ tenant: TENANTS[n % 2] as string, aggregate: 'action', id: newId() }));
      // On a fast machine the events must not be over before a crash has met them.
      for (let round = 0; round < ROUNDS || (crashesInside === 0 && round < MOST_ROUNDS); round += 1) {
        for (const stream of streams) published.push(...(await world.neighbours.policy.publish(stream, { definition: ActionWithdrawn, data: { action_id: stream.id, reason: `round ${round}` }, actor: { type: 'agent', id: 'a' }, correlationId: stream.id })));
      }
      writing = false;
    })();
    for (let kills = 0; writing || kills < 3; kills += 1) {
      const child = await world.startChild();
      const before = (await world.size('acme')) + (await world.size('globex'));
      // Amid appends, however long a loaded machine takes to begin with them.
      for (const latest = performance.now() + 30_000; writing && performance.now() < latest && (await world.size('acme')) + (await world.size('globex')) <= before; ) await delay(10);
      await delay(Math.random() * 500);
      child.removeAllListeners('exit');
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      const after = (await world.size('acme')) + (await world.size('globex'));
      const logged = await world.rows<{ n: number }>('SELECT count(*)::int AS n FROM leaf');
      if (after > before && (logged[0]?.n ?? 0) < published.length + 2) crashesInside += 1;
    }
    await writer;
    // At least one crash really came amid appends, or this shows nothing.
    expect(crashesInside).toBeGreaterThan(0);
    const last = await world.startChild();
    await world.until('everything is logged', async () => {
      const rows = await world.rows<{ event_id: string }>('SELECT event_id FROM leaf WHERE type = $1', [ActionWithdrawn.type]);
      return rows.length >= published.length;
    });
    await world.until('everything is under a head', async () => (await world.rows('SELECT FROM log WHERE head_size < size')).length === 0);
    last.removeAllListeners('exit');
    const ended = new Promise((resolve) => last.once('exit', resolve));
    last.kill('SIGKILL');
    await ended;
    // What it had under way the database may still be ending.
    await world.until('nobody writes any more', async () => (await world.rows("SELECT FROM pg_stat_activity WHERE application_name = 'exequatur-audit' AND state <> 'idle'")).length === 0);
    await assertWholeLogs(published);
  }, 600_000);

  const assertWholeLogs = async (published: readonly string[]): Promise<void> => {
    const leaves = await world.rows<{ tenant: string; event_id: string; sequence: string; leaf_hash: Buffer; type: string }>('SELECT tenant, event_id, sequence::text, leaf_hash, type FROM leaf ORDER BY tenant, leaf.sequence');
    expect(leaves.filter(({ type }) => type === ActionWithdrawn.type).map((leaf) => leaf.event_id).sort()).toEqual([...published].sort());
    expect(new Set(leaves.map((leaf) => leaf.event_id)).size).toBe(leaves.length);
    for (const tenant of TENANTS) {
      const own = leaves.filter((leaf) => leaf.tenant === tenant);
      expect(own.map(({ sequence }) => Number(sequence))).toEqual(own.map((_, index) => index));
      const heads = await world.rows<{ size: string; root: Buffer }>('SELECT size::text, root FROM tree_head WHERE tenant = $1', [tenant]);
      expect(heads.length).toBeGreaterThan(0);
      for (const { size, root } of heads) expect(root).toEqual(merkleRoot(own.slice(0, Number(size)).map(({ leaf_hash: hash }) => hash)));
      const published = await world.rows<{ bytes: Buffer }>(`SELECT bytes FROM event WHERE tenant = $1 AND aggregate = 'log'`, [tenant]);
      const said = published.map(({ bytes }) => (JSON.parse(bytes.toString()) as { data: { size: number; root: string } }).data);
      expect(said.map(({ size, root }) => `${size} ${root}`).sort()).toEqual(heads.map(({ size, root }) => `${size} sha256:${root.toString('hex')}`).sort());
    }
  };
});
