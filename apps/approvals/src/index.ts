import { EVENT_TOPICS } from '@exequatur/contracts';
import { DirectoryAccounts1772200000000 } from '@exequatur/service-kit';
import type { ServiceDefinition } from '@exequatur/service-kit';
import { ApprovalsConfig } from './approvals-config.js';
import { ApprovalsModule } from './approvals.module.js';
import { FirstApprovals1772000000000 } from './migrations/1772000000000-first-approvals.js';
import { DecisionsAndQueue1772100000000 } from './migrations/1772100000000-decisions-and-queue.js';
import { Channels1772210000000 } from './migrations/1772210000000-channels.js';
import { Reviewing1772220000000 } from './migrations/1772220000000-reviewing.js';
import { QueueSortings1772240000000 } from './migrations/1772240000000-queue-sortings.js';
import { VotesByPerson1772230000000 } from './migrations/1772230000000-votes-by-person.js';

const definition: ServiceDefinition = {
  name: 'approvals',
  module: ApprovalsModule,
  migrations: [FirstApprovals1772000000000, DecisionsAndQueue1772100000000, Channels1772210000000, Reviewing1772220000000, DirectoryAccounts1772200000000, VotesByPerson1772230000000, QueueSortings1772240000000],
  eventTopics: [EVENT_TOPICS.actions, EVENT_TOPICS.directory],
};

/** The service and the class its environment is checked by. */
export const approvalsService = { definition, Config: ApprovalsConfig };
