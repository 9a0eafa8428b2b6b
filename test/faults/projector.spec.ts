import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Installation } from './kit/installation.js';
import { expectNothingLost } from './kit/rest.js';
import { isLongRun } from './kit/seeds.js';
import { SteadyWork } from './kit/steady-work.js';
import { Tenant, until } from './kit/tenant.js';
import { TRANSPORT } from './kit/topology.js';
import { WatchedWitness } from './kit/watched-witness.js';
import { randomFrom, seedOf } from './seeded-random.js';

const SLOW = isLongRun() ? 3_600_000 : 900_000;
const KILLS = isLongRun() ? 50 : 2;
/** Between a start of the projector and its end. */
const MOST_MS = 600;
/** Other work may have the machine for itself for minutes; what is awaited comes, and only a wait without end is a failure. */
const PATIENCE_MS = isLongRun() ? 900_000 : 120_000;

describe('the projector is killed while events come in', () => {
  const directory = mkdtempSync(join(tmpdir(), `exequatur-projector-${process.pid}-`));
  let witness: WatchedWitness;
  let here: Installation;
  beforeAll(async () => {
    witness = await WatchedWitness.prepare(directory);
    here = await Installation.start({ transport: TRANSPORT, environment: (service) => (service === 'audit' ? { EXEQUATUR_WITNESSES: witness.asListed } : {}) });
    await witness.watch(here.trustedKeys.trustedKeys ?? {});
  }, SLOW);
  afterAll(async () => {
    await here.stop();
    await witness.stop();
    rmSync(directory, { recursive: true, force: true });
  }, SLOW);

  const leaves = async (tenant: Tenant): Promise<number> => Number((await here.rows<{ count: string }>('SELECT count(*) FROM audit.leaf WHERE tenant = $1', [tenant.name]))[0]?.count);

  test(`invariants 19, 20, 24: kill -9 at ${KILLS} seeded moments: no gap, no fork, no leaf lost, and the witness never sees two heads of one size`, async () => {
    const first = seedOf('projector');
    const name = `burst-${randomUUID().slice(0, 8)}`;
    // Whatever it was shown, every export since must continue.
    const tenant = await Tenant.create({ urls: here.urls, adminToken: here.adminToken, trustedKeys: { ...here.trustedKeys, knownHeads: witness.notesOf(name) } }, name);
    await tenant.budget(10_000_000);
    const work = await SteadyWork.start(here, tenant);
    let kills = 0;
    for (let seed = first; seed < first + KILLS; seed += 1) {
      const before = await leaves(tenant);
      // It runs, and is at it: what is killed is a projector that appends.
      await until(() => leaves(tenant), (now) => now > before, `seed ${seed}: the log grows again`, PATIENCE_MS);
      await delay(Math.floor(randomFrom(seed)() * MOST_MS));
      const acked = work.acked;
      here.of('audit')[0]?.signal('SIGKILL');
      await until(() => Promise.resolve(work.acked), (now) => now > acked, 'work goes on without it', PATIENCE_MS);
      kills += 1;
      if (isLongRun()) process.stderr.write(`${kills} kills, ${before} leaves, ${Math.round(performance.now() / 1_000)} s\n`);
    }
    await until(() => Promise.resolve(witness.headsOf(tenant.name).length), (heads) => heads > 1, 'heads at the witness', PATIENCE_MS);
    const log = await expectNothingLost(here.rows, tenant, here.urls.reservations, work);

    // Of no log, at no size, two roots; and nothing that it was asked to cosign broke with what it had cosigned.
    expect(witness.forks).toEqual([]);
    expect(witness.refused).toEqual([]);
    const kept = await here.rows<{ size: string; root: Buffer }>('SELECT size::text, root FROM audit.tree_head WHERE tenant = $1', [tenant.name]);
    const published = new Map(kept.map(({ size, root }) => [size, root.toString('base64')]));
    expect(witness.headsOf(tenant.name).filter(({ size, root }) => published.get(String(size)) !== root)).toEqual([]);
    console.log(`projector: ${kills} kills from seed ${first}, ${log.report.size} leaves, ${witness.headsOf(tenant.name).length} heads seen by the witness`);
    expect(kills).toBe(KILLS);
  }, SLOW);
});
