import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { deadLetterTopic, INTAKE_TOPIC } from '@exequatur/contracts';
import { derivedId } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { DEAD_LETTER_HEADER } from '@exequatur/messaging';
import type { IncomingMessage, Subscription, Transport } from '@exequatur/messaging';
import { asProblem, CLOCK, Directory, Health, LOGGER, TRANSPORT } from '@exequatur/service-kit';
import type { Problem } from '@exequatur/service-kit';
import { checkProposal } from '../propose-action/check-proposal.js';
import { ProposeAction } from '../propose-action/propose-action.command.js';
import { verifyIntakeMessage } from './intake-message.js';

interface Log {
  warn(fields: object, message: string): void;
}

const GROUP = 'policy.intake';
const MAX_REASON = 300;

/** The second door: signed proposals from the intake topic, decided as those over HTTP. What cannot be one is a dead letter. */
@Injectable()
export class IntakeConsumer implements OnApplicationBootstrap, OnApplicationShutdown {
  private subscription: Subscription | undefined;

  constructor(
    private readonly commands: CommandBus,
    private readonly directory: Directory,
    health: Health,
    @Inject(TRANSPORT) private readonly transport: Transport,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Log,
  ) {
    health.add({ name: 'intake', check: () => Promise.resolve(this.subscription?.health().failing === true ? 'a message meets a failing dependency' : undefined) });
  }

  async onApplicationBootstrap(): Promise<void> {
    this.subscription = await this.transport.subscribe({ group: GROUP, topics: [INTAKE_TOPIC.name], onBatch: (messages) => this.takeBatch(messages) });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.subscription?.stop();
  }

  /** Together, so that they share transactions; one agent's messages need no order among each other. */
  private async takeBatch(messages: readonly IncomingMessage[]): Promise<void> {
    await Promise.all(messages.map((message) => this.take(message)));
  }

  /** Rejects only when a dependency fails: then the transport delivers again, for ever. */
  private async take(message: IncomingMessage): Promise<void> {
    try {
      const { agent, jti, proposal } = await verifyIntakeMessage(message.value, this.directory, this.clock.now());
      await this.commands.execute(new ProposeAction(agent, checkProposal(agent, proposal), jti, 'intake'));
    } catch (error) {
      const problem = asProblem(error);
      if (problem.document().retryable || problem.status >= 500) throw error;
      await this.refuse(message, problem);
    }
  }

  private async refuse(message: IncomingMessage, problem: Problem): Promise<void> {
    const reason = `${problem.code}: ${problem.detail ?? problem.document().title}${problem.errors === undefined ? '' : ` (${problem.errors.map(({ pointer }) => pointer).join(', ')})`}`;
    const shown = reason.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MAX_REASON);
    const { topic, partition, offset } = message;
    const names = DEAD_LETTER_HEADER;
    const letter = { [names.id]: derivedId('dead-letter', topic, String(partition), offset), [names.reason]: shown, [names.service]: 'policy', [names.topic]: topic, [names.partition]: String(partition), [names.offset]: offset };
    this.log.warn({ topic, partition, offset, reason: shown, message_hash: createHash('sha256').update(message.value).digest('hex') }, 'intake message refused');
    await this.transport.publisher.publish(deadLetterTopic('policy').name, [{ key: message.key, value: message.value, headers: { ...message.headers, ...letter } }]);
  }
}
