import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { LocalServerError, startLocalKafka } from '@exequatur/local-servers';

/** `npm run kafka`: one local Kafka node from Maven Central's jars, for development and tests. */
const command = new Command('npm run kafka --')
  .description('A local single-node Kafka. Needs Java 17 and Maven.')
  .addOption(new Option('--port <port>', 'port on 127.0.0.1; a free one without it').argParser(Number))
  .addOption(new Option('--data-dir <directory>', 'where its log is kept').default('.data-kafka'))
  .allowExcessArguments(false);
command.parse(process.argv);
const options = command.opts<{ port?: number; dataDir: string }>();

try {
  const kafka = await startLocalKafka({ directory: resolve(options.dataDir), log: (line) => console.error(line), ...(options.port === undefined ? {} : { port: options.port }) });
  console.log(`Kafka is ready: KAFKA_BROKERS=${kafka.brokers}\nCtrl-C stops it.`);
  const keepAlive = setInterval(() => undefined, 60_000);
  const stop = (): void => {
    clearInterval(keepAlive);
    void kafka.stop().finally(() => process.exit(0));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
} catch (error) {
  console.error(error instanceof LocalServerError ? error.message : error);
  process.exit(1);
}
