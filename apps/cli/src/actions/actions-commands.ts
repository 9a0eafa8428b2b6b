import { Command, Option } from 'commander';
import { callServer, queryOf } from '../server-call.js';
import { EXIT } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { proposeAction } from './propose-action.js';
import type { ProposeOptions } from './propose-action.js';
import { showAction } from './shown-action.js';
import type { Action } from './shown-action.js';
import { waitFor } from './wait-for-action.js';
import type { WaitOptions } from './wait-for-action.js';
import { watchActions } from './watch-actions.js';
import type { WatchOptions } from './watch-actions.js';

const json = (): Option => new Option('--json', 'one JSON document instead of text; one a line where there are many');
const tenant = (): Option => new Option('--tenant <name>', 'where the token is of no tenant');
const seconds = (text: string): number => {
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : 0;
};

/** `exequatur actions …`: what agents do, from a terminal. */
export const actionsCommands = (terminal: Terminal, end: (exit: number) => void): Command => {
  const actions = new Command('actions').description('Propose actions and see what becomes of them (EXEQUATUR_URL, EXEQUATUR_TOKEN)');
  actions
    .command('propose')
    .description('Propose what a file holds, JSON or YAML, as the agent of the token')
    .argument('<proposal>')
    .option('--key <text>', 'Idempotency-Key: the same key proposes once')
    .addOption(new Option('--wait <seconds>', 'until people have decided, at most so long').argParser(seconds))
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  exequatur actions propose mail.json\n  exequatur actions propose refund.yaml --key refund-7 --wait 600')
    .action(async (file: string, options: ProposeOptions) => end(await proposeAction(terminal, file, options)));
  actions
    .command('show')
    .description('An action as it stands')
    .argument('<id>')
    .addOption(tenant())
    .addOption(json())
    .addHelpText('after', '\nExample: exequatur actions show 0197a0c2-7f3e-7c11-9d5e-2f1b6c0a9e44 --json')
    .action(async (id: string, options: { tenant?: string; json?: boolean }) => {
      showAction(terminal, await callServer<Action>(terminal, 'GET', `/v1/actions/${encodeURIComponent(id)}${queryOf({ tenant: options.tenant })}`), options.json);
      end(EXIT.done);
    });
  actions
    .command('wait')
    .description('Until people have decided on an action')
    .argument('<id>')
    .addOption(new Option('--timeout <seconds>', 'at most so long').argParser(seconds).default(300))
    .addOption(tenant())
    .addOption(json())
    .addHelpText('after', '\nExit code 0: it may run; 1: it may not; 4: nobody has decided in time.\n\nExample: exequatur actions wait 0197a0c2-7f3e-7c11-9d5e-2f1b6c0a9e44 --timeout 60 && ./send-it')
    .action(async (id: string, options: WaitOptions) => end(await waitFor(terminal, id, options)));
  actions
    .command('watch')
    .description('A line for each action, and for each change of its status')
    .option('--run <id>', 'only those of this run')
    .option('--agent <name>', 'only those of this agent')
    .addOption(new Option('--for <seconds>', 'for ever when left out').argParser(seconds))
    .addOption(tenant())
    .addOption(json())
    .addHelpText('after', '\nExample: exequatur actions watch --run nightly-7 --json | jq .status')
    .action(async (options: WatchOptions) => end(await watchActions(terminal, options)));
  return actions;
};
