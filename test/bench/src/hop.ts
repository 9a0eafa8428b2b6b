import { randomUUID } from 'node:crypto';
import { deadLetterTopic } from '@exequatur/contracts';
import type { Transport } from '@exequatur/messaging';
import { openLoop } from './load.js';
import type { Measured, Window } from './load.js';

/** From publish to handler, through one transport, at a fixed rate. */
export const hop = async (transport: Transport, group: string, perSecond: number, window: Window): Promise<Measured> => {
  // A topic nobody else reads, so that the running services are left in peace.
  const topic = deadLetterTopic('reservations');
  await transport.ensureTopics([topic]);
  const waiting = new Map<string, () => void>();
  const subscription = await transport.subscribe({
    group,
    topics: [topic.name],
    onBatch: async (messages) => {
      for (const message of messages) waiting.get(message.headers['hop'] ?? '')?.();
    },
  });
  const value = Buffer.alloc(600, 7);
  try {
    return await openLoop(perSecond, window, async () => {
      const id = randomUUID();
      const arrived = new Promise<void>((resolve) => waiting.set(id, resolve));
      await transport.publisher.publish(topic.name, [{ key: `bench/hop/${id.slice(0, 2)}`, value, headers: { hop: id } }]);
      await arrived;
      waiting.delete(id);
    });
  } finally {
    await subscription.stop();
  }
};
