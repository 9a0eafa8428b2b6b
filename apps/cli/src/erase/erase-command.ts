import { Command } from 'commander';
import { callServer } from '../server-call.js';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';

interface EraseOptions {
  readonly subject?: string;
  readonly reason: string;
  readonly tenant?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

interface Named {
  readonly action_id: string;
  readonly status: 'readable' | 'held';
}

/** `exequatur erase` */
export const eraseCommand = (terminal: Terminal, end: (exit: number) => void): Command =>
  new Command('erase')
    .description('Destroy what was sealed for actions, for ever; proofs stay valid (EXEQUATUR_URL, EXEQUATUR_TOKEN of an admin)')
    .argument('[actions...]', 'action ids')
    .option('--subject <name>', 'every action that names this person: an address, a customer number, a target')
    .requiredOption('--reason <text>', 'stands in the log; put no personal data into it')
    .option('--tenant <name>', 'where the token is of no tenant')
    .option('--yes', 'do it; without it the actions are only named')
    .option('--json', 'one JSON document a line instead of text')
    .addHelpText('after', '\nExit code 1: something is kept by a legal hold.\n\nExamples:\n  exequatur erase --subject anna@example.org --reason "request 17"\n  exequatur erase 0197a0c2-7f3e-7c11-9d5e-2f1b6c0a9e44 --reason "request 17" --yes')
    .action(async (actions: string[], options: EraseOptions) => end(await erase(terminal, actions, options)));

const erase = async (terminal: Terminal, given: readonly string[], options: EraseOptions): Promise<number> => {
  const { subject, reason, json } = options;
  const tenant = options.tenant === undefined ? {} : { tenant: options.tenant };
  const named = [...given.map((id): Named => ({ action_id: id, status: 'readable' })), ...(subject === undefined ? [] : await naming(terminal, subject, tenant))];
  if (given.length === 0 && subject === undefined) throw new CommandFailed(EXIT.usage, 'name actions, or a person with --subject');
  const say = (actionId: string, status: string): void => line(terminal, json === true ? JSON.stringify({ action_id: actionId, status }) : `${actionId} ${status}`);
  let held = 0;
  for (const { action_id: id, status } of named) {
    if (status === 'held') {
      held += 1;
      say(id, 'kept: a legal hold');
    } else if (options.yes === true) {
      await callServer(terminal, 'POST', '/v1/log/erasures', { body: { ...tenant, action_id: id, reason } });
      say(id, 'erased');
    } else {
      say(id, 'would be erased');
    }
  }
  if (options.yes !== true && named.length > held) terminal.err('nothing was erased; --yes does it\n');
  return held > 0 ? EXIT.no : EXIT.done;
};

/** Every page. */
const naming = async (terminal: Terminal, subject: string, tenant: object): Promise<readonly Named[]> => {
  const found: Named[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await callServer<{ readonly items: readonly Named[]; readonly next_cursor: string | null }>(terminal, 'POST', '/v1/log/subjects', { body: { ...tenant, subject, limit: 200, ...(cursor === undefined ? {} : { cursor }) } });
    found.push(...page.items);
    cursor = page.next_cursor;
  }
  return found;
};
