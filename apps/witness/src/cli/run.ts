import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { serveWitness } from '../serve-witness.js';
import type { RunningWitness } from '../serve-witness.js';
import { readWatchedLogs } from '../watched-logs.js';
import { WitnessMemory } from '../witness-memory.js';
import { createIdentity, publicText, readIdentity } from '../witness-key.js';
import { Witness } from '../witness.js';

export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

export interface Ran {
  readonly exitCode: number;
  /** while it serves */
  readonly serving?: RunningWitness;
}

const port = (text: string): number => {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('expected a number from 0 to 65535.');
  return Number(text);
};

const keyName = (text: string): string => {
  if (!/^[^\s+]{1,200}$/u.test(text)) throw new InvalidArgumentError('expected a name without spaces or plus.');
  return text;
};

/** `init`, `key`, `serve`. Exit code 2 on wrong arguments or a state that cannot be used. */
export const run = async (argv: readonly string[], output: Output): Promise<Ran> => {
  let serving: RunningWitness | undefined;
  const program = new Command('witness').description('Cosigns the tree heads of logs as long as each continues the one before; remembers what it cosigned.').exitOverride().configureOutput({ writeOut: output.out, writeErr: output.err });
  const command = (name: string, description: string): Command => program.command(name).description(description).requiredOption('--state <directory>', 'where its key and its memory are; of one witness alone');
  const identityIn = (state: string) => readIdentity(state) ?? program.error(`witness: there is no key in ${state}; run init first`, { exitCode: 2 });

  command('init', 'makes a key and prints what verifiers pin')
    .requiredOption('--name <name>', 'how the key is called in cosignatures, e.g. witness.example.org/1', keyName)
    .action(({ state, name }: { state: string; name: string }) => output.out(`${publicText(createIdentity(state, name))}\n`));
  command('key', 'prints what verifiers pin').action(({ state }: { state: string }) => output.out(`${publicText(identityIn(state))}\n`));
  command('serve', 'answers logs that ask to be cosigned')
    .requiredOption('--logs <file>', 'JSON [{"origin": "exequatur/acme", "keys": [JWK]}]: the logs it watches')
    .option('--port <port>', 'port, 0 for a free one', port, 8790)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .action(async (flags: { state: string; logs: string; port: number; host: string }) => {
      const [identity, logs] = [identityIn(flags.state), readWatchedLogs(readFileSync(flags.logs, 'utf8'))];
      const memory = new WitnessMemory(join(flags.state, 'heads'));
      const witness = new Witness(identity, logs, memory);
      serving = await serveWitness(witness, memory, { port: flags.port, host: flags.host, failed: (error) => output.err(`witness: ${error instanceof Error ? error.message : 'a request failed'}\n`) });
      output.out(`the witness listens on ${serving.origin}\n`);
    });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return { exitCode: 0, ...(serving === undefined ? {} : { serving }) };
  } catch (error) {
    if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : 2 };
    output.err(`witness: ${error instanceof Error ? error.message : 'it cannot be started'}\n`);
    return { exitCode: 2 };
  }
};
