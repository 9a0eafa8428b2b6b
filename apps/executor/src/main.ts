import { ConfigError, createService, loadConfig } from '@exequatur/service-kit';
import { executorService } from './executor-service.js';

const start = async (): Promise<void> => {
  const service = await createService(executorService.definition, loadConfig(executorService.Config, process.env));
  const stop = (): void => void service.close().finally(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.stdout.write(`executor listens on ${await service.listen()}\n`);
};

start().catch((error: unknown) => {
  process.stderr.write(error instanceof ConfigError ? `${error.message}\n` : `executor could not start: ${error instanceof Error ? (error.stack ?? error.message) : 'unknown reason'}\n`);
  process.exit(1);
});
