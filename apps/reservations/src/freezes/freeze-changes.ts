import { Injectable } from '@nestjs/common';
import { FreezeApplied, FreezeLifted, FreezeQuiesced } from '@exequatur/contracts';
import type { FreezeScope } from '@exequatur/reservations-domain';
import { Database } from '@exequatur/service-kit';

/** Where an event stands in this service's own order of commits; decimal text. */
export interface Position {
  readonly xid: string;
  readonly position: string;
}

/** One change of a freeze, as a stream of them tells it. */
export interface FreezeChange {
  readonly at: Position;
  readonly data: { readonly freeze_id: string; readonly status: 'fenced' | 'quiesced' | 'lifted'; readonly scope: FreezeScope; readonly value: string; readonly version: number };
}

interface Row extends Position, Record<string, unknown> {
  readonly freeze_id: string;
  readonly type: string;
  readonly version: number;
  readonly scope: FreezeScope;
  readonly value: string;
}

const STATUS: Readonly<Record<string, FreezeChange['data']['status']>> = { [FreezeApplied.type]: 'fenced', [FreezeQuiesced.type]: 'quiesced', [FreezeLifted.type]: 'lifted' };
export const MAX_CHANGES = 200;

/** Everything before the horizon is committed: an event of a transaction under way must not be skipped by one that began later. */
const END = 'SELECT xid::text, position::text FROM event WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY event.xid DESC, event.position DESC LIMIT 1';
const AFTER = `
SELECT e.xid::text, e.position::text, e.subject AS freeze_id, e.type, e.version, z.scope, z.value FROM event e
JOIN scope_freeze z ON z.tenant = e.tenant AND z.freeze_id = e.subject::uuid
WHERE (e.xid, e.position) > ($2::xid8, $3::bigint) AND e.xid < pg_snapshot_xmin(pg_current_snapshot()) AND e.tenant = $1 AND e.aggregate = 'freeze'
ORDER BY e.xid, e.position LIMIT ${MAX_CHANGES}`;

const ID = /^(\d{1,20})-(\d{1,19})$/;

/** The position that a Last-Event-ID names; undefined when it is none of ours. */
export const positionOf = (id: string): Position | undefined => {
  const [, xid, position] = ID.exec(id) ?? [];
  return xid === undefined || position === undefined || BigInt(xid) > 0xffff_ffff_ffff_ffffn || BigInt(position) > 0x7fff_ffff_ffff_ffffn ? undefined : { xid, position };
};

/** What became of a tenant's freezes, in the order of commits, from any point. */
@Injectable()
export class FreezeChanges {
  constructor(private readonly database: Database) {}

  /** Where the log ends now. */
  async end(): Promise<Position> {
    return (await this.database.query<Position & Record<string, string>>(END)).rows[0] ?? { xid: '0', position: '0' };
  }

  /** At most MAX_CHANGES. */
  async after(tenant: string, from: Position): Promise<readonly FreezeChange[]> {
    const { rows } = await this.database.query<Row>(AFTER, [tenant, from.xid, from.position]);
    return rows.flatMap(({ xid, position, freeze_id, type, version, scope, value }) => {
      const status = STATUS[type];
      return status === undefined ? [] : [{ at: { xid, position }, data: { freeze_id, status, scope, value, version } }];
    });
  }
}
