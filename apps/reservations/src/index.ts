import { EVENT_TOPICS } from '@exequatur/contracts';
import { DirectoryAccounts1772200000000, ServiceConfig } from '@exequatur/service-kit';
import type { ServiceDefinition } from '@exequatur/service-kit';
import { CreateReservations1769846400000 } from './migrations/create-reservations.js';
import { ForgetRuns1772340000000 } from './migrations/forget-runs-1772340000000.js';
import { RefusedBundles1772310000000 } from './migrations/refused-bundles-1772310000000.js';
import { ReservationsModule } from './reservations.module.js';

/**
 * Plans of the hot path are made once a connection and serve any batch. They may be made while tables are young and empty, and
 * must not fall for scanning them: every statement has its index.
 */
const PLANS = { plan_cache_mode: 'force_generic_plan', enable_seqscan: 'off', jit: 'off' };

const definition: ServiceDefinition = {
  name: 'reservations',
  module: ReservationsModule,
  databaseSettings: PLANS,
  migrations: [CreateReservations1769846400000, DirectoryAccounts1772200000000, RefusedBundles1772310000000, ForgetRuns1772340000000],
  eventTopics: [EVENT_TOPICS.actions, EVENT_TOPICS.approvals, EVENT_TOPICS.executions, EVENT_TOPICS.policies, EVENT_TOPICS.directory],
};

/** May this exact action run now, on which budgets, under which caps. With the class its environment is checked by. */
export const reservationsService = { definition, Config: ServiceConfig };
