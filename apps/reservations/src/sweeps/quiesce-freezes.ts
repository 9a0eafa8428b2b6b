import { Injectable } from '@nestjs/common';
import type { DataOf, ReservationHeld } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { freezeCovers } from '@exequatur/reservations-domain';
import type { EarlierClaim, Freeze } from '@exequatur/reservations-domain';
import { Database } from '@exequatur/service-kit';
import { freezeStream, FreezeStore } from '../freezes/freeze-store.js';
import { subjectOf } from '../authority/reservation-rows.js';
import { databaseNow } from '../authority/runtime-authority.js';

const MAX_FREEZES = 20;
/** What FreezeQuiesced can list. */
const MAX_CLAIMS = 10_000;

interface ClaimRow {
  reservation_id: string;
  status: EarlierClaim['status'];
  execute_by: Date;
  claim: string;
}

/** A hold on budget only starts nothing, so there is nothing to wait for. */
const EARLIER = `
SELECT reservation_id, status, execute_by, claim FROM reservation
WHERE tenant = $1 AND status IN ('Held', 'Started', 'Unknown') AND fence_epoch < $2 AND grant_id IS NOT NULL ORDER BY reservation_id`;

/** The second answer to a freeze: everything from before the fence has ended, or is listed as unknown. Only this says "stopped". */
@Injectable()
export class QuiesceFreezes {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly freezes: FreezeStore,
  ) {}

  async sweep(): Promise<void> {
    const { rows } = await this.database.query<{ tenant: string; freeze_id: string }>("SELECT tenant, freeze_id FROM scope_freeze WHERE status = 'Applied' ORDER BY freeze_id LIMIT $1", [MAX_FREEZES]);
    for (const { tenant, freeze_id } of rows) await this.quiesce(tenant, freeze_id);
  }

  private async quiesce(tenant: string, freezeId: string): Promise<void> {
    await this.store.transact({ fences: [{ tenant, mode: 'shared' }], streams: [freezeStream(tenant, freezeId)] }, async (tx) => {
      const before = await this.freezes.lock(tx, tenant, freezeId);
      const { freeze } = before;
      if (freeze.status !== 'Applied') return;
      const earlierClaims = await this.earlierClaims(tx, tenant, freeze);
      if (earlierClaims.length > MAX_CLAIMS) return;
      const nowMs = await databaseNow(tx);
      this.freezes.decide(tx, { tenant, freezeId, command: { type: 'QuiesceFreeze', data: { earlierClaims, nowMs } }, actor: { type: 'system', id: 'sweep' }, nowMs }, before);
    });
  }

  /** Claims only leave this set or become unknown, since no claim under the freeze has an older epoch. */
  private async earlierClaims(tx: PgTransaction, tenant: string, freeze: Exclude<Freeze, { status: 'None' }>): Promise<readonly EarlierClaim[]> {
    const { rows } = await tx.query<ClaimRow>(EARLIER, [tenant, freeze.fenceEpoch]);
    return rows
      .filter((row) => freezeCovers(freeze, subjectOf(tenant, JSON.parse(row.claim) as DataOf<typeof ReservationHeld>)))
      .map(({ reservation_id, status, execute_by }) => ({ reservationId: reservation_id, status, executeBy: execute_by.getTime() }));
  }
}
