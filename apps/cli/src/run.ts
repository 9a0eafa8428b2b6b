import { Command, CommanderError } from 'commander';
import { policyCommands } from './policy/policy-commands.js';
import { CommandFailed, EXIT } from './terminal.js';
import type { Terminal } from './terminal.js';

/** Runs one command line and gives its exit code. Never throws. */
export const run = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  let exit: number = EXIT.done;
  const program = new Command('exequatur')
    .description('Approval gate and runtime authority for AI agents')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
  program.addCommand(policyCommands(terminal, (code) => (exit = code)));
  for (const command of [program, ...program.commands, ...program.commands.flatMap((each) => each.commands)]) command.exitOverride().configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
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
