import { Injectable } from '@nestjs/common';
import { FreezeApplied, FreezeLifted, FreezeQuiesced, streamKey } from '@exequatur/contracts';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { decideFreeze, evolveFreeze } from '@exequatur/reservations-domain';
import type { Freeze, FreezeCommand, FreezeEvent, FreezeScope } from '@exequatur/reservations-domain';
import { orProblem } from '@exequatur/service-kit';
import { databaseNow } from '../authority/runtime-authority.js';

const DEFINITIONS: Readonly<Record<FreezeEvent['type'], EventDefinition>> = { FreezeApplied, FreezeQuiesced, FreezeLifted };

export const freezeStream = (tenant: string, freezeId: string): StreamId => ({ tenant, aggregate: 'freeze', id: freezeId });

interface Row {
  status: 'Applied' | 'Quiesced' | 'Lifted';
  scope: FreezeScope;
  value: string;
  fence_epoch: string;
}

/** A freeze's row and stream, together, in the caller's transaction. */
@Injectable()
export class FreezeStore {
  constructor(private readonly store: PgEventStore) {}

  async lock(tx: PgTransaction, tenant: string, freezeId: string): Promise<Freeze> {
    const { rows } = await tx.query<Row>('SELECT status, scope, value, fence_epoch FROM scope_freeze WHERE tenant = $1 AND freeze_id = $2 FOR UPDATE', [tenant, freezeId]);
    const [row] = rows;
    return row === undefined ? { status: 'None' } : { status: row.status, freezeId, scope: row.scope, value: row.value, fenceEpoch: Number(row.fence_epoch) };
  }

  /** Decides, appends and writes the row. The stream (`freezeStream`) must be locked; the fence too, when the epoch moves. @throws Problem */
  async decide(tx: PgTransaction, tenant: string, freezeId: string, command: FreezeCommand, before: Freeze, actor: Actor): Promise<Freeze> {
    const events = orProblem(decideFreeze(command, before)) as readonly FreezeEvent[];
    if (events.length === 0) return before;
    const stream = freezeStream(tenant, freezeId);
    const versions = await this.store.versions(tx, [stream]);
    const time = toInstant(await databaseNow(tx));
    for (const event of events) await this.write(tx, tenant, event, time);
    await this.store.append(tx, [{ stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events: events.map(({ type, data }) => ({ definition: DEFINITIONS[type], data, actor, time })) }]);
    return events.reduce(evolveFreeze, before);
  }

  private async write(tx: PgTransaction, tenant: string, { type, data }: FreezeEvent, time: string): Promise<void> {
    switch (type) {
      case 'FreezeApplied':
        await tx.query("INSERT INTO scope_freeze (tenant, freeze_id, scope, value, reason, status, fence_epoch, applied_at) VALUES ($1, $2, $3, $4, $5, 'Applied', $6, $7)", [tenant, data.freeze_id, data.scope, data.value, data.reason, data.fence_epoch, time]);
        return;
      case 'FreezeQuiesced':
        await tx.query("UPDATE scope_freeze SET status = 'Quiesced', unknown_reservations = $3 WHERE tenant = $1 AND freeze_id = $2", [tenant, data.freeze_id, data.unknown_reservations]);
        return;
      case 'FreezeLifted':
        await tx.query("UPDATE scope_freeze SET status = 'Lifted' WHERE tenant = $1 AND freeze_id = $2", [tenant, data.freeze_id]);
        return;
    }
  }
}
