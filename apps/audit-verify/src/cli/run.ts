import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { PublicJwk, TrustedKeys } from '@exequatur/audit-chain';
import { verifyExport } from '../export/verify-export.js';
import type { VerifyOptions } from '../export/verify-export.js';
import type { Report } from '../report.js';
import { printedReport } from './print-report.js';
import { readLines } from './read-lines.js';

const EXIT: Readonly<Record<Report['result'], number>> = { valid: 0, invalid: 1, incomplete: 2 };
const UNUSABLE = 2;

interface Flags {
  readonly trustedKeys?: string;
  readonly logKey?: string;
  readonly treeHead?: readonly string[];
  readonly settle: number;
  readonly json?: boolean;
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

/** @throws what a file cannot be read or parsed for */
const verifyOptions = (flags: Flags): VerifyOptions => ({
  settleMs: flags.settle,
  ...(flags.trustedKeys === undefined ? {} : { trustedKeys: readJson(flags.trustedKeys) as TrustedKeys }),
  ...(flags.logKey === undefined ? {} : { logKeys: [readJson(flags.logKey) as PublicJwk] }),
  ...(flags.treeHead === undefined ? {} : { knownHeads: flags.treeHead.map((path) => readFileSync(path, 'utf8')) }),
});

/** Exit code: 0 valid, 1 invalid, 2 incomplete or not usable (also: wrong arguments). Nothing is written but to `output`. */
export const run = async (argv: readonly string[], output: Output): Promise<number> => {
  let exitCode = UNUSABLE;
  const program = new Command('audit-verify')
    .description('Verifies an exported log offline: every byte, every proof, and the invariants a log can show.')
    .argument('<export.jsonl>', 'file, or - for standard input')
    .option('--trusted-keys <file>', 'JSON {service: [{kid, jwk}]}: public keys of the services, from where you trust them')
    .option('--log-key <file>', 'JWK: public key of the log; else that of service audit in --trusted-keys')
    .option('--tree-head <file...>', 'signed tree heads seen before, which this export must contain')
    .option('--settle <ms>', 'what is missing beside younger events may still be on its way; 0 for a log at rest', milliseconds, 60_000)
    .option('--json', 'print the report as JSON')
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .action(async (file: string, flags: Flags) => {
      const report = await verifyExport(readLines(file), verifyOptions(flags));
      output.out(flags.json === true ? `${JSON.stringify(report, null, 2)}\n` : printedReport(report));
      exitCode = EXIT[report.result];
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
