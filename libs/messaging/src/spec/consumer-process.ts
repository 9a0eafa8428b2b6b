import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KafkaTransportOptions } from '../kafka/kafka-client.js';
import type { PostgresTransportOptions } from '../postgres/postgres-transport.js';
import { compilePackages } from './compiled-packages.js';

/** What a process of its own needs to make the transport. */
export type TransportRecipe = { readonly kind: 'postgres'; readonly options: PostgresTransportOptions } | { readonly kind: 'kafka'; readonly options: KafkaTransportOptions };

export interface Pace {
  readonly perMessageMs: number;
  /** The offset of a partition at which the handler never ends. */
  readonly holdAt: number;
}

/** One line a message, written before the batch is acknowledged: `<partition> <offset> <key> <value>`. */
const script = `
import { appendFileSync } from 'node:fs';
import { kafkaTransport, postgresTransport } from '@exequatur/messaging';
const { recipe, group, topics, journal, perMessageMs, holdAt } = JSON.parse(process.argv[2]);
const transport = recipe.kind === 'kafka' ? kafkaTransport(recipe.options) : postgresTransport(recipe.options);
await transport.subscribe({ group, topics, onBatch: async (messages) => {
  for (const { partition, offset, key, value } of messages) {
    appendFileSync(journal, partition + ' ' + offset + ' ' + key + ' ' + value + '\\n');
    await new Promise((resolve) => Number(offset) < holdAt && setTimeout(resolve, perMessageMs));
  }
} });
`;

export interface JournalLine {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

/** A consumer that can be killed. */
export class ConsumerProcess {
  private readonly directory = compilePackages();
  private readonly journal = join(this.directory, 'journal');
  private readonly child: ChildProcess;
  private output = '';

  constructor(recipe: TransportRecipe, group: string, topics: readonly string[], pace: Pace) {
    const file = join(this.directory, 'consumer.mjs');
    writeFileSync(file, script);
    const settings = JSON.stringify({ recipe, group, topics, journal: this.journal, ...pace });
    this.child = spawn(process.execPath, [file, settings], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (chunk: Buffer) => (this.output = (this.output + chunk.toString()).slice(-4_000)));
  }

  /** @throws with the process's last output when it has ended by itself */
  lines(): readonly JournalLine[] {
    if (this.child.exitCode !== null) throw new Error(`the consumer process ended: ${this.output}`);
    if (!existsSync(this.journal)) return [];
    const complete = readFileSync(this.journal, 'utf8').split('\n').slice(0, -1);
    return complete.map((line) => {
      const [partition = '', offset = '', key = '', value = ''] = line.split(' ');
      return { partition: Number(partition), offset: Number(offset), key, value };
    });
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<readonly JournalLine[]> {
    const gone = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
      await gone;
    }
    return this.lines();
  }

  dispose(): void {
    this.child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}
