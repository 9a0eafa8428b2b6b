import { Inject, Injectable } from '@nestjs/common';
import { ExportMade } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { CLOCK, Database, problem, Signer } from '@exequatur/service-kit';
import { logStream } from '../append-leaves/append-leaves.js';
import { AUDIT_LIMITS } from '../limits.js';
import { AskWitnesses } from '../ask-witnesses/ask-witnesses.js';
import { PublishTreeHeads } from '../publish-tree-heads/publish-tree-heads.js';
import { exportDocument } from './export-document.js';
import { leafDocument } from './leaf-document.js';
import type { LeafDocument, LeafRow } from './leaf-document.js';
import { CSV_HEADER, csvLine } from './csv-lines.js';
import { ocsfEvent } from './ocsf-event.js';
import { shownEvents } from './shown-event.js';
import type { EventFilter, ProvenLeafRow } from './shown-event.js';

/** What an export is of: fixed when it is begun, so that asking again gives the same bytes. */
export interface BegunExport {
  readonly exportId: string;
  readonly logSize: number;
  readonly createdAt: string;
  /** snapshot (PostgreSQL) in which cosignatures are looked up */
  readonly cosignedIn: string;
}

/** The same before it is settled which cosignatures it carries. */
type RecordedExport = Omit<BegunExport, 'cosignedIn'> & { readonly cosignedIn?: string };

export type ExportFormat = 'jsonl' | 'csv' | 'ocsf' | 'archive';

/** Fixed by its Idempotency-Key: asked for again with other words it is refused. */
export interface ExportWhat {
  readonly format: ExportFormat;
  readonly filter: EventFilter;
  /** of an archive: with what was sealed */
  readonly content?: boolean;
}

export interface ExportRequest {
  readonly tenant: string;
  readonly actor: Actor;
  /** As principalName writes it. */
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly what: ExportWhat;
}

const NOTES = `
  SELECT head.size::text, head.note || coalesce((
    SELECT string_agg(c.line, '' ORDER BY c.witness) FROM cosignature c
    WHERE c.tenant = head.tenant AND c.size = head.size AND pg_visible_in_snapshot(c.made_by, $5::pg_snapshot)), '') AS note
  FROM tree_head head WHERE head.tenant = $1 AND head.size > $2 AND head.size <= $3 ORDER BY head.size LIMIT $4`;

@Injectable()
export class ExportLog {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly heads: PublishTreeHeads,
    private readonly signer: Signer,
    private readonly witnesses: AskWitnesses,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Records ExportMade and the size of the log under a tree head made now, and asks the witnesses to cosign that head; the same
   * key again finds the first one. Witnesses that do not answer in time are left out of this export.
   */
  async begin(request: ExportRequest): Promise<BegunExport> {
    const begun = await this.record(request);
    if (begun.cosignedIn !== undefined) return { ...begun, cosignedIn: begun.cosignedIn };
    await this.witnesses.askFor(request.tenant);
    const { rows } = await this.database.query<{ cosigned_in: string }>('UPDATE export SET cosigned_in = coalesce(cosigned_in, pg_current_snapshot()) WHERE tenant = $1 AND export_id = $2 RETURNING cosigned_in::text', [request.tenant, begun.exportId]);
    const cosignedIn = rows[0]?.cosigned_in;
    if (cosignedIn === undefined) throw new Error('an export that was begun is gone');
    return { ...begun, cosignedIn };
  }

  private record(request: ExportRequest): Promise<RecordedExport> {
    const { tenant, principal, idempotencyKey, actor, what } = request;
    const exportId = newId(this.clock.now());
    const stream: StreamId = { tenant, aggregate: ExportMade.aggregate, id: exportId };
    return this.store.transact({ streams: [logStream(tenant), stream] }, async (tx) => {
      const known = await this.known(tx, request);
      if (known !== undefined) return known;
      await this.heads.publishIn(tx, tenant);
      const { rows } = await tx.query<{ head_size: string }>('SELECT head_size::text FROM log WHERE tenant = $1', [tenant]);
      const begun: RecordedExport = { exportId, logSize: Number(rows[0]?.head_size ?? 0), createdAt: toInstant(this.clock.now()) };
      await tx.query('INSERT INTO export (tenant, principal, idempotency_key, export_id, log_size, created_at, request) VALUES ($1, $2, $3, $4, $5, $6, $7)', [tenant, principal, idempotencyKey, exportId, begun.logSize, begun.createdAt, JSON.stringify(what)]);
      await this.store.append(tx, [{ stream, expectedVersion: 0, events: [{ definition: ExportMade, data: { export_id: exportId, format: what.format, log_size: begun.logSize }, actor }] }]);
      return begun;
    });
  }

