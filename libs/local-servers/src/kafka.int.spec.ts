import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileSources } from './compiled-sources.js';
import { DataDirectoryInUse, defaultKafkaCache, kafkaPrerequisite, startLocalKafka, type LocalKafka } from './index.js';
import { askBroker } from './kafka-wire.js';
import { isRunning, waitUntil } from './process-table.js';

const text = (value: string): Buffer => {
  const size = Buffer.alloc(2);
  size.writeInt16BE(Buffer.byteLength(value));
  return Buffer.concat([size, Buffer.from(value)]);
};
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/** CreateTopics version 2: one topic, one partition; resolves to its error code. */
const createTopic = async (port: number, name: string): Promise<number> => {
  const body = Buffer.concat([int32(1), text(name), int32(1), int16(1), int32(0), int32(0), int32(10_000), Buffer.from([0])]);
  return (await askBroker(port, 19, 2, body, 10_000)).readInt16BE(8 + 2 + name.length);
};

/**
 * Metadata version 4 with automatic creation allowed; resolves to the topic's error code: 0, or 3 when it is unknown.
 * 5 says that nobody leads the partition yet, as for a moment after a start; then it is asked again.
 */
const topicError = async (port: number, name: string): Promise<number> => {
  for (;;) {
    const error = await topicErrorNow(port, name);
    if (error !== 5) return error;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

const topicErrorNow = async (port: number, name: string): Promise<number> => {
  const answer = await askBroker(port, 3, 4, Buffer.concat([int32(1), text(name), Buffer.from([1])]), 60_000);
  return answer.readInt16BE(answer.indexOf(text(name)) - 2);
};

const missing = kafkaPrerequisite();
const required = process.env['EXEQUATUR_REQUIRE_KAFKA'] === '1';

if (missing !== undefined && !required) {
  test(`left out: local Kafka needs ${missing}`, () => {
    process.stderr.write(`left out: the suite of local Kafka needs ${missing}\n`);
  });
} else {
  describe('startLocalKafka', () => {
    let directory: string;
    let kafka: LocalKafka;
    let port: number;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'exequatur-kafka-'));
      kafka = await startLocalKafka({ directory });
      port = Number(kafka.brokers.split(':')[1]);
    });
    afterAll(async () => {
      await kafka.stop();
      rmSync(directory, { recursive: true, force: true });
    });

    test('has the topics it was told to create and never creates one by itself', async () => {
      expect(await createTopic(port, 'orders')).toBe(0);
      expect(await topicError(port, 'orders')).not.toBe(3);
      expect(await topicError(port, 'unheard-of')).toBe(3);
    });

    test('a second instance on the same directory is refused', async () => {
      await expect(startLocalKafka({ directory })).rejects.toThrow(DataDirectoryInUse);
    });

    test('comes back on the same port with its topics after kill -9', async () => {
      const before = kafka.pid;
      kafka.kill();
      await kafka.restart();
      expect(isRunning(before)).toBe(false);
      expect(kafka.pid).not.toBe(before);
      expect(kafka.brokers).toBe(`127.0.0.1:${port}`);
      expect(await topicError(port, 'orders')).toBe(0);
    });

    test('a later start on the directory finds topics and port again', async () => {
      await kafka.stop();
      expect(isRunning(kafka.pid)).toBe(false);
      kafka = await startLocalKafka({ directory });
      expect(kafka.brokers).toBe(`127.0.0.1:${port}`);
      expect(await topicError(port, 'orders')).toBe(0);
    });

    test('a broker that outlived a killed parent is ended by the next start', async () => {
      const compiled = compileSources();
      const programs = mkdtempSync(join(tmpdir(), 'exequatur-programs-'));
      try {
        // Only java on the PATH: without setpriv the broker outlives its parent.
        symlinkSync(execFileSync('/bin/sh', ['-c', 'command -v java'], { encoding: 'utf8' }).trim(), join(programs, 'java'));
        await kafka.stop();
        const script = `
          import { startLocalKafka } from ${JSON.stringify(pathToFileURL(join(compiled, 'index.js')).href)};
          const kafka = await startLocalKafka(${JSON.stringify({ directory, cacheDirectory: defaultKafkaCache })});
          console.log(kafka.pid);
          setInterval(() => undefined, 1000);`;
        const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { env: { ...process.env, PATH: programs }, stdio: ['ignore', 'pipe', 'inherit'] });
        const orphan = await new Promise<number>((resolve, reject) => {
          parent.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())));
          parent.once('exit', (code) => reject(new Error(`the parent ended with ${code}`)));
        });
        parent.kill('SIGKILL');
        expect(await waitUntil(() => parent.signalCode !== null, 60_000)).toBe(true);
        expect(isRunning(orphan)).toBe(true);
        const said: string[] = [];
        kafka = await startLocalKafka({ directory, log: (line) => said.push(line) });
        expect(said).toEqual([`ending a Kafka left over from an earlier run (process ${orphan})`]);
        expect(isRunning(orphan)).toBe(false);
        expect(await topicError(port, 'orders')).toBe(0);
      } finally {
        rmSync(compiled, { recursive: true, force: true });
        rmSync(programs, { recursive: true, force: true });
      }
    });
  });
}
