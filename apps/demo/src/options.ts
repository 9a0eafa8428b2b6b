import { resolve } from 'node:path';
import { Command, Option } from 'commander';

export interface DemoOptions {
  readonly transport: 'postgres' | 'kafka';
  readonly json: boolean;
  readonly url: string;
  readonly dataDir: string;
}

export const readOptions = (argv: readonly string[]): DemoOptions => {
  const command = new Command('npm run demo --')
    .description('The customer-outreach story, with real effects against a local mail sink and a local HTTP tool.')
    .addOption(new Option('--transport <kind>', 'postgres: the running instance, or one of its own; kafka: five processes over Kafka').choices(['postgres', 'kafka']).default('postgres'))
    .addOption(new Option('--url <origin>', 'where a running instance listens').env('EXEQUATUR_URL').default('http://127.0.0.1:8080'))
    .addOption(new Option('--data-dir <directory>', 'data directory of the running instance, for its credentials').env('EXEQUATUR_DATA_DIR').default('.data'))
    .addOption(new Option('--json', 'one JSON object a step, for machines').default(false))
    .allowExcessArguments(false);
  command.parse(argv as string[]);
  const options = command.opts<DemoOptions>();
  return { ...options, dataDir: resolve(options.dataDir) };
};
