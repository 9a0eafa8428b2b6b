import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalKafka, type LocalKafka } from '@exequatur/local-servers';
import { isAlive } from './living-process.js';

/** `stop` also deletes the broker's data. */
export type TestKafka = LocalKafka;

const prefix = 'exequatur-test-kafka-';

const sweepLeftovers = (): void => {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const pid = Number(name.slice(prefix.length).split('-')[0]);
    if (!Number.isSafeInteger(pid) || isAlive(pid)) continue;
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // Another run sweeps it at this moment, or its broker is still ending: the next run finds what is left.
    }
  }
};

/**
 * A real single-node Kafka for a suite, about 5 s to start: call in beforeAll with a timeout of `testKafkaStartMs`, `stop()` in
 * afterAll. It ends with the test process, even when that is killed. Topics are never created by themselves.
 * @param properties broker properties on top of the defaults
 */
export const startTestKafka = async (properties: Readonly<Record<string, string>> = {}): Promise<TestKafka> => {
  sweepLeftovers();
  const directory = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  const kafka = await startLocalKafka({ directory, properties });
  return {
    brokers: kafka.brokers,
    get pid() {
      return kafka.pid;
    },
    kill: () => kafka.kill(),
    restart: () => kafka.restart(),
    stop: async () => {
      await kafka.stop();
      rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
    },
  };
};

/** Enough for the first download of the jars as well. */
export const testKafkaStartMs = 180_000;
