import { setTimeout as delay } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import { ActionWithdrawn } from '@exequatur/contracts';
import { PgEventStore, startRelay } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import { postgresTransport } from '@exequatur/messaging';
import pg from 'pg';
import { ServiceHost } from './service-host.js';

export interface AppendFigures {
  readonly events: number;
  /** leaves a second while a backlog is drained: transport, origin check, append, timeline, inbox, tree heads */
  readonly appendedPerSecond: number;
  /** from the last leaf to a signed head over it, ms */
  readonly headAfterMs: number;
  /** leaves a second of a rebuilt read model, its comparison with the one before included */
  readonly rebuiltPerSecond: number;
}

const TENANT = 'bench';
const STREAMS_A_BATCH = 100;

/** A backlog of events of policy, signed and published, before anybody reads it. */
const publish = async (host: ServiceHost, events: number): Promise<void> => {
  const url = host.databaseUrl('policy');
  const pool = new pg.Pool({ connectionString: url, max: 3, pipeline: true, options: '-c search_path=policy' });
  pool.on('error', () => undefined);
  const store = new PgEventStore({ pool, service: 'policy', signingKey: importSigningKey(JSON.parse(readFileSync(host.secrets.signingKeyFile.policy, 'utf8')) as PrivateJwk) });
  for (let done = 0; done < events; done += STREAMS_A_BATCH) {
    const ids = Array.from({ length: STREAMS_A_BATCH }, () => newId());
    const streams = ids.map((id) => ({ tenant: TENANT, aggregate: 'action', id }));
    await store.transact({ streams: [], fresh: streams }, (tx) =>
      store.append(tx, streams.map((stream) => ({ stream, expectedVersion: 0, events: [{ definition: ActionWithdrawn, data: { action_id: stream.id, reason: 'no longer needed' }, actor: { type: 'agent', id: 'bench' }, correlationId: stream.id }] }))),
    );
  }
  const transport = postgresTransport({ connectionString: url, service: 'policy' });
  const relay = startRelay({ pool, store, publisher: transport.publisher, pollMs: 20 });
  // Relayed when its cursor stands at the newest of its events.
  for (;;) {
    const { rows } = await pool.query<{ left: string }>('SELECT count(*) AS left FROM event e, relay_cursor c WHERE (e.xid, e.position) > (c.xid, c.position)');
    if (rows[0]?.left === '0') break;
    await delay(200);
  }
  await relay.stop();
  await transport.close();
  await pool.end();
};

/** What the projector reaches on a PostgreSQL of its own: draining a backlog, and rebuilding its read model. */
export const appendFigures = async (events: number): Promise<AppendFigures> => {
  const host = await ServiceHost.start();
  try {
    await host.end((await host.service('policy')).child);
    await publish(host, events);
    const pool = new pg.Pool({ connectionString: host.databaseUrl('audit'), max: 1, options: '-c search_path=audit' });
    pool.on('error', () => undefined);
    const now = async (): Promise<{ size: number; head: number }> => {
      const { rows } = await pool.query<{ size: string; head: string }>('SELECT size::text, coalesce(head_size, 0)::text AS head FROM log WHERE tenant = $1', [TENANT]).catch(() => ({ rows: [] }));
      return { size: Number(rows[0]?.size ?? 0), head: Number(rows[0]?.head ?? 0) };
    };
    const starting = host.service('audit');
    let first: { readonly at: number; readonly size: number } | undefined;
    let seen = await now();
    let last = performance.now();
    while (seen.size < events) {
      await delay(50);
      seen = await now();
      last = performance.now();
      if (first === undefined && seen.size > 0) first = { at: last, size: seen.size };
    }
    while (seen.head < events) {
      await delay(20);
      seen = await now();
    }
    const headAfterMs = performance.now() - last;
    await host.end((await starting).child);
    await pool.end();
    const rebuiltPerSecond = await rebuilt(host);
    return { events, appendedPerSecond: first === undefined || first.at === last ? Number.NaN : ((events - first.size) * 1_000) / (last - first.at), headAfterMs, rebuiltPerSecond };
  } finally {
    await host.stop();
  }
};

/** By the command's own word. */
const rebuilt = async (host: ServiceHost): Promise<number> => {
  const line = (await host.command('audit', 'rebuild.js')).split('\n').find((each) => each.startsWith(`${TENANT}: `)) ?? '';
  const [, leaves, ms] = /: (\d+) leaves, .* in (\d+) ms/.exec(line) ?? [];
  if (leaves === undefined || !line.includes('equal')) throw new Error(`the rebuilt read model is not the one before: ${line}`);
  return (Number(leaves) * 1_000) / Math.max(1, Number(ms));
};
