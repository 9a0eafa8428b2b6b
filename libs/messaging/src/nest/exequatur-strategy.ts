import { definitionOf } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import { BaseRpcContext, Server } from '@nestjs/microservices';
import type { CustomTransportStrategy, MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { DeadLetters } from '../inbox/dead-letters.js';
import type { QuarantineRecorder } from '../inbox/dead-letters.js';
import type { SqlTransaction } from '../inbox/inbox-store.js';
import type { Inbox } from '../inbox/inbox.js';
import { StreamPositions } from '../inbox/stream-positions.js';
import type { MessagingLogger } from '../logger.js';
import type { Subscription, Transport } from '../port.js';
import { DeadLetterOffice } from './dead-letter-office.js';
import type { Delivery } from './delivery.js';
import { DeterministicFailure } from './deterministic-failure.js';
import { MAX_EVENT_BYTES, topicsOfType } from './event-reader.js';
import type { VerifyOrigin } from './event-reader.js';
import { EventTaker } from './event-taker.js';
import type { RedriveReport } from './event-taker.js';
import { runHandlerIn } from './on-event.js';

export interface ExequaturStrategyOptions<Tx extends SqlTransaction = SqlTransaction> {
  readonly service: ServiceName;
  readonly transport: Transport;
  readonly inbox: Inbox<Tx>;
  /** event-store's assertValidEvent: throws when an event is not what its type promises. */
  readonly validate: (event: unknown) => void;
  /** audit-chain's originVerifier(trustedKeys). */
  readonly verifyOrigin: VerifyOrigin;
  /** Appends EventQuarantined in the transaction that keeps the dead letter. */
  readonly onQuarantined: QuarantineRecorder<Tx>;
  readonly logger: MessagingLogger;
  readonly maxEventBytes?: number;
}

interface Handler {
  readonly callback: MessageHandler;
  /** Set when the method takes runs: the same object for all types of one method. */
  readonly run: object | undefined;
}

/**
 * Brings events from our topics to Nest's `@EventPattern(X.type)` handlers, as one consumer group named like the service.
 * Connect it without inheriting the application's configuration: a global filter that answers HTTP errors would swallow a
 * handler's failure, and its event would count as taken.
 */
export class ExequaturStrategy<Tx extends SqlTransaction = SqlTransaction> extends Server implements CustomTransportStrategy {
  /** Nest need not log what a handler throws: it is tried again or quarantined here, and logged with its reason. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly handlers = new Map<string, Handler[]>();
  private readonly taker: EventTaker<Tx>;
  private subscription: Subscription | undefined;

  constructor(private readonly options: ExequaturStrategyOptions<Tx>) {
    super();
    const { service, transport, inbox, onQuarantined, verifyOrigin, validate, logger } = options;
    const letters = new DeadLetters<Tx>(inbox.store, onQuarantined);
    this.taker = new EventTaker<Tx>({
      positions: new StreamPositions(inbox.store, inbox.statements),
      letters,
      office: new DeadLetterOffice(service, transport.publisher, letters, logger),
      verifyOrigin,
      validate,
      handles: (type) => this.handlers.has(type),
      handle: (delivery) => this.handle(delivery),
      runHandlerOf: (type) => this.runHandlerOf(type),
      handleRun: (deliveries) => this.handleRun(deliveries),
      logger,
      maxEventBytes: options.maxEventBytes ?? MAX_EVENT_BYTES,
    });
  }

  /** Nest calls it for each handler method. Several of one type run one after the other, in the order they were found. */
  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false, extras: Readonly<Record<string, unknown>> = {}): void {
    if (!isEventHandler) throw new Error('commands never cross a topic: use @EventPattern, not @MessagePattern');
    if (typeof pattern !== 'string' || definitionOf(pattern) === undefined) throw new Error(`no event type of contracts: ${String(pattern)}`);
    this.handlers.set(pattern, [...(this.handlers.get(pattern) ?? []), { callback, run: runHandlerIn(extras) }]);
  }

  /** Nest's contract: `callback()` when listening, `callback(error)` when that is impossible. */
  override listen(callback: (error?: unknown) => void): void {
    this.subscribe().then(() => callback(), callback);
  }

  /** Lets the batches in flight end. */
  override async close(): Promise<void> {
    await this.subscription?.stop();
    this.subscription = undefined;
  }

  /** Undefined while not subscribed (no handler, not yet listening, closed). */
  health(): ReturnType<Subscription['health']> | undefined {
    return this.subscription?.health();
  }

  /** For operators: tries again what was quarantined or parked in this stream (`<tenant>/<aggregate>/<id>`). */
  redrive(streamKey: string): Promise<RedriveReport> {
    return this.taker.redrive(streamKey);
  }

  override on(): never {
    throw new Error('this strategy emits no events; see health()');
  }

  override unwrap<T>(): T {
    return this.options.transport as T;
  }

  private async subscribe(): Promise<void> {
    const topics = [...new Set([...this.handlers.keys()].flatMap(topicsOfType))].sort();
    if (topics.length === 0) return;
    const { service, transport } = this.options;
    this.subscription = await transport.subscribe({ group: service, topics, onBatch: (messages) => this.taker.takeBatch(messages) });
  }

  private async handle(delivery: Delivery): Promise<void> {
    const { type } = delivery.event;
    for (const { callback, run } of this.handlers.get(type) ?? []) await call(type, callback, run === undefined ? delivery : [delivery]);
  }

  /** Events that several methods react to go one by one, so that each of their effects is tried again by itself. */
  private runHandlerOf(type: string): object | undefined {
    const [only, ...others] = this.handlers.get(type) ?? [];
    return others.length === 0 ? only?.run : undefined;
  }

  private async handleRun(deliveries: readonly Delivery[]): Promise<void> {
    const type = deliveries[0]?.event.type ?? '';
    const [only] = this.handlers.get(type) ?? [];
    if (only !== undefined) await call(type, only.callback, deliveries);
  }
}

const call = async (type: string, callback: MessageHandler, payload: Delivery | readonly Delivery[]): Promise<void> => {
  try {
    // Nest turns what a handler throws into an observable that fails: it must be awaited, or the failure is never seen.
    const result: unknown = await callback(payload, new BaseRpcContext([payload]));
    if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
  } catch (error) {
    if (error instanceof DeterministicFailure) throw error;
    throw new Error(`a handler of ${type} failed`, { cause: error });
  }
};
