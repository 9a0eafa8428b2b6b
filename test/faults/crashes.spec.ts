import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { SERVICES } from '@exequatur/contracts';
import { everyService, startServices } from '@exequatur/standalone';
import { describeWithKafka } from '@exequatur/testing';
import { freePort } from '../e2e/free-port.js';
import { startStandalone, temporaryDirectory } from '../e2e/programs.js';
import { crashRun } from './crash-run.js';
import type { CrashRun, Victim } from './crash-run.js';
import { seedOf } from './seeded-random.js';

const SLOW = 1_200_000;
const ACTIONS = 200;

const trustedKeysOf = (dataDir: string): Victim['trustedKeys'] => ({ trustedKeys: JSON.parse(readFileSync(join(dataDir, 'secrets', 'trusted-keys.json'), 'utf8')) as NonNullable<Victim['trustedKeys']['trustedKeys']> });

/** Scenario 1 of reliability.md at process level, with the whole checker over the log and the tool's journal at the end. */
const expectNothingLostNothingTwice = (run: CrashRun, targets: readonly string[]): void => {
  // sometimes-gates: the faults really happened
  for (const target of targets) expect(run.kills[target]).toBeGreaterThanOrEqual(1);
  // 20: every acked proposal is there, and came to an end
  expect(new Set(run.proposed).size).toBe(ACTIONS);
  expect(run.missing).toEqual([]);
  const unsettled = Object.entries(run.statuses).filter(([, status]) => !['executed', 'failed', 'unknown', 'expired', 'denied', 'released'].includes(status));
  expect(unsettled).toEqual([]);
  // 5: no effect key acted twice
  expect(run.effects.length).toBe(new Set(run.effects).size);
  // 23: journal and log agree: an effect belongs to a started execution, a success to an effect, and what has an effect but no success is named unknown
  const journal = new Set(run.effects);
  expect([...journal].filter((key) => !run.executions.started.has(key))).toEqual([]);
  expect([...run.executions.succeeded].filter((key) => !journal.has(key))).toEqual([]);
  expect([...journal].filter((key) => !run.executions.succeeded.has(key) && !run.executions.unknown.has(key))).toEqual([]);
  // 1 to 20 as far as the log shows them, 24 and 25
  expect(run.report).toMatchObject({ result: 'valid', violations: [] });
  console.log(`kills ${JSON.stringify(run.kills)}, effects ${run.effects.length}, unknown ${run.executions.unknown.size}, leaves ${run.report.counts.leaves}`);
};

test('invariants 4, 5, 7, 8, 19, 20, 23: one process, killed again and again during 200 actions', async () => {
  const directory = temporaryDirectory();
  const args = ['--port', String(await freePort())];
  let standalone = await startStandalone(directory.path, args);
  const victim: Victim = {
    urls: everyService(() => standalone.origin),
    adminToken: standalone.adminToken,
    trustedKeys: trustedKeysOf(directory.path),
    targets: ['standalone'],
    kill: async () => {
      standalone.program.child.kill('SIGKILL');
      await standalone.program.ended;
      await delay(100);
      standalone = await startStandalone(directory.path, args);
    },
  };
  try {
    expectNothingLostNothingTwice(await crashRun(victim, seedOf('one process')), victim.targets);
  } finally {
    await standalone.interrupt();
    directory.remove();
  }
}, SLOW);

describeWithKafka('five processes over Kafka', () => {
  test('invariants 4, 5, 7, 8, 19, 20, 23: each service is killed during 200 actions', async () => {
    const directory = temporaryDirectory();
    const services = await startServices({ dataDir: directory.path, logLevel: 'fatal', log: () => undefined });
    const victim: Victim = {
      urls: services.urls,
      adminToken: services.adminToken,
      trustedKeys: trustedKeysOf(directory.path),
      targets: SERVICES,
      kill: async (target) => {
        const service = SERVICES.find((each) => each === target);
        if (service !== undefined) services.kill(service);
        await delay(50);
      },
    };
    try {
      expectNothingLostNothingTwice(await crashRun(victim, seedOf('five processes')), victim.targets);
    } finally {
      await services.stop();
      directory.remove();
    }
  }, SLOW);
});
