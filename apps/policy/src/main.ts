import { ConfigError, createService, loadConfig } from '@exequatur/service-kit';
import { policyService } from './policy-service.js';

const start = async (): Promise<void> => {
  const service = await createService(policyService.definition, loadConfig(policyService.Config, process.env));
  const origin = await service.listen();
  process.stdout.write(`policy listens on ${origin}\n`);
  const stop = (): void => void service.close().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
};

start().catch((error: unknown) => {
  process.stderr.write(error instanceof ConfigError ? `${error.message}\n` : `policy could not start: ${error instanceof Error ? (error.stack ?? error.message) : 'unknown reason'}\n`);
  process.exit(1);
});
