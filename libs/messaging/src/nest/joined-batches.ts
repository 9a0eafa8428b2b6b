import type { ReadMessage } from './plan-run.js';

type TakeBatch = (topic: string, messages: readonly ReadMessage[]) => Promise<void>;

interface Waiting {
  readonly messages: readonly ReadMessage[];
  readonly taken: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Batches of a topic's partitions that are there at the same time are taken as one, so that their number costs no round trips;
 * what comes while one is taken joins the next. Streams keep their order, since a stream has one partition. Each batch
 * still fares by itself: when the joined one fails, every partition's is taken alone, and only the failing one is refused.
 */
export class JoinedBatches {
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly busy = new Set<string>();

  constructor(private readonly takeBatch: TakeBatch) {}

  take(topic: string, messages: readonly ReadMessage[]): Promise<void> {
    return new Promise((taken, failed) => {
      this.waiting.set(topic, [...(this.waiting.get(topic) ?? []), { messages, taken, failed }]);
      if (!this.busy.has(topic)) void this.takeAllOf(topic);
    });
  }

  private async takeAllOf(topic: string): Promise<void> {
    this.busy.add(topic);
    // A fetch hands over its partitions one right after the other.
    await Promise.resolve();
    for (let batches = this.waiting.get(topic); batches !== undefined; batches = this.waiting.get(topic)) {
      this.waiting.delete(topic);
      await this.takeJoined(topic, batches);
    }
    this.busy.delete(topic);
  }

  private async takeJoined(topic: string, batches: readonly Waiting[]): Promise<void> {
    if (batches.length > 1) {
      const joined = this.takeBatch(topic, batches.flatMap(({ messages }) => messages));
      if (await joined.then(() => true, () => false)) {
        for (const { taken } of batches) taken();
        return;
      }
    }
    await Promise.all(batches.map(({ messages, taken, failed }) => this.takeBatch(topic, messages).then(taken, failed)));
  }
}
