import type { IncomingMessage, SubscribeOptions } from '../port.js';

/** Takes messages and keeps them; a spec may make it slow or make it fail. */
export class RecordingConsumer {
  /** Messages of batches that were taken, in the order of their batches. */
  readonly taken: IncomingMessage[] = [];
  /** Messages of all deliveries, refused ones too. */
  readonly delivered: IncomingMessage[] = [];
  act: (messages: readonly IncomingMessage[]) => Promise<void> = () => Promise.resolve();

  readonly onBatch: SubscribeOptions['onBatch'] = async (messages) => {
    this.delivered.push(...messages);
    await this.act(messages);
    this.taken.push(...messages);
  };

  /** Values of one key in the order in which they were first taken. */
  valuesOf(key: string): string[] {
    return [...new Set(this.taken.filter((message) => message.key === key).map(({ value }) => value.toString()))];
  }

  /** Different messages taken, by topic and value: a publication that was tried again stands in the topic twice. */
  distinct(): number {
    return distinctMessages(this.taken);
  }
}

export const distinctMessages = (messages: readonly IncomingMessage[]): number => new Set(messages.map(({ topic, value }) => `${topic}/${value.toString()}`)).size;
