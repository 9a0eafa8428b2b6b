import { serve } from '@exequatur/service-kit';
import { approvalsService } from './index.js';

await serve(approvalsService);
