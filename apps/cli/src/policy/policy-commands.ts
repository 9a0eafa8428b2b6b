import { Command, Option } from 'commander';
import type { Terminal } from '../terminal.js';
import { diffFiles } from './diff-files.js';
import { explainProposal } from './explain-proposal.js';
import { importMcp } from './import-mcp.js';
import { lintFiles } from './lint-files.js';
import { publish, rollBack, waitInForce } from './remote-policy.js';
import { replayRecords } from './replay-records.js';
import { simulateProposals } from './simulate-proposals.js';
import { testPolicies } from './test-policies.js';

type End = (exit: number) => void;

const json = (): Option => new Option('--json', 'one JSON document instead of text');
const policyFlag = (): Option => new Option('-p, --policy <file>', 'policy file').makeOptionMandatory();
const tenant = (): Option => new Option('--tenant <name>', 'tenant the action is in').default('acme');
const agent = (): Option => new Option('--agent <name>', 'agent that asks').default('agent');
const wait = (): Option => new Option('--wait <seconds>', 'until the version is in force, at most so long').argParser(Number);

/** `exequatur policy …` */
export const policyCommands = (terminal: Terminal, end: End): Command => {
  const policy = new Command('policy').description('Write, test and publish policies');
  policy
    .command('lint')
    .description('Every fault of policy files, with line and column')
    .argument('<files...>')
    .addOption(json())
    .addHelpText('after', '\nExample: exequatur policy lint packs/*/policy.yaml')
    .action((files: string[], options: { json?: boolean }) => end(lintFiles(terminal, files, options)));
  policy
    .command('test')
    .description('Run described cases against their policy')
    .argument('<cases...>', 'files of cases')
    .option('--junit <file>', 'write a JUnit report')
    .addOption(json())
    .addHelpText('after', '\nExample: exequatur policy test packs/payments/cases.yaml --junit report.xml')
    .action((files: string[], options: { json?: boolean; junit?: string }) => end(testPolicies(terminal, files, options)));
  policy
    .command('explain')
    .description('Why a policy says what it says of one proposal')
    .argument('<proposal>', 'file with a proposal, JSON or YAML')
    .addOption(policyFlag())
    .addOption(tenant())
    .addOption(agent())
    .addOption(json())
    .action((file: string, options: { policy: string; tenant: string; agent: string; json?: boolean }) => end(explainProposal(terminal, file, options)));
  policy
    .command('simulate')
    .description('What a policy would say of many proposals')
    .argument('<proposals>', 'file with one proposal a line (JSON)')
    .addOption(policyFlag())
    .addOption(tenant())
    .addOption(agent())
    .addOption(json())
    .action((file: string, options: { policy: string; tenant: string; agent: string; json?: boolean }) => end(simulateProposals(terminal, file, options)));
  policy
    .command('diff')
    .description('What changed from one policy file to another')
    .argument('<before>')
    .argument('<after>')
    .addOption(json())
    .action((before: string, after: string, options: { json?: boolean }) => end(diffFiles(terminal, before, after, options)));
  policy
    .command('replay')
    .description('Recorded facts under a candidate: relaxed, tightened, unchanged')
    .argument('<records>', 'exported events or facts, one a line (JSON)')
    .addOption(policyFlag())
    .requiredOption('--against <file>', 'the policy to compare with')
    .option('--fail-on <change>', 'relaxed, tightened or changed: exit 1 when there is one')
    .addOption(json())
    .addHelpText('after', '\nExample: exequatur policy replay log.jsonl --policy candidate.yaml --against policy.yaml --fail-on relaxed')
    .action(async (file: string, options: { policy: string; against: string; failOn?: string; json?: boolean }) => end(await replayRecords(terminal, file, options)));
  policy
    .command('publish')
    .description('Publish a policy file (EXEQUATUR_URL, EXEQUATUR_TOKEN)')
    .argument('<file>')
    .requiredOption('--reason <text>')
    .option('--tenant <name>', 'where the token is of no tenant')
    .addOption(wait())
    .action(async (file: string, options: { reason: string; tenant?: string; wait?: number }) => end(await publish(terminal, file, options)));
  policy
    .command('rollback')
    .description('Publish an earlier version again, as a new one')
    .argument('<version>')
    .requiredOption('--reason <text>')
    .option('--tenant <name>')
    .addOption(wait())
    .action(async (version: string, options: { reason: string; tenant?: string; wait?: number }) => end(await rollBack(terminal, Number(version), options)));
  policy
    .command('wait')
    .description('Until a version is in force')
    .argument('<version>')
    .option('--tenant <name>')
    .option('--timeout <seconds>', 'at most so long', Number, 60)
    .action(async (version: string, options: { tenant?: string; timeout: number }) => end(await waitInForce(terminal, Number(version), options)));
  policy
    .command('import-mcp')
    .description('A tool table from what an MCP server answers to tools/list')
    .argument('<tools>', 'file with the answer (JSON)')
    .option('--kinds <prefix>', 'what kinds begin with', 'mcp.')
    .addHelpText('after', '\nExample: exequatur policy import-mcp tools.json --kinds files. >> policy.yaml')
    .action((file: string, options: { kinds: string }) => end(importMcp(terminal, file, options)));
  return policy;
};
