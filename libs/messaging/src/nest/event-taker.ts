import type { EventEnvelope } from '@exequatur/contracts';
import { letterId } from '../inbox/dead-letters.js';
import type { ClaimedPlace, DeadLetters } from '../inbox/dead-letters.js';
import type { SqlTransaction } from '../inbox/inbox-store.js';
import type { StreamPosition, StreamPositions } from '../inbox/stream-positions.js';
import { reasonOf } from '../logger.js';
import type { MessagingLogger } from '../logger.js';
import type { IncomingMessage } from '../port.js';
import type { DeadLetterOffice } from './dead-letter-office.js';
import type { Delivery } from './delivery.js';
import { DeterministicFailure } from './deterministic-failure.js';
import { isSoundKey, readEvent } from './event-reader.js';
import type { Fault, ReadResult, VerifyOrigin } from './event-reader.js';
import { JoinedBatches } from './joined-batches.js';
import { deliveryOf, effectlessSpans, goesInRuns, planRun } from './plan-run.js';
import type { ReadMessage, Run, RunRules } from './plan-run.js';

export interface EventTakerOptions<Tx extends SqlTransaction> {
  readonly positions: StreamPositions;
  readonly letters: DeadLetters<Tx>;
  readonly office: DeadLetterOffice<Tx>;
  readonly verifyOrigin: VerifyOrigin;
  /** Throws when the event is not what its type promises. */
  readonly validate: (event: unknown) => void;
  readonly handles: (type: string) => boolean;
  /** Runs this service's handlers one after the other; rejects with what they threw. */
  readonly handle: (delivery: Delivery) => Promise<void>;
  readonly runHandlerOf: RunRules['runHandlerOf'];
  /** All of these, which one method takes, at once: every effect or none. */
  readonly handleRun: (deliveries: readonly Delivery[]) => Promise<void>;
  readonly logger: MessagingLogger;
  readonly maxEventBytes: number;
}

type Taken = { readonly taken: true } | { readonly taken: false; readonly fault: Fault };
const TAKEN: Taken = { taken: true };

export interface RedriveReport {
  /** Events taken now. */
  readonly taken: number;
  /** Per topic on which the stream still waits: the version it waits for, and why the last try for it was refused. */
  readonly waiting: readonly { readonly topic: string; readonly version: number; readonly reason?: string }[];
}

/** What is known of the streams of one batch while it is worked through. */
interface Batch {
  readonly topic: string;
  readonly positions: Map<string, StreamPosition>;
  /** Ids of its messages that are dead letters already. */
  readonly refused: Set<string>;
  /** Versions to record when the batch ends. */
  readonly advanced: Map<string, number>;
  /** Streams whose parked events were looked at. */
  readonly resumed: Set<string>;
}

/**
 * Takes the events of each stream exactly in the order of their versions, whatever order and however often they come:
 * earlier versions are duplicates, later ones wait (parked) for those between. An event that is refused never counts as
 * taken, so all that follow it in its stream park, and other streams go on.
 */
export class EventTaker<Tx extends SqlTransaction> {
  private readonly joined = new JoinedBatches((topic, all) => this.takeRead(topic, all));

  constructor(private readonly options: EventTakerOptions<Tx>) {}

  /** Rejects as soon as one event meets a failing dependency; those before it stay taken. */
  async takeBatch(messages: readonly IncomingMessage[]): Promise<void> {
    const topic = messages[0]?.topic;
    if (topic === undefined) return;
    const all = messages.map((message): ReadMessage => ({ id: letterId(message), message, read: this.read(message) }));
    // What goes one by one is faster with its partitions side by side.
    await (goesInRuns(all, this.options) ? this.joined.take(topic, all) : this.takeRead(topic, all));
  }

  private async takeRead(topic: string, all: readonly ReadMessage[]): Promise<void> {
    const { positions, handles } = this.options;
    const ids = all.map(({ id }) => id);
    const effectless = effectlessSpans(all, handles);
    if (effectless !== undefined && (await positions.pass(topic, effectless, ids))) return;
    const loaded = await positions.load(topic, all.map(({ message }) => message.key).filter(isSoundKey), ids);
    const batch: Batch = { topic, ...loaded, advanced: new Map(), resumed: new Set() };
    try {
      await this.takeAll(all, batch);
    } catch (error) {
      // What was taken is recorded by its inbox rows; the position only spares the next delivery that work.
      await positions.advance(topic, batch.advanced).catch(() => undefined);
      throw error;
    }
    await positions.advance(topic, batch.advanced);
  }

  /** Tries again what was refused or waits in a stream, on every topic that knows it. For operators; safe beside live deliveries. */
  async redrive(key: string): Promise<RedriveReport> {
    const waiting: { topic: string; version: number; reason?: string }[] = [];
    let taken = 0;
    for (const topic of await this.options.letters.topicsOf(key)) {
      const result = await this.redriveOn(topic, key);
      taken += result.taken;
      if (result.waiting !== undefined) waiting.push(result.waiting);
    }
    return { taken, waiting };
  }

  private async takeAll(all: readonly ReadMessage[], batch: Batch): Promise<void> {
    const { handles, runHandlerOf } = this.options;
    const rules: RunRules = { handles, runHandlerOf, isValid: (event) => this.faultOf(event) === undefined };
    for (let start = 0; start < all.length; ) {
      const run = planRun(all, start, batch, rules);
      const taken = run.deliveries.length > 1 && (await this.takeRun(run, batch));
      if (!taken) for (const each of all.slice(start, run.end)) await this.takeInOrder(each, batch);
      start = run.end;
    }
  }

