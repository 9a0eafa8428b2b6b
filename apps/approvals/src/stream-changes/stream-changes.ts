import { Injectable } from '@nestjs/common';
import { Database, type PersonPrincipal } from '@exequatur/service-kit';
import { APPROVAL_LIMITS } from '../limits.js';
import { Viewers, type Viewer } from '../queue-view/visibility.js';
import { ChangesHub, type Position } from './changes-hub.js';

/** One change of a request as the stream tells it: enough to look it up, nothing sealed. */
export interface Change {
  readonly id: string;
  readonly event: string;
  readonly data: { readonly approval_id: string; readonly status: string; readonly version: number; readonly at: string };
}

interface Row extends Position, Record<string, unknown> {
  readonly approval_id: string;
  readonly type: string;
  readonly status: string;
  readonly version: number;
  readonly recorded_at: Date;
}

const AFTER = `SELECT e.xid::text, e.position::text, e.subject AS approval_id, e.type, r.status, e.version, e.recorded_at
FROM event e JOIN approval_request r ON r.tenant = e.tenant AND r.approval_id = e.subject::uuid
WHERE (e.xid, e.position) > ($2::xid8, $3::bigint) AND e.xid < pg_snapshot_xmin(pg_current_snapshot()) AND e.tenant = $1 AND e.aggregate = 'approval' AND ($4 OR r.all_roles && $5::text[])
ORDER BY e.xid, e.position LIMIT ${APPROVAL_LIMITS.streamBatch}`;

const ID = /^(\d{1,20})-(\d{1,19})$/;

/** The position a Last-Event-ID names; undefined when it is none of ours. */
export const positionOf = (id: string | undefined): Position | undefined => {
  const [, xid, position] = ID.exec(id ?? '') ?? [];
  return xid === undefined || position === undefined || BigInt(xid) > 0xffff_ffff_ffff_ffffn || BigInt(position) > 0x7fff_ffff_ffff_ffffn ? undefined : { xid, position };
};

/** What changed in the requests that a person may see, in the order of commits, from any point. */
@Injectable()
export class StreamChanges {
  constructor(
    private readonly database: Database,
    private readonly viewers: Viewers,
    private readonly hub: ChangesHub,
  ) {}

  viewer(person: PersonPrincipal): Promise<Viewer> {
    return this.viewers.viewer(person);
  }

  /** Without a position: from now on. */
  async start(from: Position | undefined): Promise<Position> {
    return from ?? this.hub.end();
  }

  /** At most one batch; `position` is where to go on from, which moves only with what was seen. */
  async after(viewer: Viewer, from: Position): Promise<{ readonly changes: readonly Change[]; readonly position: Position; readonly full: boolean }> {
    const { rows } = await this.database.query<Row>(AFTER, [viewer.tenant, from.xid, from.position, viewer.seesAll, [...viewer.roles, `@${viewer.id}`]]);
    const last = rows.at(-1);
    return {
      changes: rows.map(({ xid, position, approval_id, type, status, version, recorded_at }) => ({ id: `${xid}-${position}`, event: type.split('.')[3] ?? type, data: { approval_id, status, version, at: recorded_at.toISOString() } })),
      position: last === undefined ? from : { xid: last.xid, position: last.position },
      full: rows.length === APPROVAL_LIMITS.streamBatch,
    };
  }

  listen(wake: () => void): () => void {
    return this.hub.listen(wake);
  }
}
