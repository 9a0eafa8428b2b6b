import { EventQuarantined, streamKey, type DataOf, type ServiceName, type StreamId } from '@exequatur/contracts';
import type { PgEventStore, PgTransaction } from '@exequatur/event-store';
import type { Quarantine, QuarantineRecorder } from '@exequatur/messaging';

/**
 * Tenant of what cannot be attributed to any: nothing in a message without a valid signature can be believed. No real tenant
 * can act under it, since a scope path's tenant has no colon.
 */
export const NO_TENANT = 'exequatur:platform';

const streamOf = ({ tenant, id }: Quarantine): StreamId => ({ tenant: tenant ?? NO_TENANT, aggregate: EventQuarantined.aggregate, id });

/** EventQuarantined, on a stream of its own a message, in the transaction that keeps the dead letter. */
export const quarantineRecorder = (store: PgEventStore, service: ServiceName): QuarantineRecorder<PgTransaction> => ({
  locks: (quarantine) => ({ streams: [streamOf(quarantine)] }),
  record: async (tx, quarantine) => {
    const stream = streamOf(quarantine);
    const version = (await store.versions(tx, [stream])).get(streamKey(stream)) ?? 0;
    // The same message refused again, after its dead letter was swept: the fact is recorded already.
    if (version > 0) return;
    const { topic, partition, offset, reason, messageHash, eventId } = quarantine;
    const data: DataOf<typeof EventQuarantined> = { service, topic, offset, partition, reason, message_hash: messageHash, ...(eventId === undefined ? {} : { event_id: eventId }) };
    await store.append(tx, [{ stream, expectedVersion: 0, events: [{ definition: EventQuarantined, data, actor: { type: 'service', id: service } }] }]);
  },
});

