import { serve } from '@exequatur/service-kit';
import { policyService } from './policy-service.js';

await serve(policyService);
