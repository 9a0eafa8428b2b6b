import { streamKey } from '@exequatur/contracts';
import type { EventEnvelope, ServiceName, StreamId } from '@exequatur/contracts';
import type { Clock } from '@exequatur/kernel';
import { signBatch } from '@exequatur/audit-chain';
import type { OriginProof, SigningKey } from '@exequatur/audit-chain';
import { buildEnvelope, serialise } from './envelope.js';
import type { RecordedEvent, StreamWrite } from './port.js';
import { InvalidEvent, assertValidEvent } from './validation.js';

export interface Author {
  readonly service: ServiceName;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
}

export interface PreparedEvent {
  readonly stream: StreamId;
  readonly recorded: RecordedEvent;
}

type Unsigned = { stream: StreamId; version: number; envelope: EventEnvelope; bytes: Buffer };

const serialiseWrite = ({ service, clock }: Author, { stream, expectedVersion, events }: StreamWrite): Unsigned[] =>
  events.map((event, index) => {
    const { type, owner } = event.definition;
    if (owner !== 'any' && owner !== service) throw new InvalidEvent(type, '/source', `must be written by ${owner}, not ${service}`);
    const version = expectedVersion + index + 1;
    const envelope = buildEnvelope({ service, stream, version, event, nowMs: clock.now() });
    assertValidEvent(envelope);
    return { stream, version, envelope, bytes: serialise(envelope) };
  });

const assertDistinctStreams = (writes: readonly StreamWrite[]): void => {
  const keys = new Set(writes.map(({ stream }) => streamKey(stream)));
  if (keys.size !== writes.length) throw new Error('one append names a stream once');
};

const tenantBatches = (unsigned: readonly Unsigned[]): ReadonlyMap<string, Unsigned[]> => {
  const batches = new Map<string, Unsigned[]>();
  for (const entry of unsigned) {
    const batch = batches.get(entry.stream.tenant);
    if (batch) batch.push(entry);
    else batches.set(entry.stream.tenant, [entry]);
  }
  return batches;
};

const recordedFrom = ({ envelope, bytes, version }: Unsigned, { path, signature, keyId }: OriginProof): RecordedEvent => ({ envelope, bytes, path, signature, keyId, version });

/**
 * Envelopes, bytes and proofs of one append, in the order of its writes: one signed Merkle root per tenant. What the schemas
 * allow (text, whole numbers, lists, closed objects) reads back from its bytes as it was. @throws InvalidEvent
 */
export const prepareAppend = (author: Author, writes: readonly StreamWrite[]): readonly PreparedEvent[] => {
  assertDistinctStreams(writes);
  const unsigned = writes.flatMap((write) => serialiseWrite(author, write));
  const proofs = new Map<Unsigned, OriginProof>();
  for (const [tenant, batch] of tenantBatches(unsigned)) {
    const signed = signBatch(batch.map(({ bytes }) => bytes), { tenant, service: author.service, key: author.signingKey });
    signed.forEach((proof, index) => proofs.set(batch[index] as Unsigned, proof));
  }
  return unsigned.map((entry) => ({ stream: entry.stream, recorded: recordedFrom(entry, proofs.get(entry) as OriginProof) }));
};
