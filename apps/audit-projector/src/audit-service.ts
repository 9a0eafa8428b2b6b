import { EVENT_TOPICS } from '@exequatur/contracts';
import { DirectoryAccounts1772200000000 } from '@exequatur/service-kit';
import type { ServiceDefinition } from '@exequatur/service-kit';
import { AuditConfig } from './audit-config.js';
import { AuditModule } from './audit.module.js';
import { AddDataSubjects1777000000000 } from './migrations/add-data-subjects.js';
import { AddRetention1778000000000 } from './migrations/add-retention.js';
import { AddErasure1774000000000 } from './migrations/add-erasure.js';
import { AddExportRequests1775000000000 } from './migrations/add-export-requests.js';
import { AddWorkflowMetrics1776000000000 } from './migrations/add-workflow-metrics.js';
import { AddWitnesses1773000000000 } from './migrations/add-witnesses.js';
import { CreateAudit1772000000000 } from './migrations/create-audit.js';

const definition: ServiceDefinition = {
  name: 'audit',
  module: AuditModule,
  migrations: [CreateAudit1772000000000, AddWitnesses1773000000000, AddErasure1774000000000, AddExportRequests1775000000000, AddWorkflowMetrics1776000000000, DirectoryAccounts1772200000000, AddDataSubjects1777000000000, AddRetention1778000000000],
  eventTopics: [EVENT_TOPICS.directory],
  // An append waits for the one writer of a log; nothing but other appends holds that lock.
  lockTimeoutMs: 10_000,
};

/** The audit projector, and the class its environment is validated by. */
export const auditService = { definition, Config: AuditConfig };
