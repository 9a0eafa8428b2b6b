import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';

export interface StandaloneOptions {
  readonly port: number;
  readonly host: string;
  readonly dataDir: string;
  readonly logLevel: string;
  readonly reset: boolean;
  /** the origin that people see, when it is not the address listened on: behind a proxy that speaks TLS */
  readonly publicUrl?: string;
  /** may listen where other machines reach it */
  readonly allowPublic?: boolean;
}

const port = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) throw new InvalidArgumentError('expected a number from 0 to 65535.');
  return value;
};

/** Reads flags, then environment, then defaults. Prints usage and exits by itself for --help and for options it does not know. */
export const readOptions = (argv: readonly string[]): StandaloneOptions => {
  const command = new Command('npm start --')
    .description('Exequatur: all services in one process, on an embedded PostgreSQL.')
    .addOption(new Option('--port <port>', 'port of the HTTP surface, 0 for a free one').env('EXEQUATUR_PORT').default(8080).argParser(port))
    .addOption(new Option('--host <address>', 'address to listen on').env('EXEQUATUR_HOST').default('127.0.0.1'))
    .addOption(new Option('--data-dir <directory>', 'where data and secrets are kept').env('EXEQUATUR_DATA_DIR').default('.data'))
    .addOption(new Option('--log-level <level>', 'how much the services log, as JSON on standard error').env('EXEQUATUR_LOG_LEVEL').default('warn').choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']))
    .addOption(new Option('--public-url <origin>', 'origin that people see, when a proxy stands in front').env('EXEQUATUR_PUBLIC_URL'))
    .addOption(new Option('--allow-public', 'listen where other machines reach it, development credentials and all').env('EXEQUATUR_ALLOW_PUBLIC').default(false))
    .addOption(new Option('--reset', 'delete the data directory’s content first').default(false))
    .allowExcessArguments(false);
  command.parse(argv as string[]);
  const options = command.opts<StandaloneOptions>();
  return { ...options, dataDir: resolve(options.dataDir) };
};
