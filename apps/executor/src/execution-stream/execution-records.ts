import { Inject, Injectable } from '@nestjs/common';
import { ExecutionFailed, ExecutionReconciled, ExecutionRequested, ExecutionSkipped, ExecutionStarted, ExecutionSucceeded, ExecutionUnknown } from '@exequatur/contracts';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import { assertValidSealed, PgEventStore } from '@exequatur/event-store';
import type { Actor, NewEvent, PgTransaction } from '@exequatur/event-store';
import { decide, evolve, initialState } from '@exequatur/executor-domain';
import type { Execution, ExecutionCommand, ExecutionEvent, ExecutionRefusalCode } from '@exequatur/executor-domain';
import { isRefusal, newId } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { projectExecution } from './project-execution.js';

const DEFINITIONS: Readonly<Record<ExecutionEvent['type'], EventDefinition<string, unknown, unknown>>> = {
  ExecutionRequested,
  ExecutionStarted,
  ExecutionSucceeded,
  ExecutionFailed,
  ExecutionUnknown,
  ExecutionReconciled,
  ExecutionSkipped,
};

export const executionStream = (tenant: string, executionId: string): StreamId => ({ tenant, aggregate: 'execution', id: executionId });

/** A command without its time: the transaction reads the database's clock once it has its locks. */
export type UntimedCommand = ExecutionCommand extends infer C ? (C extends ExecutionCommand ? Omit<C, 'metadata'> : never) : never;

export interface Decided {
  readonly events: readonly ExecutionEvent[];
  /** The database's clock when it was decided, Unix ms. */
  readonly nowMs: number;
}

export const databaseNow = async (tx: PgTransaction): Promise<number> => {
  const { rows } = await tx.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  if (rows[0] === undefined) throw new Error('the database did not say what time it is');
  return rows[0].now.getTime();
};

/** The stream of an execution and its row, always written together. The caller's transaction holds the stream's lock. */
@Injectable()
export class ExecutionRecords {
  constructor(
    readonly store: PgEventStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** Load, decide, append, project. */
  async submit(tx: PgTransaction, tenant: string, executionId: string, command: UntimedCommand, actor: Actor, causationId?: string): Promise<Decided | Refusal<ExecutionRefusalCode>> {
    const stream = executionStream(tenant, executionId);
    const recorded = await this.store.load(tx, stream);
    const state = recorded.reduce<Execution>((before, { envelope }) => evolve(before, eventOf(envelope.type, envelope.data)), initialState());
    const nowMs = await databaseNow(tx);
    const decision = decide({ ...command, metadata: { now: nowMs } } as ExecutionCommand, state);
    if (isRefusal(decision)) return decision;
    if (decision.length === 0) return { events: [], nowMs };
    const events = [];
    for (const event of decision) events.push(await this.envelope(tx, tenant, event, actor, causationId));
    await this.store.append(tx, [{ stream, expectedVersion: recorded.length, events }]);
    for (const event of decision) await projectExecution(tx, tenant, event);
    return { events: decision, nowMs };
  }

  private async envelope(tx: PgTransaction, tenant: string, event: ExecutionEvent, actor: Actor, causationId?: string): Promise<NewEvent> {
    const definition = DEFINITIONS[event.type];
    const { action_id } = event.data;
    const id = newId();
    const sealed = 'sealed' in event && Object.values(event.sealed).some((text) => text !== '') ? await this.seal(tx, tenant, action_id, id, definition, event.sealed) : {};
    return { definition, data: event.data, actor, id, correlationId: action_id, ...(causationId === undefined ? {} : { causationId }), ...sealed };
  }

  /** An action that was erased meanwhile leaves the fact without its text. */
  private async seal(tx: PgTransaction, tenant: string, actionId: string, eventId: string, definition: EventDefinition<string, unknown, unknown>, plaintext: object): Promise<Pick<NewEvent, 'sealed'>> {
    const key = await this.keys.actionKey(tenant, actionId, tx);
    if (key === undefined) return {};
    assertValidSealed(definition, plaintext);
    return { sealed: seal(key, actionId, eventId, plaintext) };
  }
}

const byType = new Map(Object.entries(DEFINITIONS).map(([name, { type }]) => [type, name]));

/** What is sealed plays no part in deciding. */
const eventOf = (type: string, data: unknown): ExecutionEvent => {
  const name = byType.get(type);
  if (name === undefined) throw new Error(`no event of an execution: ${type}`);
  return { type: name, data, sealed: {} } as unknown as ExecutionEvent;
};
