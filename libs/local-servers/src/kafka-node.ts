import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DataDirectoryUnwritable, ServerDidNotStart } from './local-server-errors.js';
import { commandLine, signalProcess, waitUntil } from './process-table.js';
import { endWithParent } from './server-account.js';

/** Small and quick to start: 175–195 MB, 2.3–2.7 s (design/stack.md). */
const jvmFlags = ['-Xms128m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true', '-Dlog4j2.level=WARN'];

/** Where one single-node Kafka lives. `ports` stay the same across restarts: the quorum stores the controller's. */
export type KafkaNode = { directory: string; jars: string; ports: { broker: number; controller: number } };

const propertiesFile = (directory: string): string => join(resolve(directory), 'server.properties');
const pidFile = (directory: string): string => join(directory, 'kafka.pid');
const classpath = (node: KafkaNode): string => join(node.jars, '*');

/** Ports of an earlier start in this directory. */
export const recordedPorts = (directory: string): KafkaNode['ports'] | undefined => {
  try {
    const text = readFileSync(propertiesFile(directory), 'utf8');
    const [broker, controller] = ['PLAINTEXT', 'CONTROLLER'].map((name) => Number(new RegExp(`^listeners=.*${name}://127\\.0\\.0\\.1:(\\d+)`, 'm').exec(text)?.[1]));
    return broker !== undefined && controller !== undefined && broker > 0 && controller > 0 ? { broker, controller } : undefined;
  } catch {
    return undefined;
  }
};

/** Writes server.properties. @throws DataDirectoryUnwritable */
export const configure = (node: KafkaNode, properties: Readonly<Record<string, string>>): void => {
  const { broker, controller } = node.ports;
  const settings: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': join(resolve(node.directory), 'log'),
    'auto.create.topics.enable': 'false',
    'num.partitions': '1',
    'default.replication.factor': '1',
    'min.insync.replicas': '1',
    'offsets.topic.num.partitions': '1',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    // After kill -9 the old registration must lapse before the broker may come back: 4 s with these, 12–18 s without.
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
    ...properties,
  };
  try {
    mkdirSync(node.directory, { recursive: true });
    writeFileSync(propertiesFile(node.directory), Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join(''));
  } catch (error) {
    throw new DataDirectoryUnwritable(node.directory, (error as NodeJS.ErrnoException).code ?? 'unknown reason');
  }
};

/** Formats the log directory once. A format that was cut short leaves no meta.properties and is done again. */
export const format = async (node: KafkaNode): Promise<void> => {
  if (existsSync(join(node.directory, 'log', 'meta.properties'))) return;
  rmSync(join(node.directory, 'log'), { recursive: true, force: true });
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A');
  const args = ['-XX:TieredStopAtLevel=1', '-cp', classpath(node), 'kafka.tools.StorageTool', 'format', '--standalone', '-t', clusterId, '-c', propertiesFile(node.directory)];
  await new Promise<void>((done, reject) => {
    const child = spawn('java', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
    child.once('error', (error) => reject(new ServerDidNotStart('java', error.message)));
    child.once('close', (code) => (code === 0 ? done() : reject(new ServerDidNotStart('Kafka (format)', output))));
  });
};

/** Ends a broker of this directory that outlived the process that started it; its pid counts only with our file in its command. */
export const endOrphanedBroker = async (directory: string, log: (line: string) => void): Promise<void> => {
  const pid = existsSync(pidFile(directory)) ? Number(readFileSync(pidFile(directory), 'utf8')) : 0;
  const isOurs = (): boolean => commandLine(pid).includes(propertiesFile(directory));
  if (!isOurs()) return;
  log(`ending a Kafka left over from an earlier run (process ${pid})`);
  for (const [signal, waitMs] of [['SIGTERM', 8_000], ['SIGKILL', 3_000]] as const) {
    signalProcess(pid, signal);
    if (await waitUntil(() => !isOurs(), waitMs)) return;
  }
  throw new ServerDidNotStart('Kafka', `process ${pid} still uses ${directory}`);
};

/** Spawns the broker in a session of its own; it ends with the thread that called this (setpriv, Linux). */
export const spawnBroker = (node: KafkaNode): ChildProcess => {
  const logFile = join(node.directory, 'kafka.log');
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.1`);
  const output = openSync(logFile, 'w');
  const [command, args] = endWithParent('TERM', 'java', [...jvmFlags, '-cp', classpath(node), 'kafka.Kafka', propertiesFile(node.directory)]);
  const child = spawn(command, args, { detached: true, stdio: ['ignore', output, output] });
  closeSync(output);
  if (child.pid !== undefined) writeFileSync(pidFile(node.directory), String(child.pid));
  return child;
};

/** The broker's own words, for an error. */
export const brokerLog = (directory: string): string => {
  try {
    return readFileSync(join(directory, 'kafka.log'), 'utf8').slice(-4_000);
  } catch {
    return '';
  }
};
