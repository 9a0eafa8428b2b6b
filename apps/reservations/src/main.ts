import { createService, loadConfig } from '@exequatur/service-kit';
import { reservationsService } from './index.js';

const service = await createService(reservationsService.definition, loadConfig(reservationsService.Config, process.env));
const stop = (): void => void service.close().finally(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
await service.listen();