  private async known(tx: PgTransaction, { tenant, principal, idempotencyKey, what }: ExportRequest): Promise<RecordedExport | undefined> {
    const { rows } = await tx.query<{ export_id: string; log_size: string; created_at: string; cosigned_in: string | null; request: string }>('SELECT export_id, log_size::text, created_at, cosigned_in::text, request FROM export WHERE tenant = $1 AND principal = $2 AND idempotency_key = $3', [tenant, principal, idempotencyKey]);
    const row = rows[0];
    if (row !== undefined && row.request !== JSON.stringify(what)) problem('IDEMPOTENCY_KEY_REUSED');
    return row === undefined ? undefined : { exportId: row.export_id, logSize: Number(row.log_size), createdAt: row.created_at, ...(row.cosigned_in === null ? {} : { cosignedIn: row.cosigned_in }) };
  }

  /** The export as chunks of text, in bounded memory. */
  async *lines(tenant: string, { logSize, createdAt, cosignedIn }: BegunExport): AsyncGenerator<string, void> {
    const newestNote = await this.noteAt(tenant, logSize, cosignedIn);
    const { trustedKeys, signingKey: key } = this.signer;
    yield* exportDocument({ tenant, createdAt, trustedKeys, key, newestNote, leaves: this.leaves(tenant, logSize), notes: this.notes(tenant, logSize, cosignedIn) });
  }

  /** By keys, a chunk a statement: no cursor keeps a transaction open while a slow reader reads. */
  private async *leaves(tenant: string, size: number): AsyncGenerator<readonly LeafDocument[], void> {
    for (let from = 0; from < size; from += AUDIT_LIMITS.chunkLeaves) {
      const text = 'SELECT sequence::text, bytes, path, signature, key_id, ordinal::text, topic, pruned, leaf_hash FROM leaf WHERE tenant = $1 AND sequence >= $2 AND sequence < $3 ORDER BY leaf.sequence';
      const { rows } = await this.database.query<LeafRow>(text, [tenant, from, Math.min(size, from + AUDIT_LIMITS.chunkLeaves)]);
      yield rows.map(leafDocument);
    }
  }

  /** A review of the log as CSV or OCSF events, one a line: open data of proven events, behind a sequence when it goes on where it broke off. */
  async *review(tenant: string, { logSize }: Pick<BegunExport, 'logSize'>, { format, filter }: ExportWhat, after: number | undefined): AsyncGenerator<string, void> {
    if (format === 'csv' && after === undefined) yield CSV_HEADER;
    const line = format === 'csv' ? csvLine : (event: Parameters<typeof ocsfEvent>[0]): string => `${JSON.stringify(ocsfEvent(event))}\n`;
    for (let from = after === undefined ? 0 : after + 1; from < logSize; from += AUDIT_LIMITS.chunkLeaves) {
      const text = `SELECT sequence::text, bytes FROM leaf WHERE tenant = $1 AND sequence >= $2 AND sequence < $3 AND origin = 'ok' AND NOT pruned ORDER BY leaf.sequence`;
      const { rows } = await this.database.query<ProvenLeafRow>(text, [tenant, from, Math.min(logSize, from + AUDIT_LIMITS.chunkLeaves)]);
      yield (await shownEvents(this.database, tenant, rows, filter)).map(line).join('');
    }
  }

  /** The note over exactly so many leaves, with the cosignatures that this export carries. */
  async noteAt(tenant: string, size: number, cosignedIn: string): Promise<string | undefined> {
    if (size === 0) return undefined;
    for await (const notes of this.notes(tenant, size, cosignedIn, size - 1)) return notes[0];
    return undefined;
  }

  private async *notes(tenant: string, size: number, cosignedIn: string, from = 0): AsyncGenerator<readonly string[], void> {
    for (let after = from; ; ) {
      const { rows } = await this.database.query<{ size: string; note: string }>(NOTES, [tenant, after, size, AUDIT_LIMITS.chunkLeaves, cosignedIn]);
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map(({ note }) => note);
      after = Number(last.size);
    }
  }
}
