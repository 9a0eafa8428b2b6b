import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { wireTo } from './http.js';
import { closedLoop } from './load.js';
import type { Measured, Window } from './load.js';
import type { BenchTenant } from './bench-tenant.js';

/** What the machine can do in the same run: the same exchange with an empty handler, in a process of its own like the server. */
export const emptyHandler = async (clients: number, window: Window): Promise<Measured> => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./empty-server.js', import.meta.url))], { stdio: ['ignore', 'pipe', 'inherit'] });
  const origin = await new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())));
  const wire = wireTo(origin, clients);
  const body = { grant_id: '00000000-0000-7000-8000-000000000000', use_no: 1, execution_mode: 'self', scope_path: 'tenant:bench/app:hot', run_id: 'run-1', action_kind: 'bench.step', tool: { name: 'bench.step', version: '1.0' }, arguments_hash: `sha256:${'0'.repeat(64)}` };
  try {
    return await closedLoop(clients, window, async () => {
      await wire.post('/v1/reservations', body, 'exq_agent_x', 'k');
    });
  } finally {
    await wire.close();
    child.kill();
  }
};

const BATCH = 64;

/** The same rows without any logic: one reservation-sized and two event-sized rows a lifecycle, in batches, on the same server and settings. */
export const rawInsert = async (setting: BenchTenant, window: Window): Promise<Measured> => {
  const client = new pg.Client({ connectionString: setting.databaseUrl });
  await client.connect();
  try {
    await client.query('CREATE TABLE IF NOT EXISTS reservations.bench_row (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, bytes bytea NOT NULL)');
    const event = Buffer.alloc(1_400, 7);
    const row = Buffer.alloc(300, 7);
    const kinds = Array.from({ length: BATCH * 3 }, (_, index) => (index % 3 === 0 ? 'row' : 'event'));
    const bytes = kinds.map((kind) => (kind === 'row' ? row : event));
    const batches = await closedLoop(1, window, async () => {
      await client.query('INSERT INTO reservations.bench_row (kind, bytes) SELECT * FROM unnest($1::text[], $2::bytea[])', [kinds, bytes]);
    });
    return { ...batches, perSecond: batches.perSecond * BATCH };
  } finally {
    await client.query('DROP TABLE IF EXISTS reservations.bench_row').catch(() => undefined);
    await client.end();
  }
};
