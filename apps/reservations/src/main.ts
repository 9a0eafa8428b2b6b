import { serve } from '@exequatur/service-kit';
import { reservationsService } from './index.js';

await serve(reservationsService);
