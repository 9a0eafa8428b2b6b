import type { EventEnvelope } from '@exequatur/contracts';
import type { RelayedMessage } from '../relay/plan-batch.js';
import type { EventPublisher } from '../relay/shift.js';

export interface Arrived extends RelayedMessage {
  readonly topic: string;
  readonly envelope: EventEnvelope;
}

/** A broker for specs: keeps what was published, in order, and fails or waits on demand. */
export class RecordingPublisher implements EventPublisher {
  readonly arrived: Arrived[] = [];
  attempts = 0;
  /** Runs before a batch is taken; a throw refuses it. */
  before: (topic: string) => Promise<void> = () => Promise.resolve();
  /** Runs when the broker has the batch, before the relay hears of it. */
  after: (topic: string) => Promise<void> = () => Promise.resolve();

  async publish(topic: string, messages: readonly RelayedMessage[]): Promise<void> {
    this.attempts += 1;
    await this.before(topic);
    for (const message of messages) this.arrived.push({ ...message, topic, envelope: JSON.parse(message.value.toString('utf8')) as EventEnvelope });
    await this.after(topic);
  }

  /** Without StreamHeadsPublished, which come when a second has passed. */
  get facts(): readonly Arrived[] {
    return this.arrived.filter(({ envelope }) => !envelope.type.endsWith('.StreamHeadsPublished.v1'));
  }

  get heads(): readonly Arrived[] {
    return this.arrived.filter(({ envelope }) => envelope.type.endsWith('.StreamHeadsPublished.v1'));
  }

  /** Stream versions in order of first arrival, by key: what a consumer that dedupes by id sees. */
  versionsByKey(): ReadonlyMap<string, readonly number[]> {
    const seen = new Set<string>();
    const versions = new Map<string, number[]>();
    for (const { key, envelope } of this.facts) {
      if (seen.has(envelope.id)) continue;
      seen.add(envelope.id);
      versions.set(key, [...(versions.get(key) ?? []), Number(envelope.sequence)]);
    }
    return versions;
  }
}
