import { Injectable } from '@nestjs/common';
import { CircuitClosed, CircuitHalfOpened, CircuitOpened, streamKey } from '@exequatur/contracts';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { decideCircuit, evolveCircuit } from '@exequatur/reservations-domain';
import type { Circuit, CircuitCommand, CircuitEvent, CircuitScope, OutcomeCounts } from '@exequatur/reservations-domain';
import { orProblem } from '@exequatur/service-kit';
import { databaseNow } from '../authority/runtime-authority.js';

const DEFINITIONS: Readonly<Record<CircuitEvent['type'], EventDefinition>> = { CircuitOpened, CircuitHalfOpened, CircuitClosed };

export const circuitStream = (tenant: string, circuitId: string): StreamId => ({ tenant, aggregate: 'circuit', id: circuitId });

/** A circuit's row, locked. */
export interface LockedCircuit extends CircuitScope {
  readonly circuitId: string;
  readonly state: Circuit;
  readonly counts: OutcomeCounts;
  readonly succeeded: number;
  readonly failed: 'refused' | 'unknown' | undefined;
  readonly due: boolean;
}

interface Row {
  agent: string;
  action_kind: string | null;
  status: Circuit['status'];
  counts: OutcomeCounts;
  probes: number;
  succeeded: number;
  failed: 'refused' | 'unknown' | null;
  due: boolean;
}

const MOVE: Readonly<Record<CircuitEvent['type'], string>> = {
  CircuitOpened: "status = 'Open', probes = 0, probes_left = 0, succeeded = 0",
  CircuitHalfOpened: "status = 'HalfOpen', probes = $4, probes_left = $4, succeeded = 0",
  // Counting begins anew.
  CircuitClosed: "status = 'Closed', counts = '[]', probes = 0, probes_left = 0, succeeded = 0",
};

/** A circuit's row and stream, together, in the caller's transaction: under the tenant's exclusive fence, the stream locked. */
@Injectable()
export class CircuitStore {
  constructor(private readonly store: PgEventStore) {}

  async lock(tx: PgTransaction, tenant: string, circuitId: string): Promise<LockedCircuit | undefined> {
    const { rows } = await tx.query<Row>('SELECT agent, action_kind, status, counts, probes, succeeded, failed, due FROM circuit WHERE tenant = $1 AND circuit_id = $2 FOR UPDATE', [tenant, circuitId]);
    const [row] = rows;
    if (row === undefined) return undefined;
    const scope = { agent: row.agent, ...(row.action_kind === null ? {} : { actionKind: row.action_kind }) };
    return { circuitId, ...scope, state: stateOf(circuitId, scope, row), counts: row.counts, succeeded: row.succeeded, failed: row.failed ?? undefined, due: row.due };
  }

  /** Decides, appends and writes the row; what was due is done. @throws Problem */
  async decide(tx: PgTransaction, tenant: string, { circuitId, state }: LockedCircuit, command: CircuitCommand, actor: Actor): Promise<Circuit> {
    const events = orProblem(decideCircuit(command, state)) as readonly CircuitEvent[];
    await tx.query('UPDATE circuit SET due = false, failed = NULL WHERE tenant = $1 AND circuit_id = $2', [tenant, circuitId]);
    if (events.length === 0) return state;
    const stream = circuitStream(tenant, circuitId);
    const versions = await this.store.versions(tx, [stream]);
    const time = toInstant(await databaseNow(tx));
    for (const { type, data } of events) {
      const values = [tenant, circuitId, data.fence_epoch, ...(type === 'CircuitHalfOpened' ? [data.probes] : [])];
      await tx.query(`UPDATE circuit SET ${MOVE[type]}, fence_epoch = $3, moved_at = clock_timestamp() WHERE tenant = $1 AND circuit_id = $2`, values);
    }
    await this.store.append(tx, [{ stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events: events.map(({ type, data }) => ({ definition: DEFINITIONS[type], data, actor, time })) }]);
    return events.reduce(evolveCircuit, state);
  }
}

const stateOf = (circuitId: string, scope: CircuitScope, { status, probes }: Row): Circuit => {
  switch (status) {
    case 'Closed':
      return { status };
    case 'Open':
      return { status, circuitId, ...scope };
    case 'HalfOpen':
      return { status, circuitId, ...scope, probes };
  }
};
