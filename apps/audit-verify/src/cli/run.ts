import { existsSync, readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { PublicJwk, TrustedKeys, WitnessKey } from '@exequatur/audit-chain';
import { verifyExport } from '../export/verify-export.js';
import type { VerifyOptions } from '../export/verify-export.js';
import { verifyReceipt } from '../receipt/verify-receipt.js';
import type { Report } from '../report.js';
import { witnessKeyOf } from '../witnesses.js';
import { printedReport } from './print-report.js';
import { readLines } from './read-lines.js';

const EXIT: Readonly<Record<Report['result'], number>> = { valid: 0, invalid: 1, incomplete: 2 };
const UNUSABLE = 2;

interface KeyFlags {
  readonly trustedKeys?: string;
  readonly logKey?: string;
  readonly witness?: readonly string[];
  readonly json?: boolean;
}

interface Flags extends KeyFlags {
  readonly treeHead?: readonly string[];
  readonly settle: number;
  readonly progress?: boolean;
}

export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8')) as unknown;

const milliseconds = (text: string): number => {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('expected a number of milliseconds.');
  return Number(text);
};

/** The key itself, or a file with one key a line. */
const witnessKeysOf = (given: readonly string[]): readonly WitnessKey[] =>
  given.flatMap((each) => (existsSync(each) ? readFileSync(each, 'utf8').split('\n').filter((line) => line.trim() !== '') : [each])).map(witnessKeyOf);

/** @throws what a file cannot be read or parsed for, WitnessKeyError */
const keyOptions = (flags: KeyFlags) => ({
  ...(flags.witness === undefined ? {} : { witnesses: witnessKeysOf(flags.witness) }),
  ...(flags.trustedKeys === undefined ? {} : { trustedKeys: readJson(flags.trustedKeys) as TrustedKeys }),
  ...(flags.logKey === undefined ? {} : { logKeys: [readJson(flags.logKey) as PublicJwk] }),
});

/** @throws as keyOptions */
const verifyOptions = (flags: Flags, output: Output): VerifyOptions => ({
  ...keyOptions(flags),
  settleMs: flags.settle,
  ...(flags.progress === true ? { progress: (leaves: number) => output.err(`${leaves} leaves read\n`) } : {}),
  ...(flags.treeHead === undefined ? {} : { knownHeads: flags.treeHead.map((path) => readFileSync(path, 'utf8')) }),
});

const withKeys = (command: Command): Command =>
  command
    .option('--trusted-keys <file>', 'JSON {service: [{kid, jwk}]}: public keys of the services, from where you trust them')
    .option('--log-key <file>', 'JWK: public key of the log; else that of service audit in --trusted-keys')
    .option('--witness <key...>', 'keys of witnesses that must have cosigned, <name>+<id>+<key>, or files with one a line')
    .option('--json', 'print the report as JSON');

/** Exit code: 0 valid, 1 invalid, 2 incomplete or not usable (also: wrong arguments). Nothing is written but to `output`. */
export const run = async (argv: readonly string[], output: Output): Promise<number> => {
  let exitCode = UNUSABLE;
  const said = (report: Report, { json }: KeyFlags): void => {
    output.out(json === true ? `${JSON.stringify(report, null, 2)}\n` : printedReport(report));
    exitCode = EXIT[report.result];
  };
  const program = withKeys(new Command('audit-verify'))
    .description('Verifies an exported log offline: every byte, every proof, and the invariants a log can show.')
    .argument('<export.jsonl>', 'file, or - for standard input')
    .option('--tree-head <file...>', 'signed tree heads seen before, which this export must contain')
    .option('--settle <ms>', 'what is missing beside younger events may still be on its way; 0 for a log at rest', milliseconds, 60_000)
    .option('--progress', 'say on standard error how far it is')
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .action(async (file: string, flags: Flags) => {
      said(await verifyExport(readLines(file), verifyOptions(flags, output)), flags);
    });
  withKeys(program.command('receipt'))
    .description('Verifies one receipt alone.')
    .argument('<receipt.json>', 'file')
    .action((file: string, _: unknown, command: Command) => {
      // What stands before the word `receipt` counts too.
      const flags = command.optsWithGlobals<KeyFlags>();
      said(verifyReceipt(readFileSync(file), keyOptions(flags)), flags);
    });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : UNUSABLE;
    output.err(`audit-verify: ${error instanceof Error ? error.message : 'it cannot be read'}\n`);
    return UNUSABLE;
  }
};
