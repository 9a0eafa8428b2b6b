import { serve } from '@exequatur/service-kit';
import { auditService } from './audit-service.js';

await serve(auditService);
