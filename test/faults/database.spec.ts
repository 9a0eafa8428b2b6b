import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { describeWithFaults, describeWithKafka } from '@exequatur/testing';
import { Installation } from './kit/installation.js';
import type { InstallationOptions } from './kit/installation.js';
import { expectNothingLost } from './kit/rest.js';
import { isLongRun } from './kit/seeds.js';
import { SteadyWork } from './kit/steady-work.js';
import { Tenant, until } from './kit/tenant.js';
import { TRANSPORT } from './kit/topology.js';
import { randomFrom, seedOf } from './seeded-random.js';

const SLOW = 600_000;
const KILLS = isLongRun() ? 20 : 3;
/** Recovery takes a second or two; a loaded machine may need many times that. */
const HANGS_AFTER_MS = 60_000;

/** Processes of a PostgreSQL server: the postmaster's children, then itself. */
const serverProcesses = (postmaster: number): number[] => {
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === postmaster;
    } catch {
      return false;
    }
  });
  return [...children.map(Number), postmaster];
};

const signalAll = (pids: readonly number[], signal: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
};

/** Both the log of the running server and that of the one before. */
const serverLog = (directory: string): string => ['server.log.1', 'server.log'].map((name) => join(directory, name)).filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8')).join('');

const working = async (here: Installation, name: string): Promise<{ tenant: Tenant; work: SteadyWork }> => {
  const tenant = await Tenant.create(here, `${name}-${randomUUID().slice(0, 8)}`);
  await tenant.budget(1_000_000);
  const work = await SteadyWork.start(here, tenant, here.of('reservations').map(({ url }) => url));
  await until(() => Promise.resolve(work.acked), (acked) => acked > 100, 'work');
  return { tenant, work };
};

const answers = async (here: Installation): Promise<boolean> => {
  try {
    await here.rows('SELECT 1');
    return true;
  } catch {
    return false;
  }
};

/** Scenario 8. */
const killed = (options: InstallationOptions): void => {
  test(`invariants 4, 5, 7, 8, 19, 20, 21, 23: PostgreSQL is killed ${KILLS} times in bursts of commits`, async () => {
    const random = randomFrom(seedOf(`database killed, ${options.transport}`));
    const here = await Installation.start({ ...options, instances: 2 });
    try {
      const { tenant, work } = await working(here, 'kill');
      const killedAt: number[] = [];
      for (let kill = 0; kill < KILLS; kill += 1) {
        const before = work.acked;
        await until(() => Promise.resolve(work.acked), (acked) => acked > before + 50, 'work after a restart');
        await delay(Math.floor(random() * 300));
        killedAt.push(Date.now());
        signalAll(serverProcesses(here.postgres.pid), 'SIGKILL');
        await here.postgres.again();
      }
      const before = work.acked;
      await until(() => Promise.resolve(work.acked), (acked) => acked > before + 50, 'work after the last restart');
      const { events } = await expectNothingLost(here.rows, tenant, here.urls.reservations, work);
      const { reserves, ends, effects } = work.told();
      const retried = [...reserves, ...ends].filter(({ attempts }) => attempts > 1).length;
      const heldAt = new Map(events.filter(({ name }) => name === 'ReservationHeld').map(({ data, time }) => [data['reservation_id'], Date.parse(time)]));
      const lostReplies = reserves.filter(({ reply, ackedAt }) => killedAt.some((at) => (heldAt.get(reply.body['reservation_id']) ?? Infinity) < at && ackedAt > at)).length;
      console.log(`killed ${killedAt.length} times: ${reserves.length} reserves, ${effects.length} effects, ${retried} writes asked again, ${lostReplies} held before a kill and told after it`);
      expect(retried).toBeGreaterThan(0);
    } finally {
      await here.stop();
    }
  }, SLOW);
};

describe('PostgreSQL dies', () => killed({ transport: TRANSPORT }));
if (isLongRun() && TRANSPORT === 'postgres') describeWithKafka('PostgreSQL dies under Kafka', () => killed({ transport: 'kafka' }));

