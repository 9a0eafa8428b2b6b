import { EVENT_TOPICS } from '@exequatur/contracts';
import { DirectoryAccounts1772200000000, ServiceConfig } from '@exequatur/service-kit';
import type { ServiceDefinition } from '@exequatur/service-kit';
import { PolicySchema1763640000000 } from './migrations/policy-schema-1763640000000.js';
import { RememberRejections1763640100000 } from './migrations/remember-rejections-1763640100000.js';
import { ShadowPolicy1763640200000 } from './migrations/shadow-policy-1763640200000.js';
import { DecidedAnew1763640300000 } from './migrations/decided-anew-1763640300000.js';
import { Autonomy1772320000000 } from './migrations/autonomy-1772320000000.js';
import { PolicyLayers1772300000000 } from './migrations/policy-layers-1772300000000.js';
import { PolicyModule } from './policy.module.js';

const definition: ServiceDefinition = {
  name: 'policy',
  module: PolicyModule,
  migrations: [PolicySchema1763640000000, RememberRejections1763640100000, ShadowPolicy1763640200000, DecidedAnew1763640300000, DirectoryAccounts1772200000000, PolicyLayers1772300000000, Autonomy1772320000000],
  eventTopics: [EVENT_TOPICS.approvals, EVENT_TOPICS.reservations, EVENT_TOPICS.executions],
  // Projected in the transaction of each event, so that what was just created can be used at once.
  directory: 'own',
};

/** The service and the class its environment is checked by. */
export const policyService = { definition, Config: ServiceConfig };
