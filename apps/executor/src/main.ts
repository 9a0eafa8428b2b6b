import { serve } from '@exequatur/service-kit';
import { executorService } from './executor-service.js';

await serve(executorService);
