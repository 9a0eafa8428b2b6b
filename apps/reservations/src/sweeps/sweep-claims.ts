import { Injectable } from '@nestjs/common';
import { Database } from '@exequatur/service-kit';
import type { SettleAsked } from '../authority/authority-command.js';
import { RuntimeAuthority } from '../authority/runtime-authority.js';

/** Claims ended by one sweep; what is left is taken by the next. */
const MAX_SWEPT = 100;

/** Silence, judged by the database's clock. A claim that moved in between is decided on what it is under its lock. Its own grace may be longer. */
const DUE = `
SELECT reservation_id, tenant FROM reservation
WHERE status IN ('Held', 'Started') AND expires_at <= clock_timestamp() - CASE WHEN execution_mode = 'self' THEN make_interval(secs => $1) ELSE interval '0' END
  AND (grant_id IS NOT NULL OR expires_at <= clock_timestamp() - make_interval(secs => coalesce((claim::jsonb ->> 'grace_ms')::double precision, 0) / 1000))
ORDER BY expires_at LIMIT $2`;

/** Ends claims nobody spoke for: Expired where their class says so, else Unknown (architecture.md "The path of one governed action"). */
@Injectable()
export class SweepClaims {
  constructor(
    private readonly database: Database,
    private readonly authority: RuntimeAuthority,
  ) {}

  /** @returns how many were due; MAX_SWEPT means there may be more */
  async sweep(): Promise<number> {
    const { rows } = await this.database.query<{ reservation_id: string; tenant: string }>(DUE, [this.authority.limits.graceMs / 1_000, MAX_SWEPT]);
    if (rows.length === 0) return 0;
    await this.authority.run(
      rows.map(({ reservation_id, tenant }): SettleAsked => ({ kind: 'settle', tenant, reservationId: reservation_id, actor: { type: 'system', id: 'sweep' }, command: { type: 'SweepReservation', data: {} } })),
    );
    return rows.length;
  }
}
