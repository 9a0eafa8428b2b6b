import { Injectable } from '@nestjs/common';
import { Database, problem } from '@exequatur/service-kit';
import { logOrigin } from '../publish-tree-heads/publish-tree-heads.js';
import { consistencyRanges, inclusionRanges } from './leaf-ranges.js';
import { readRangeRoots } from './tree-reader.js';

export interface PublishedHead {
  readonly log: string;
  readonly size: number;
  /** `sha256:` */
  readonly root: string;
  /** C2SP signed note */
  readonly note: string;
  readonly published_at: string;
}

export interface InclusionDocument {
  readonly index: number;
  readonly size: number;
  readonly leaf_hash: string;
  /** from the leaf upwards */
  readonly path: readonly string[];
}

/** `sha256:<hex>`, as every hash on a wire. */
export const hashText = (hash: Uint8Array): string => `sha256:${Buffer.from(hash).toString('hex')}`;

type HeadRow = { size: string; root: Buffer; note: string; published_at: Date };

/** With the lines of its witnesses in the note. */
const HEAD = `
  SELECT head.size::text, head.root, head.published_at,
    head.note || coalesce((SELECT string_agg(c.line, '' ORDER BY c.witness) FROM cosignature c WHERE c.tenant = head.tenant AND c.size = head.size), '') AS note
  FROM tree_head head WHERE head.tenant = $1`;

const headOf = (tenant: string, row: HeadRow): PublishedHead => ({ log: logOrigin(tenant), size: Number(row.size), root: hashText(row.root), note: row.note, published_at: row.published_at.toISOString() });

/** Reads one tenant's log. The tenant is always the caller's; nothing here finds a leaf without it. */
@Injectable()
export class LogReader {
  constructor(private readonly database: Database) {}

  /** For receipts: the newest head that a witness has cosigned, if it covers so many leaves, else the newest there is. */
  async headCovering(tenant: string, size: number): Promise<PublishedHead | undefined> {
    const { rows } = await this.database.query<{ size: string | null }>('SELECT max(size)::text AS size FROM cosignature WHERE tenant = $1', [tenant]);
    const cosigned = Number(rows[0]?.size ?? 0);
    return cosigned > 0 && cosigned >= size ? this.headAt(tenant, cosigned) : this.newestHead(tenant);
  }

  async newestHead(tenant: string): Promise<PublishedHead | undefined> {
    const { rows } = await this.database.query<HeadRow>(`${HEAD} ORDER BY head.size DESC LIMIT 1`, [tenant]);
    return rows[0] === undefined ? undefined : headOf(tenant, rows[0]);
  }

  async headAt(tenant: string, size: number): Promise<PublishedHead | undefined> {
    const { rows } = await this.database.query<HeadRow>(`${HEAD} AND head.size = $2`, [tenant, size]);
    return rows[0] === undefined ? undefined : headOf(tenant, rows[0]);
  }

  /** Sequence of an event; of several leaves with its id (forks, forged copies) the first whose origin holds. */
  async sequenceOf(tenant: string, eventId: string): Promise<number | undefined> {
    const { rows } = await this.database.query<{ sequence: string }>(`SELECT sequence::text FROM leaf WHERE tenant = $1 AND event_id = $2 ORDER BY origin <> 'ok', leaf.sequence LIMIT 1`, [tenant, eventId]);
    return rows[0] === undefined ? undefined : Number(rows[0].sequence);
  }

  /** Proofs against one size; leaves at or past it are left out. */
  async inclusions(tenant: string, sequences: readonly number[], size: number): Promise<ReadonlyMap<number, InclusionDocument>> {
    const covered = [...new Set(sequences)].filter((sequence) => sequence < size);
    const paths = covered.map((sequence) => inclusionRanges(sequence, size));
    const own = covered.map((sequence) => ({ from: sequence, to: sequence + 1 }));
    const roots = (await readRangeRoots(this.database, tenant, [...own, ...paths.flat()])).map(hashText);
    let at = covered.length;
    return new Map(
      covered.map((sequence, place) => {
        const path = roots.slice(at, (at += paths[place]?.length ?? 0));
        return [sequence, { index: sequence, size, leaf_hash: roots[place] ?? '', path }];
      }),
    );
  }

  /** @throws Problem INVALID on sizes that are none of this log's */
  async consistency(tenant: string, from: number, to: number): Promise<{ readonly from: number; readonly to: number; readonly path: readonly string[] }> {
    const newest = (await this.newestHead(tenant))?.size ?? 0;
    if (from < 1 || from > to || to > newest) return problem('INVALID', undefined, [{ pointer: '/from', expected: `1 <= from <= to <= ${newest}, the size of the newest tree head` }]);
    return { from, to, path: (await readRangeRoots(this.database, tenant, consistencyRanges(from, to))).map(hashText) };
  }
}
