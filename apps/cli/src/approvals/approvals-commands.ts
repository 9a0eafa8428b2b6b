import { Command, Option } from 'commander';
import type { Terminal } from '../terminal.js';
import { approve, escalate, reject, respond, showApproval, type DecideOptions } from './decide-approval.js';
import { listApprovals, type ListOptions } from './list-approvals.js';
import { watchApprovals, type WatchOptions } from './watch-approvals.js';

type End = (exit: number) => void;

const json = (): Option => new Option('--json', 'one JSON document instead of text');
const view = (): Option => new Option('--view <hash>', 'only if this card, as show printed it, still stands there');

/** `exequatur approvals …` */
export const approvalsCommands = (terminal: Terminal, end: End): Command => {
  const approvals = new Command('approvals').description('See and decide what waits for people (EXEQUATUR_URL, EXEQUATUR_TOKEN of a person)');
  approvals
    .command('list')
    .description('The queue: what expires first stands on top')
    .option('--kind <kind>', 'of this action kind')
    .option('--agent <name>', 'of this agent')
    .option('--role <role>', 'that this role may answer')
    .option('--view <name>', 'a saved view')
    .option('--mine', 'assigned to you, or asked of you by name')
    .option('--late', 'whose SLA runs out')
    .option('--resolved', 'also the ended ones')
    .addOption(new Option('--limit <number>', 'at most so many').argParser(Number).default(50))
    .addOption(json())
    .addHelpText('after', '\nExample: exequatur approvals list --role finance --late')
    .action(async (options: ListOptions) => end(await listApprovals(terminal, options)));
  approvals
    .command('show')
    .description('The card of a request: everything that would run, and what follows')
    .argument('<id>')
    .addOption(json())
    .action(async (id: string, options: DecideOptions) => end(await showApproval(terminal, id, options)));
  approvals
    .command('approve')
    .description('Approve the card that is drawn; asks first when it cannot be undone')
    .argument('<id>')
    .option('--rationale <text>', 'why')
    .option('--yes', 'do not ask')
    .addOption(view())
    .addOption(json())
    .action(async (id: string, options: DecideOptions & { rationale?: string; yes?: boolean }) => end(await approve(terminal, id, options)));
  approvals
    .command('reject')
    .description('Reject; nothing runs, and the agent is told why')
    .argument('<id>')
    .requiredOption('--reason <text>', 'in your words')
    .option('--code <code>', 'reason code of the tenant')
    .addOption(new Option('--instruction <what>', 'what the agent should do').choices(['abort', 'reroute', 'escalate']))
    .addOption(view())
    .addOption(json())
    .action(async (id: string, options: DecideOptions & { reason: string; code?: string; instruction?: string }) => end(await reject(terminal, id, options)));
  approvals
    .command('escalate')
    .description('Let the senior role that policy names answer too, or ask a person by name')
    .argument('<id>')
    .option('--role <role>')
    .option('--person <name>')
    .option('--reason <text>')
    .addOption(json())
    .action(async (id: string, options: DecideOptions & { role?: string; person?: string; reason?: string }) => end(await escalate(terminal, id, options)));
  approvals
    .command('respond')
    .description('Answer in the place of the tool; nothing runs')
    .argument('<id>')
    .requiredOption('--text <text>', 'what the agent gets')
    .addOption(view())
    .addOption(json())
    .action(async (id: string, options: DecideOptions & { text: string }) => end(await respond(terminal, id, options)));
  approvals
    .command('watch')
    .description('Changes of the queue as they happen, until interrupted')
    .addOption(new Option('--for <seconds>', 'end after so long').argParser(Number))
    .option('--since <id>', 'everything since this event')
    .addOption(json())
    .action(async (options: WatchOptions) => end(await watchApprovals(terminal, options)));
  return approvals;
};
