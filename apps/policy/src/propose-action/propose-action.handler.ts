import type { OnApplicationShutdown } from '@nestjs/common';
import { CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import { Batcher, Problem, ServiceMetrics } from '@exequatur/service-kit';
import type { Answer } from '@exequatur/service-kit';
import { ProposeAction } from './propose-action.command.js';
import { ProposeBatch } from './propose-batch.js';

/** Proposals that arrive while a transaction is in flight share the next one. */
@CommandHandler(ProposeAction)
export class ProposeActionHandler implements ICommandHandler<ProposeAction>, OnApplicationShutdown {
  private readonly batcher: Batcher<ProposeAction, Answer | Problem>;

  constructor(batch: ProposeBatch, metrics: ServiceMetrics) {
    this.batcher = new Batcher({
      name: 'propose-action',
      tenantOf: ({ agent }) => agent.tenant,
      run: (commands) => batch.run(commands),
      onBatch: (size) => metrics.batched('propose-action', size),
    });
  }

  /** @throws Problem */
  async execute(command: ProposeAction): Promise<Answer> {
    const result = await this.batcher.submit(command);
    if (result instanceof Problem) throw result;
    return result;
  }

  onApplicationShutdown(): Promise<void> {
    return this.batcher.close();
  }
}
