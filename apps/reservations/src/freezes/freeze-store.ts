import { Injectable } from '@nestjs/common';
import { FreezeApplied, FreezeLifted, FreezeQuiesced, streamKey } from '@exequatur/contracts';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import { PgEventStore, pipelined } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { decideFreeze, evolveFreeze, initialFreeze } from '@exequatur/reservations-domain';
import type { Freeze, FreezeCommand, FreezeEvent, FreezeScope } from '@exequatur/reservations-domain';
import { orProblem } from '@exequatur/service-kit';

const DEFINITIONS: Readonly<Record<FreezeEvent['type'], EventDefinition>> = { FreezeApplied, FreezeQuiesced, FreezeLifted };

export const freezeStream = (tenant: string, freezeId: string): StreamId => ({ tenant, aggregate: 'freeze', id: freezeId });

interface Row {
  status: 'Applied' | 'Quiesced' | 'Lifted';
  scope: FreezeScope;
  value: string;
  fence_epoch: string;
}

/** A freeze with the version of its stream. */
export interface KnownFreeze {
  readonly freeze: Freeze;
  readonly version: number;
}

export const NO_FREEZE: KnownFreeze = { freeze: initialFreeze(), version: 0 };

interface Decision {
  readonly tenant: string;
  readonly freezeId: string;
  readonly command: FreezeCommand;
  readonly actor: Actor;
  /** unix ms of the database */
  readonly nowMs: number;
}

const APPLY = "INSERT INTO scope_freeze (tenant, freeze_id, scope, value, reason, status, fence_epoch, applied_at) VALUES ($1, $2, $3, $4, $5, 'Applied', $6, $7)";
const moving = (set: string): string => `WITH moved AS (UPDATE scope_freeze SET ${set} WHERE tenant = $1 AND freeze_id = $2 RETURNING 1) SELECT must(count(*) = 1, 'a freeze went away under its lock') FROM moved`;
const QUIESCE = moving("status = 'Quiesced', unknown_reservations = $3");
const LIFT = moving("status = 'Lifted'");

/**
 * A freeze's row and stream, together, in the caller's transaction: what is read in one flight of statements, what is written
 * in another, since nobody in the tenant can reserve between them.
 */
@Injectable()
export class FreezeStore {
  constructor(private readonly store: PgEventStore) {}

  async lock(tx: PgTransaction, tenant: string, freezeId: string): Promise<KnownFreeze> {
    const stream = freezeStream(tenant, freezeId);
    const [{ rows }, versions] = await pipelined(
      tx.query<Row>('SELECT status, scope, value, fence_epoch FROM scope_freeze WHERE tenant = $1 AND freeze_id = $2 FOR UPDATE', [tenant, freezeId]),
      this.store.versions(tx, [stream]),
    );
    const [row] = rows;
    if (row === undefined) return NO_FREEZE;
    return { freeze: { status: row.status, freezeId, scope: row.scope, value: row.value, fenceEpoch: Number(row.fence_epoch) }, version: versions.get(streamKey(stream)) ?? 0 };
  }

  /** Decides, and sends row and event with the commit. The stream (`freezeStream`) must be locked or new; the fence too, when the epoch moves. @throws Problem */
  decide(tx: PgTransaction, { tenant, freezeId, command, actor, nowMs }: Decision, { freeze, version }: KnownFreeze): Freeze {
    const events = orProblem(decideFreeze(command, freeze)) as readonly FreezeEvent[];
    if (events.length === 0) return freeze;
    const time = toInstant(nowMs);
    for (const event of events) tx.send(rowOf(tenant, event, time));
    this.store.send(tx, [{ stream: freezeStream(tenant, freezeId), expectedVersion: version, events: events.map(({ type, data }) => ({ definition: DEFINITIONS[type], data, actor, time })) }]);
    return events.reduce(evolveFreeze, freeze);
  }
}

const rowOf = (tenant: string, { type, data }: FreezeEvent, time: string): { readonly text: string; readonly values: unknown[] } => {
  switch (type) {
    case 'FreezeApplied':
      return { text: APPLY, values: [tenant, data.freeze_id, data.scope, data.value, data.reason, data.fence_epoch, time] };
    case 'FreezeQuiesced':
      return { text: QUIESCE, values: [tenant, data.freeze_id, data.unknown_reservations] };
    case 'FreezeLifted':
      return { text: LIFT, values: [tenant, data.freeze_id] };
  }
};
