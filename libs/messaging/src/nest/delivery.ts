import type { EventEnvelope } from '@exequatur/contracts';

/** What a handler gets as @Payload(): the event, and the bytes it was published and signed as. */
export interface Delivery<D = unknown> {
  readonly event: EventEnvelope<D>;
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
}
