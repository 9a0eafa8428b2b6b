import { EVENT_TOPICS } from '@exequatur/contracts';
import { DirectoryAccounts1772200000000 } from '@exequatur/service-kit';
import type { ServiceDefinition } from '@exequatur/service-kit';
import { Connector } from './connectors/connector.js';
import { ExecutorConfig } from './executor-config.js';
import { ExecutorModule } from './executor.module.js';
import { AskTools1772100000000 } from './migrations/ask-tools.js';
import { CreateExecutor1772000000000 } from './migrations/create-executor.js';
import { UsesOfOthers1772400000000 } from './migrations/uses-of-others.js';

const definition: ServiceDefinition = {
  name: 'executor',
  module: ExecutorModule,
  migrations: [CreateExecutor1772000000000, AskTools1772100000000, DirectoryAccounts1772200000000, UsesOfOthers1772400000000],
  entities: [Connector],
  eventTopics: [EVENT_TOPICS.actions, EVENT_TOPICS.approvals, EVENT_TOPICS.directory],
};

/** The executor, and the class its environment is validated by. */
export const executorService = { definition, Config: ExecutorConfig };
