import type { ActorType, EventDefinition, EventEnvelope, SealedContent, StreamId } from '@exequatur/contracts';

export interface Actor {
  readonly type: ActorType;
  readonly id: string;
  /** For whom it acts, issuer#sub each, nearest first; recorded as `actorchain`. */
  readonly chain?: readonly string[];
}

/** A fact about to be recorded. `id` is chosen by the caller when it seals content, since the id is what the seal is bound to. */
export interface NewEvent<D = unknown> {
  readonly definition: EventDefinition<string, D>;
  readonly data: D;
  readonly actor: Actor;
  readonly id?: string;
  readonly sealed?: SealedContent;
  /** action id */
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  /** RFC 3339 UTC; the store's clock when absent. Reservations passes its database time. */
  readonly time?: string;
}

export interface StreamWrite {
  readonly stream: StreamId;
  /** Version the stream must have now; 0 for a new one. There is no "any". */
  readonly expectedVersion: number;
  readonly events: readonly NewEvent[];
}

/** An event as it is stored and published: its bytes, and the proof of its origin. */
export interface RecordedEvent<D = unknown> {
  readonly envelope: EventEnvelope<D>;
  readonly bytes: Buffer;
  readonly path: string;
  readonly signature: string;
  readonly keyId: string;
  readonly version: number;
}

/**
 * Locks of one transaction, taken before any row lock or write, in the order of architecture.md "Lock order":
 * tenant fences, then streams, each set sorted by its numeric lock key.
 */
export interface Locks {
  readonly fences?: readonly { readonly tenant: string; readonly mode: 'shared' | 'exclusive' }[];
  readonly streams: readonly StreamId[];
  /** Streams that begin here under ids drawn for them just now: nobody else can append to them yet, so they need no lock. */
  readonly fresh?: readonly StreamId[];
}

/** `Tx` is the adapter's transaction: a pg client, or nothing for the in-memory store. */
export interface EventStore<Tx> {
  /** One transaction: begin, take locks, run, commit. A throw rolls everything back. */
  transact<T>(locks: Locks, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** All events of a stream, oldest first. */
  load(tx: Tx, stream: StreamId): Promise<readonly RecordedEvent[]>;
  /**
   * Serialises, validates against contracts, signs one Merkle root per tenant for the whole call, and inserts. Call it once a
   * transaction. Throws VersionConflict (nothing written) when a stream is not at its expected version.
   */
  append(tx: Tx, writes: readonly StreamWrite[]): Promise<readonly RecordedEvent[]>;
}

export class VersionConflict extends Error {
  constructor(
    readonly streamKey: string,
    readonly expected: number,
    readonly actual: number,
  ) {
    super(`stream ${streamKey} is at version ${actual}, expected ${expected}`);
  }
}

/** An append to a stream that its transaction did not lock first: a mistake in the caller, since such events could be relayed out of order. */
export class StreamNotLocked extends Error {
  constructor(readonly streamKey: string) {
    super(`stream ${streamKey} was not among the locks of its transaction`);
    this.name = 'StreamNotLocked';
  }
}
