import { Command, Option } from 'commander';
import type { Terminal } from '../terminal.js';
import { takeExport } from './take-export.js';
import type { ExportOptions } from './take-export.js';

/** `exequatur export` */
export const exportCommand = (terminal: Terminal, end: (exit: number) => void): Command =>
  new Command('export')
    .description('Take the log out: one archive with all that an auditor needs (EXEQUATUR_URL, EXEQUATUR_TOKEN)')
    .requiredOption('--out <file>', 'written to; a download that broke off goes on where it did')
    .addOption(new Option('--format <format>').choices(['archive', 'jsonl', 'csv', 'ocsf']).default('archive'))
    .option('--from <instant>', 'of csv, ocsf and the receipts of an archive: from then on')
    .option('--to <instant>', 'before then')
    .option('--action <id>', 'of one action')
    .option('--kind <kind>', 'of one action kind')
    .option('--content', 'of an archive: with arguments and the cards that approvers saw')
    .option('--tenant <name>', 'where the token is of no tenant')
    .addHelpText('after', '\nExamples:\n  exequatur export --out acme.tar\n  exequatur export --out q3.csv --format csv --from 2026-07-01T00:00:00Z --to 2026-10-01T00:00:00Z')
    .action(async (options: ExportOptions) => end(await takeExport(terminal, options)));