describeWithFaults(['strace'], 'fsync fails', () => {
  test('invariants 20, 21, 27: EIO at fsync: what was acknowledged is durable, what was not is asked again', async () => {
    seedOf('fsync fails');
    const here = await Installation.start({ transport: TRANSPORT });
    try {
      const { tenant, work } = await working(here, 'eio');
      const pids = serverProcesses(here.postgres.pid);
      const strace = spawn('strace', ['-f', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO', ...pids.flatMap((pid) => ['-p', String(pid)])], { stdio: 'ignore' });
      const logDirectory = join(here.dataDir, 'postgres');
      await until(() => Promise.resolve(serverLog(logDirectory)), (log) => /PANIC: +could not (fdatasync|fsync) file/.test(log), 'a panic for want of fsync');
      await delay(1_000);
      const atFault = work.acked;
      strace.kill('SIGINT');
      await new Promise((resolve) => strace.once('exit', resolve));
      await recovered(here);
      await until(() => Promise.resolve(work.acked), (acked) => acked > atFault + 50, 'work after the disk is well again');
      await expectNothingLost(here.rows, tenant, here.urls.reservations, work);
      expect(work.told().reserves.filter(({ attempts }) => attempts > 1).length).toBeGreaterThan(0);
    } finally {
      await here.stop();
    }
  }, SLOW);
});

/**
 * The server comes back by itself, or has given up and is started, or hangs half-way in its own recovery (seen when that, too,
 * met an error of the disk) and is ended as an operator would.
 */
const recovered = async (here: Installation): Promise<void> => {
  for (let tries = 0; tries < 3; tries += 1) {
    const state = await Promise.race([
      here.postgres.exited.then(() => 'gone' as const),
      until(() => answers(here), (yes) => yes, 'the database', HANGS_AFTER_MS).then(
        () => 'up' as const,
        () => 'hangs' as const,
      ),
    ]);
    if (state === 'up') return;
    if (state === 'hangs') {
      signalAll(serverProcesses(here.postgres.pid), 'SIGKILL');
      await here.postgres.exited;
    }
    await here.postgres.again();
  }
  throw new Error('the database does not stay up');
};

/** Takes what is left of a disk, while others write to it too. */
const fill = (disk: string, ballast: string): void => {
  for (let share = 1; share < 64; share *= 2) {
    const { bavail, bsize } = statfsSync(disk);
    try {
      appendFileSync(ballast, Buffer.alloc(Math.floor((bavail * bsize) / share)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
};

describeWithFaults(['tmpfs'], 'the disk is full', () => {
  test('invariants 20, 21, 27: ENOSPC: nothing is acknowledged that is not kept; with space again, all goes on', async () => {
    seedOf('disk full');
    const disk = mkdtempSync(join(tmpdir(), `exequatur-disk-${process.pid}-`));
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=384m,mode=0711', 'tmpfs', disk]).status).toBe(0);
    let here: Installation | undefined;
    try {
      const directory = join(disk, 'postgres');
      mkdirSync(directory, { mode: 0o711 });
      here = await Installation.start({ transport: TRANSPORT, postgresDirectory: directory });
      const { tenant, work } = await working(here, 'full');
      const ballast = join(disk, 'ballast');
      fill(disk, ballast);
      await until(() => Promise.resolve(serverLog(directory)), (log) => log.includes('No space left on device'), 'a full disk');
      await delay(1_500);
      rmSync(ballast);
      const atFault = work.acked;
      await recovered(here);
      await until(() => Promise.resolve(work.acked), (acked) => acked > atFault + 50, 'work with space again');
      await expectNothingLost(here.rows, tenant, here.urls.reservations, work);
      expect(work.told().reserves.filter(({ attempts }) => attempts > 1).length).toBeGreaterThan(0);
    } finally {
      await here?.stop();
      spawnSync('umount', ['-l', disk]);
      rmSync(disk, { recursive: true, force: true });
    }
  }, SLOW);
});
