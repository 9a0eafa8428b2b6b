import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { LocalServerError } from '@exequatur/local-servers';
import { startServices } from './topology.js';

/** `npm run services`: the five services as five processes over Kafka. */
const command = new Command('npm run services --')
  .description('Exequatur as five services over Kafka and PostgreSQL. Starts what DATABASE_URL and KAFKA_BROKERS do not name.')
  .addOption(new Option('--database-url <url>', 'superuser of the PostgreSQL to use; an embedded one is started without it').env('DATABASE_URL'))
  .addOption(new Option('--brokers <list>', 'host:port,… of the Kafka to use; a local one is started without it').env('KAFKA_BROKERS'))
  .addOption(new Option('--data-dir <directory>', 'where secrets and local data are kept').env('EXEQUATUR_DATA_DIR').default('.data-services'))
  .addOption(new Option('--log-level <level>', 'how much the services log').env('EXEQUATUR_LOG_LEVEL').default('warn'))
  .allowExcessArguments(false);
command.parse(process.argv);
const options = command.opts<{ databaseUrl?: string; brokers?: string; dataDir: string; logLevel: string }>();

try {
  const services = await startServices({
    dataDir: resolve(options.dataDir),
    logLevel: options.logLevel,
    log: (line) => console.error(line),
    ...(options.databaseUrl === undefined ? {} : { adminUrl: options.databaseUrl }),
    ...(options.brokers === undefined ? {} : { brokers: options.brokers }),
  });
  console.log('\nFive services are ready:\n');
  for (const [service, url] of Object.entries(services.urls)) console.log(`  ${service.padEnd(14)} ${url}`);
  console.log(`\nDevelopment credentials: ${resolve(options.dataDir)}/credentials.json\nCtrl-C stops everything.`);
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    console.error('Stopping …');
    void services.stop().finally(() => process.exit(0));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
} catch (error) {
  console.error(error instanceof LocalServerError ? error.message : error);
  process.exit(1);
}
