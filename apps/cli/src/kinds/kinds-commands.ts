import { Command } from 'commander';
import { callServer, queryOf } from '../server-call.js';
import { EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';

interface Kind {
  readonly action_kind: string;
  readonly action_class?: string;
}

interface KindsOptions {
  readonly tenant?: string;
  readonly class?: string;
  readonly json?: boolean;
}

/** `exequatur kinds`, `exequatur kinds classify` */
export const kindsCommands = (terminal: Terminal, end: (exit: number) => void): Command => {
  const kinds = new Command('kinds')
    .description('Action kinds that the newest policy knows, with their class (EXEQUATUR_URL, EXEQUATUR_TOKEN)')
    .option('--tenant <name>', 'where the token is of no tenant')
    .option('--class <name>', 'only those of this class')
    .option('--json', 'one JSON document instead of text')
    .addHelpText('after', '\nExamples:\n  exequatur kinds --class financial\n  exequatur kinds classify invoice.void financial')
    .action(async (options: KindsOptions) => end(await listKinds(terminal, options)));
  kinds
    .command('classify')
    .description('Put a kind into a class, so that the policy knows it; publishes a version')
    .argument('<kind>')
    .argument('<class>')
    .option('--tenant <name>', 'where the token is of no tenant')
    .option('--json', 'one JSON document instead of text')
    .addHelpText('after', '\nExample: exequatur kinds classify invoice.void financial')
    // Options of the same name before and after a subcommand are one to commander.
    .action(async (kind: string, to: string, _own: KindsOptions, command: Command) => end(await classify(terminal, kind, to, command.optsWithGlobals<KindsOptions>())));
  return kinds;
};

const listKinds = async (terminal: Terminal, options: KindsOptions): Promise<number> => {
  const { items } = await callServer<{ readonly items: readonly Kind[] }>(terminal, 'GET', `/v1/action-kinds${queryOf({ tenant: options.tenant })}`);
  const wanted = options.class === undefined ? items : items.filter(({ action_class }) => action_class === options.class);
  if (options.json === true) line(terminal, JSON.stringify(wanted));
  else for (const { action_kind, action_class } of wanted) line(terminal, `${action_kind} ${action_class ?? '(no class: set aside)'}`);
  return EXIT.done;
};

const classify = async (terminal: Terminal, kind: string, to: string, options: KindsOptions): Promise<number> => {
  const answer = await callServer<{ readonly policy_version?: number }>(terminal, 'POST', '/v1/action-kinds', { body: { action_kind: kind, action_class: to, ...(options.tenant === undefined ? {} : { tenant: options.tenant }) } });
  line(terminal, options.json === true ? JSON.stringify(answer) : `${kind} is ${to}${answer.policy_version === undefined ? '' : `, from version ${answer.policy_version} on`}`);
  return EXIT.done;
};
