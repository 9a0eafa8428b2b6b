import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { lockDirectory } from './directory-lock.js';
import { freePort } from './free-port.js';
import { defaultKafkaCache, ensureKafkaJars } from './kafka-jars.js';
import { brokerLog, configure, endOrphanedBroker, format, recordedPorts, spawnBroker, type KafkaNode } from './kafka-node.js';
import { brokerAnswers } from './kafka-wire.js';
import { DataDirectoryUnwritable, PortTaken, ServerDidNotStart } from './local-server-errors.js';
import { waitUntil } from './process-table.js';

export type LocalKafkaOptions = {
  /** Holds the log, server.properties and kafka.log; created when absent. */
  directory: string;
  /** On 127.0.0.1; when left out that of an earlier start in this directory, else a free one. */
  port?: number;
  /** Where the jars are kept; `.cache/kafka` of the repository when left out. */
  cacheDirectory?: string;
  /** Receives progress, one line a call. */
  log?: (line: string) => void;
  /** Broker properties on top of the defaults (topics are never created automatically). */
  properties?: Readonly<Record<string, string>>;
};

export type LocalKafka = {
  /** For KAFKA_BROKERS: `127.0.0.1:port`, the same across restarts. */
  brokers: string;
  /** Of the running broker; the last one's while it is down. */
  readonly pid: number;
  /** SIGTERM, then SIGKILL after 10 s; then the directory is free. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash. The directory stays ours; `restart` brings the broker back. */
  kill(): void;
  /** Ends the broker if it runs and starts it again on the same port and data; after `stop` too. 4 s after `kill`. */
  restart(): Promise<void>;
};

const readyWithinMs = 60_000;
const pollMs = 50;

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const startBroker = async (node: KafkaNode): Promise<ChildProcess> => {
  const child = spawnBroker(node);
  let failure: string | undefined;
  child.once('error', (error) => (failure = error.message));
  const deadline = Date.now() + readyWithinMs;
  while (!(await brokerAnswers(node.ports.broker))) {
    if (failure !== undefined || ended(child) || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new ServerDidNotStart('Kafka', failure ?? brokerLog(node.directory));
    }
    await delay(pollMs);
  }
  child.unref();
  return child;
};

const endBroker = async (child: ChildProcess, signals: readonly [NodeJS.Signals, number][]): Promise<void> => {
  for (const [signal, waitMs] of signals) {
    if (ended(child)) return;
    child.kill(signal);
    if (await waitUntil(() => ended(child), waitMs)) return;
  }
};

const isFree = (port: number): Promise<boolean> => freePort(port).then(() => true, () => false);

const choosePorts = async (options: LocalKafkaOptions): Promise<KafkaNode['ports']> => {
  const before = recordedPorts(options.directory);
  const controller = before !== undefined && (await isFree(before.controller)) ? before.controller : await freePort();
  if (options.port !== undefined) {
    if (!(await isFree(options.port))) throw new PortTaken(options.port);
    return { broker: options.port, controller };
  }
  return { broker: before !== undefined && (await isFree(before.broker)) ? before.broker : await freePort(), controller };
};

const claimDirectory = (directory: string): (() => void) => {
  try {
    mkdirSync(directory, { recursive: true });
    return lockDirectory(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === undefined ? error : new DataDirectoryUnwritable(directory, code);
  }
};

/**
 * Starts a single-node Kafka (KRaft, loopback, no authentication) for development and tests from Maven Central jars.
 * @throws KafkaPrerequisiteMissing | DataDirectoryInUse | DataDirectoryUnwritable | PortTaken | ServerDidNotStart
 */
export const startLocalKafka = async (options: LocalKafkaOptions): Promise<LocalKafka> => {
  const log = options.log ?? ((): void => undefined);
  const jars = await ensureKafkaJars(options.cacheDirectory ?? defaultKafkaCache, log);
  let unlock = claimDirectory(options.directory);
  try {
    await endOrphanedBroker(options.directory, log);
    const node: KafkaNode = { directory: options.directory, jars, ports: await choosePorts(options) };
    configure(node, options.properties ?? {});
    await format(node);
    let child = await startBroker(node);
    return {
      brokers: `127.0.0.1:${node.ports.broker}`,
      get pid() {
        return child.pid ?? 0;
      },
      stop: () => endBroker(child, [['SIGTERM', 10_000], ['SIGKILL', 3_000]]).finally(() => unlock()),
      kill: () => void child.kill('SIGKILL'),
      restart: async () => {
        await endBroker(child, child.killed ? [['SIGKILL', 3_000]] : [['SIGTERM', 10_000], ['SIGKILL', 3_000]]);
        unlock();
        unlock = claimDirectory(options.directory);
        child = await startBroker(node);
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
};
