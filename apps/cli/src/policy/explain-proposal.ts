import { explain } from '@exequatur/policy-domain';
import type { Explanation, ProposalWithJson, Ruling } from '@exequatur/policy-domain';
import { policyLanguages, readPolicyText } from '@exequatur/policy-languages';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { askedPolicy, proposalFault, rulingOn } from './asked-policy.js';
import { readPolicy, readText } from './read-files.js';

export interface AskOptions {
  readonly policy: string;
  readonly tenant: string;
  readonly agent: string;
  readonly json?: boolean;
}

export const explainProposal = (terminal: Terminal, file: string, options: AskOptions): number => {
  const asked = askedPolicy(readPolicy(options.policy));
  // JSON is YAML: one reader takes both, and says where a fault is.
  const text = readPolicyText(readText(file));
  if (!text.ok) throw new CommandFailed(EXIT.no, text.faults.map((fault) => `${file}:${fault.line}:${fault.column}: ${fault.message}`).join('\n'));
  const fault = proposalFault(text.value);
  if (fault !== undefined) throw new CommandFailed(EXIT.no, `${file}: ${fault}`);
  const { ruling, derived } = rulingOn(asked, options.tenant, options.agent, text.value as unknown as ProposalWithJson);
  const explained = explain(asked.policy, asked.registered, derived.facts, policyLanguages.conditions);
  if (options.json === true) line(terminal, JSON.stringify({ ...explained, ruling }));
  else print(terminal, ruling, explained);
  return EXIT.done;
};

const print = (terminal: Terminal, ruling: Ruling, { rules, facts, nearest_kinds: nearest }: Explanation): void => {
  line(terminal, `${ruling.verdict}${ruling.code === undefined ? '' : ` ${ruling.code}`} by ${ruling.rule_id}`);
  line(terminal, `  ${ruling.reason}`);
  if (nearest.length > 0) line(terminal, `  nearest known kinds: ${nearest.join(', ')}`);
  if (Object.keys(ruling.caps).length > 0) line(terminal, `  caps: ${JSON.stringify(ruling.caps)}`);
  if (ruling.demand !== undefined) line(terminal, `  asked: ${ruling.demand.stages.map(({ roles, quorum }) => `${quorum} of ${roles.join(' or ')}`).join(', then ')}`);
  line(terminal, 'rules');
  for (const { rule_id, decision, result, why } of rules) line(terminal, `  ${result.padEnd(11)} ${rule_id} (${decision})${why.length === 0 ? '' : `: ${why.join('; ')}`}`);
  line(terminal, 'facts');
  for (const { fact, value, source } of facts) line(terminal, `  ${source.padEnd(11)} ${fact} = ${JSON.stringify(value)}`);
};
