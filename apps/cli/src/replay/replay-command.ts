import { Command } from 'commander';
import type { Terminal } from '../terminal.js';
import { replay } from './replay-story.js';
import type { ReplayOptions } from './replay-story.js';

/** `exequatur replay` */
export const replayCommand = (terminal: Terminal, end: (exit: number) => void): Command =>
  new Command('replay')
    .description('Tell what happened: walks the log of a server (EXEQUATUR_URL, EXEQUATUR_TOKEN of an auditor), or an export')
    .argument('[export.jsonl]', 'a file; - is standard input')
    .option('--from <instant>', 'events from then on')
    .option('--to <instant>', 'events before then')
    .option('--action <id>', 'the story of one action')
    .option('--run <id>', 'of the actions of one run')
    .option('--agent <name>', 'of the actions of one agent')
    .option('--kind <kind>', 'of the actions of one kind')
    .option('--tenant <name>', 'where the token is of no tenant')
    .option('--json', 'one JSON document a line')
    .addHelpText('after', '\nIn the order of the log; says what was logged, verifies nothing (audit-verify does).\n\nExamples:\n  exequatur replay --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z --agent outreach-agent\n  exequatur replay export.jsonl --run nightly-7 --json | jq -r .event | sort | uniq -c')
    .action(async (file: string | undefined, options: ReplayOptions) => end(await replay(terminal, file, options)));
