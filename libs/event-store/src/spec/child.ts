/**
 * A process for specs to race, stop and kill: `child.ts write|relay`, told the rest by the parent's first message.
 * It says `ready`, waits for `go` (the start barrier), then works.
 */
import { importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import type { StreamId } from '@exequatur/contracts';
import pg from 'pg';
import { PgEventStore } from '../pg-event-store.js';
import { VersionConflict } from '../port.js';
import { startRelay } from '../relay/relay.js';
import { withdrawn } from './fixtures.js';
import { pauseMs } from './waiting.js';

export interface ChildTask {
  readonly role: 'write' | 'relay';
  readonly url: string;
  readonly key: PrivateJwk;
  readonly streams: readonly StreamId[];
  /** Attempts of a writer. */
  readonly attempts: number;
}

export type ChildReport = { readonly ready: true } | { readonly written: readonly string[]; readonly conflicts: number } | { readonly topic: string; readonly values: readonly string[] };

const report = (message: ChildReport): Promise<void> => new Promise((resolve, reject) => void process.send?.(message, (error: Error | null) => (error ? reject(error) : resolve())));

const nextMessage = <T>(): Promise<T> => new Promise((resolve) => process.once('message', (message) => resolve(message as T)));

/** Appends to one of the streams at a time, always expecting the version it saw last; a conflict teaches it the real one. */
const write = async ({ streams, attempts }: ChildTask, store: PgEventStore): Promise<void> => {
  const versions = streams.map(() => 0);
  const written: string[] = [];
  let conflicts = 0;
  for (let turn = 0; turn < attempts; turn += 1) {
    const index = turn % streams.length;
    const stream = streams[index] as StreamId;
    const expectedVersion = versions[index] ?? 0;
    try {
      const [recorded] = await store.transact({ streams: [stream] }, (tx) => store.append(tx, [{ stream, expectedVersion, events: [withdrawn(`${process.pid} ${turn}`)] }]));
      versions[index] = expectedVersion + 1;
      written.push(recorded?.envelope.id ?? '');
    } catch (error) {
      if (!(error instanceof VersionConflict)) throw error;
      versions[index] = error.actual;
      conflicts += 1;
    }
  }
  await report({ written, conflicts });
};

const task = await nextMessage<ChildTask>();
const pool = new pg.Pool({ connectionString: task.url, max: 3, pipeline: true });
pool.on('error', () => undefined);
const store = new PgEventStore({ pool, service: 'policy', signingKey: importSigningKey(task.key) });
await pool.query('SELECT 1');
const go = nextMessage<'go'>();
await report({ ready: true });
await go;
if (task.role === 'write') {
  await write(task, store);
  await pool.end();
  process.disconnect();
} else {
  const publish = async (topic: string, messages: readonly { value: Buffer }[]): Promise<void> => {
    await report({ topic, values: messages.map(({ value }) => value.toString('base64')) });
    // Slow enough to be killed in the middle of a backlog.
    await pauseMs(20);
  };
  startRelay({ pool, store, publisher: { publish }, pollMs: 20, batchSize: 20, headsMs: 100 });
}
