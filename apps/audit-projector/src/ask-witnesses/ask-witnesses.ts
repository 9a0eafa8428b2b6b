import { Inject, Injectable } from '@nestjs/common';
import { Database, LOGGER, ServiceConfig, ServiceMetrics } from '@exequatur/service-kit';
import type { Logger } from '@exequatur/service-kit';
import type { AuditConfig } from '../audit-config.js';
import { AUDIT_LIMITS, UNREADABLE_LOG } from '../limits.js';
import { consistencyRanges } from '../log-proofs/leaf-ranges.js';
import { readRangeRoots } from '../log-proofs/tree-reader.js';
import { ask, readWitnesses } from './witness.js';
import type { Witness } from './witness.js';

interface Due {
  readonly tenant: string;
  readonly size: number;
  /** of the newest head the witness has cosigned, as far as we know */
  readonly known: number;
}

/**
 * Asks witnesses to cosign the newest tree head of each log, away from the path of appends. A witness that is down, or refuses,
 * costs nothing but its cosignature; what it says is in metrics and in the service's own log.
 */
@Injectable()
export class AskWitnesses {
  readonly witnesses: readonly Witness[];
  /** Leaves under the newest heads that no cosignature covers, by witness; read when metrics are. */
  private readonly behind = new Map<string, number>();

  constructor(
    private readonly database: Database,
    config: ServiceConfig,
    metrics: ServiceMetrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.witnesses = readWitnesses((config as AuditConfig).EXEQUATUR_WITNESSES);
    metrics.gauge('exequatur_audit_unwitnessed_leaves', 'Leaves under tree heads that the slowest witness has not cosigned.', () => Math.max(0, ...this.behind.values()));
  }

  /** Every log that has grown since a witness saw it; witnesses are asked side by side. Never rejects. */
  async askDue(): Promise<void> {
    await Promise.all(this.witnesses.map((witness) => this.askOne(witness)));
  }

  /** One log, for an export that is about to be made; waits at most one timeout for each witness. */
  async askFor(tenant: string): Promise<void> {
    await Promise.all(this.witnesses.map(async (witness) => {
      for (const due of await this.due(witness, tenant)) await this.cosign(witness, due);
    })).catch((error: unknown) => this.log.warn({ err: error }, 'witnesses could not be asked before an export'));
  }

  private async askOne(witness: Witness): Promise<void> {
    try {
      const due = await this.due(witness);
      this.behind.set(witness.key.name, due.reduce((leaves, { size, known }) => leaves + size - known, 0));
      for (const each of due) await this.cosign(witness, each);
    } catch (error) {
      this.log.warn({ err: error, witness: witness.key.name }, 'a witness could not be asked and is asked again');
    }
  }

  private async due({ key }: Witness, tenant?: string): Promise<readonly Due[]> {
    const text = `
      SELECT log.tenant, log.head_size::text AS size, coalesce(p.size, 0)::text AS known FROM log
      LEFT JOIN witness_progress p ON p.tenant = log.tenant AND p.witness = $1
      WHERE log.head_size > coalesce(p.size, 0) AND log.tenant <> $2 AND ($3::text IS NULL OR log.tenant = $3) ORDER BY log.tenant LIMIT 500`;
    const { rows } = await this.database.query<{ tenant: string; size: string; known: string }>(text, [key.name, UNREADABLE_LOG, tenant ?? null]);
    return rows.map((row) => ({ tenant: row.tenant, size: Number(row.size), known: Number(row.known) }));
  }

  /** At most twice: the second time from the size that the witness itself has named. */
  private async cosign(witness: Witness, due: Due, again = true): Promise<void> {
    const { tenant, size, known } = due;
    const { rows } = await this.database.query<{ note: string }>('SELECT note FROM tree_head WHERE tenant = $1 AND size = $2', [tenant, size]);
    const note = rows[0]?.note;
    if (note === undefined) return;
    const path = known === 0 || known === size ? [] : await readRangeRoots(this.database, tenant, consistencyRanges(known, size));
    const reply = await ask(witness, { oldSize: known, path, note });
    if (reply.kind === 'cosigned') return this.keep(witness, due, reply.line);
    if (reply.kind === 'elsewhere' && reply.size <= size && again) return this.cosign(witness, { ...due, known: reply.size }, false);
    const why = reply.kind === 'refused' ? reply.why : `it has cosigned ${reply.size} leaves, and the newest tree head here is over ${size}`;
    this.log.error({ witness: witness.key.name, tenant, size }, `a witness does not cosign: ${why}`);
  }

  private async keep({ key }: Witness, { tenant, size }: Due, line: string): Promise<void> {
    await this.database.query('INSERT INTO cosignature (tenant, size, witness, line) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [tenant, size, key.name, line]);
    await this.database.query('INSERT INTO witness_progress (tenant, witness, size) VALUES ($1, $2, $3) ON CONFLICT (tenant, witness) DO UPDATE SET size = greatest(witness_progress.size, excluded.size)', [tenant, key.name, size]);
  }

  get askEveryMs(): number {
    return AUDIT_LIMITS.witnessAskMs;
  }
}
