import { importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import type { ServiceName, StreamId } from '@exequatur/contracts';
import { streamKey } from '@exequatur/contracts';
import { eventStoreDdl, PgEventStore, startRelay } from '@exequatur/event-store';
import type { NewEvent } from '@exequatur/event-store';
import { postgresTransport } from '@exequatur/messaging';
import pg from 'pg';

/**
 * Another service, as far as approvals knows it: somebody who appends signed events in its own schema and relays them.
 * Not a fake of its decisions; specs say what it published.
 */
export class Neighbour {
  private constructor(
    readonly store: PgEventStore,
    private readonly pool: pg.Pool,
    private readonly parts: readonly (() => Promise<void>)[],
  ) {}

  static async start(service: ServiceName, url: string, key: PrivateJwk): Promise<Neighbour> {
    const pool = new pg.Pool({ connectionString: url, max: 3, pipeline: true, options: `-c search_path=${service}` });
    pool.on('error', () => undefined);
    await pool.query(eventStoreDdl());
    const store = new PgEventStore({ pool, service, signingKey: importSigningKey(key) });
    const transport = postgresTransport({ connectionString: url, service });
    const relay = startRelay({ pool, store, publisher: transport.publisher, pollMs: 20 });
    return new Neighbour(store, pool, [() => relay.stop(), () => transport.close(), () => pool.end()]);
  }

  /** Appends to the end of a stream; the relay brings it to approvals. */
  async publish(stream: StreamId, ...events: readonly NewEvent[]): Promise<readonly string[]> {
    return this.store.transact({ streams: [stream] }, async (tx) => {
      const versions = await this.store.versions(tx, [stream]);
      const recorded = await this.store.append(tx, [{ stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events }]);
      return recorded.map(({ envelope }) => envelope.id);
    });
  }

  async stop(): Promise<void> {
    for (const part of this.parts) await part();
  }
}
