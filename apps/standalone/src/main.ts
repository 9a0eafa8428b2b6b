import { LocalServerError } from '@exequatur/local-servers';
import { readOptions } from './options.js';
import { startStandalone } from './standalone.js';
import type { Standalone } from './standalone.js';

const STOP_WITHIN_MS = 5_000;

const tries = (commands: readonly (readonly [command: string, what: string])[]): string => {
  const width = Math.max(...commands.map(([command]) => command.length)) + 4;
  return commands.map(([command, what]) => `  ${command.padEnd(width)}${what}`).join('\n');
};

const banner = ({ origin, credentials }: Standalone, dataDir: string): string => `
Exequatur is ready.

  HTTP surface   ${origin}
  Approvals      ${origin}/queue
  Data           ${dataDir}

Development credentials of the demo tenant "${credentials.tenant}" (also in ${dataDir}/credentials.json):

  agent          ${credentials.agent}
  approver       ${credentials.approver}   (alice; sign in at ${origin}/login)
  operator       ${credentials.operator}
  auditor        ${credentials.auditor}

Try, in another terminal:

${tries([
    ['npm run demo', 'the whole story, with real effects'],
    [`curl -s ${origin}/readyz`, 'what each service leans on, and whether it is there'],
    ['bash docs/tutorial/walk.sh', 'the same path by hand, one request at a time'],
  ])}

Ctrl-C stops everything.
`;

/** One clear sentence for what a person can mend; the whole error for what is a bug. */
const complain = (error: unknown): void => {
  if (error instanceof LocalServerError) console.error(error.message);
  else console.error(error);
};

const options = readOptions(process.argv);
try {
  const standalone = await startStandalone(options, (line) => console.error(line));
  console.log(banner(standalone, options.dataDir));
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    console.error('Stopping …');
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
    standalone.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        complain(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
} catch (error) {
  complain(error);
  process.exit(1);
}