  /**
   * False when the run failed, for whatever reason: then nothing of it was done, and one by one those before the failing event
   * are taken and only that one is refused or waited for.
   */
  private async takeRun({ deliveries, reached }: Run, batch: Batch): Promise<boolean> {
    try {
      await this.options.handleRun(deliveries);
    } catch (error) {
      this.options.logger.warn('a run failed; its events are taken one by one', { topic: batch.topic, events: deliveries.length, reason: reasonOf(error) });
      return false;
    }
    for (const [key, version] of reached) {
      batch.positions.set(key, { version, hasParked: false });
      batch.advanced.set(key, version);
    }
    return true;
  }

  private async takeInOrder({ id, message, read }: ReadMessage, batch: Batch): Promise<void> {
    const refused = batch.refused.has(id);
    if (!read.ok) {
      if (!refused) await this.refuse(message, batch, read.fault, read.claimed);
      return;
    }
    const position = await this.positionFor(message, read.version, batch);
    if (position === 'parked' || read.version <= position.version || refused) return;
    const result = await this.take(message, read.event);
    if (!result.taken) return this.refuse(message, batch, result.fault, { key: message.key, version: read.version }, read.event);
    const version = position.hasParked ? await this.takeParked({ topic: batch.topic, key: message.key }, read.version) : read.version;
    batch.positions.set(message.key, { ...position, version });
    batch.advanced.set(message.key, version);
  }

  private async refuse(message: IncomingMessage, batch: Batch, fault: Fault, claimed: ClaimedPlace | undefined, provenEvent?: EventEnvelope): Promise<void> {
    await this.options.office.refuse(message, fault, claimed, provenEvent);
    batch.refused.add(letterId(message));
  }

  /** The stream's position once this version is its turn or a duplicate; 'parked' when it must wait. */
  private async positionFor(message: IncomingMessage, version: number, batch: Batch): Promise<StreamPosition | 'parked'> {
    const { topic, positions, resumed } = batch;
    const place = { topic, key: message.key };
    let position = positions.get(message.key) ?? { version: 0, hasParked: false };
    if (position.hasParked && !resumed.has(message.key)) {
      // An earlier delivery may have ended between the event that closed a gap and those parked behind it.
      resumed.add(message.key);
      position = { ...position, version: await this.takeParked(place, position.version) };
    }
    if (version > position.version + 1) {
      const outcome = await this.options.positions.park(place, version, message);
      if (outcome === 'parked') {
        positions.set(message.key, { ...position, hasParked: true });
        return outcome;
      }
      position = { ...position, version: Math.max(outcome, position.version) };
    }
    positions.set(message.key, position);
    return position;
  }

  /** Goes on with what was parked behind `version`, which has been taken; gives the last version taken. */
  private async takeParked(place: { topic: string; key: string }, version: number): Promise<number> {
    let reached = await this.options.positions.advanceTo(place, version);
    while (reached.next !== undefined && !(await this.options.letters.has(letterId(reached.next)))) {
      const result = await this.takeAgain(reached.next);
      if (!result.taken) {
        await this.options.office.refuse(reached.next, result.fault, { key: place.key, version: reached.version + 1 }, eventOf(this.read(reached.next)));
        break;
      }
      reached = await this.options.positions.advanceTo(place, reached.version + 1);
    }
    return reached.version;
  }

  private async redriveOn(topic: string, key: string): Promise<{ taken: number; waiting?: { topic: string; version: number; reason?: string } }> {
    const { letters, positions } = this.options;
    const place = { topic, key };
    let taken = 0;
    let reached = await positions.advanceTo(place, 0);
    for (;;) {
      const version = reached.version + 1;
      const open = await letters.open(topic, key, version);
      const candidates = [...open, ...(reached.next === undefined ? [] : [{ id: undefined, message: reached.next }])];
      let fault: Fault | undefined;
      let done = false;
      for (const { id, message } of candidates) {
        const result = await this.takeAgain(message);
        done = result.taken;
        if (!result.taken) fault = result.fault;
        else if (id !== undefined) await letters.markRedriven(id);
        if (done) break;
      }
      if (!done) {
        if (!(await letters.waits(topic, key, version))) return { taken };
        return { taken, waiting: { topic, version, ...(fault === undefined ? {} : { reason: `${fault.code}: ${fault.detail}` }) } };
      }
      taken += 1;
      reached = await positions.advanceTo(place, version);
    }
  }

  private async takeAgain(message: IncomingMessage): Promise<Taken> {
    const read = this.read(message);
    return read.ok ? this.take(message, read.event) : { taken: false, fault: read.fault };
  }

  private read(message: IncomingMessage): ReadResult {
    return readEvent(message, this.options.verifyOrigin, this.options.maxEventBytes);
  }

  /** What is wrong with an event that says who it is from, if anything. */
  private faultOf(event: unknown): Fault | undefined {
    try {
      this.options.validate(event);
      return undefined;
    } catch (error) {
      return { code: 'INVALID_EVENT', detail: reasonOf(error) };
    }
  }

  private async take(message: IncomingMessage, event: EventEnvelope): Promise<Taken> {
    if (!this.options.handles(event.type)) return TAKEN;
    const fault = this.faultOf(event);
    if (fault !== undefined) return { taken: false, fault };
    try {
      await this.options.handle(deliveryOf(message, event));
      return TAKEN;
    } catch (error) {
      if (error instanceof DeterministicFailure) return { taken: false, fault: error };
      throw error;
    }
  }
}

const eventOf = (read: ReadResult): EventEnvelope | undefined => (read.ok ? read.event : undefined);
