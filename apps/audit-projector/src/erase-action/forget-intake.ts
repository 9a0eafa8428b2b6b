import { Inject, Injectable } from '@nestjs/common';
import { deadLetterTopic, INTAKE_TOPIC } from '@exequatur/contracts';
import { INTAKE_GROUP } from '@exequatur/messaging';
import type { Transport } from '@exequatur/messaging';
import { LOGGER, problem, TRANSPORT } from '@exequatur/service-kit';

interface Log {
  warn(fields: object, message: string): void;
}

/**
 * What agents sent in clear, where it cannot be taken out message by message (Kafka): proposals that policy has decided, whose
 * content stands sealed in ActionProposed, and dead letters of policy.
 */
@Injectable()
export class ForgetIntake {
  constructor(
    @Inject(TRANSPORT) private readonly transport: Transport,
    @Inject(LOGGER) private readonly log: Log,
  ) {}

  /** Now and then, whoever is erased: what is decided is needed no more. */
  decided(): Promise<void> {
    return this.transport.forgetTaken(INTAKE_TOPIC.name, INTAKE_GROUP);
  }

  /** For an erasure, which is not done before. @throws Problem DEPENDENCY_DOWN while the brokers are away */
  async all(): Promise<void> {
    try {
      await this.decided();
      await this.transport.forgetTaken(deadLetterTopic('policy').name);
    } catch (error) {
      this.log.warn({ err: error }, 'what agents sent in clear could not be forgotten');
      problem('DEPENDENCY_DOWN', 'the messages in clear could not be deleted; ask again');
    }
  }
}
