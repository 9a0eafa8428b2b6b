import { approvalsService } from '@exequatur/approvals';
import { auditService } from '@exequatur/audit-projector';
import { executorService } from '@exequatur/executor';
import { policyService } from '@exequatur/policy';
import { reservationsService } from '@exequatur/reservations';

/** The five services with the configuration class each validates its environment by, in the order they start. */
export const DEFINITIONS = [policyService, approvalsService, reservationsService, executorService, auditService];
