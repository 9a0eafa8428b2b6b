import { Command, CommanderError } from 'commander';
import { actionsCommands } from './actions/actions-commands.js';
import { completionCommand } from './completion/completion-command.js';
import { eraseCommand } from './erase/erase-command.js';
import { exportCommand } from './export/export-command.js';
import { kindsCommands } from './kinds/kinds-commands.js';
import { approvalsCommands } from './approvals/approvals-commands.js';
import { policyCommands } from './policy/policy-commands.js';
import { replayCommand } from './replay/replay-command.js';
import { CommandFailed, EXIT } from './terminal.js';
import type { Terminal } from './terminal.js';

/** Runs one command line and gives its exit code. Never throws. */
export const run = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  let exit: number = EXIT.done;
  const program = new Command('exequatur')
    .description('Approval gate and runtime authority for AI agents')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
  const end = (code: number): void => {
    exit = code;
  };
  program.addCommand(policyCommands(terminal, end));
  program.addCommand(approvalsCommands(terminal, end));
  program.addCommand(kindsCommands(terminal, end));
  program.addCommand(actionsCommands(terminal, end));
  program.addCommand(exportCommand(terminal, end));
  program.addCommand(replayCommand(terminal, end));
  program.addCommand(eraseCommand(terminal, end));
  program.addCommand(completionCommand(terminal, end, () => program));
  program.addHelpText('after', '\nExit codes: 0 done, 1 the answer is no, 2 the command cannot be read, 3 the server, 4 nobody has decided in time.');
  for (const command of everyCommand(program)) command.exitOverride().configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (error instanceof CommandFailed) {
      terminal.err(`${error.message}\n`);
      return error.exit;
    }
    terminal.err(`${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT.usage;
  }
};

const everyCommand = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(everyCommand)];
