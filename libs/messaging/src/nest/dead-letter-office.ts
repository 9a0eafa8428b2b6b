import { deadLetterTopic } from '@exequatur/contracts';
import type { EventEnvelope, ServiceName } from '@exequatur/contracts';
import { sha256Text } from '@exequatur/kernel';
import { letterId } from '../inbox/dead-letters.js';
import type { ClaimedPlace, DeadLetters, Quarantine } from '../inbox/dead-letters.js';
import type { SqlTransaction } from '../inbox/inbox-store.js';
import type { MessagingLogger } from '../logger.js';
import type { IncomingMessage, Publisher } from '../port.js';
import type { Fault } from './event-reader.js';

/** Headers that a dead letter has beside its own. ASCII text. */
export const DEAD_LETTER_HEADER = {
  id: 'exq-dead-id',
  reason: 'exq-dead-reason',
  service: 'exq-dead-service',
  topic: 'exq-dead-topic',
  partition: 'exq-dead-partition',
  offset: 'exq-dead-offset',
} as const;

const REASON_LENGTH = 300;

/** Printable ASCII, since it becomes a header and part of an event. */
const reasonText = ({ code, detail }: Fault): string => `${code}: ${detail}`.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, REASON_LENGTH);

/** Sends what can never be taken to the dead-letter topic with its reason, and records it with EventQuarantined. */
export class DeadLetterOffice<Tx extends SqlTransaction> {
  private readonly topic: string;

  constructor(
    private readonly service: ServiceName,
    private readonly publisher: Publisher,
    private readonly letters: DeadLetters<Tx>,
    private readonly logger: MessagingLogger,
  ) {
    this.topic = deadLetterTopic(service).name;
  }

  /**
   * Publishes first: a crash between the two steps repeats the letter, the other order could lose it. Rejects when either
   * is not possible now, so that the message is delivered again.
   *
   * @param provenEvent the event, when its owner's signature held
   */
  async refuse(message: IncomingMessage, fault: Fault, claimed?: ClaimedPlace, provenEvent?: EventEnvelope): Promise<void> {
    const quarantine: Quarantine = {
      id: letterId(message),
      service: this.service,
      topic: message.topic,
      partition: message.partition,
      offset: message.offset,
      reason: reasonText(fault),
      messageHash: sha256Text(message.value),
      ...(provenEvent === undefined ? {} : { tenant: provenEvent.tenant, eventId: provenEvent.id }),
    };
    this.logger.error('message quarantined', { ...quarantine });
    await this.publisher.publish(this.topic, [{ key: message.key, value: message.value, headers: { ...message.headers, ...this.headersOf(quarantine) } }]);
    await this.letters.keep(quarantine, message, claimed);
  }

  private headersOf({ id, reason, topic, partition, offset }: Quarantine): Record<string, string> {
    const names = DEAD_LETTER_HEADER;
    return { [names.id]: id, [names.reason]: reason, [names.service]: this.service, [names.topic]: topic, [names.partition]: String(partition), [names.offset]: offset };
  }
}
