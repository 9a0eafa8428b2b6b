import { parseStrict } from '@exequatur/kernel';
import type { ProposalWithJson } from '@exequatur/policy-domain';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { askedPolicy, proposalFault, rulingOn } from './asked-policy.js';
import type { AskOptions } from './explain-proposal.js';
import { readPolicy, readText } from './read-files.js';

/** Larger than any file of proposals somebody writes; a history is replayed instead. */
const MAX_BYTES = 64 * 1024 * 1024;

export const simulateProposals = (terminal: Terminal, file: string, options: AskOptions): number => {
  const asked = askedPolicy(readPolicy(options.policy));
  const lines = readText(file, MAX_BYTES).split('\n');
  const items = lines.flatMap((text, index) => {
    if (text.trim() === '') return [];
    const proposal = proposalOn(file, index + 1, text);
    const { verdict, rule_id, reason, code, tier, caps } = rulingOn(asked, options.tenant, options.agent, proposal).ruling;
    return [{ line: index + 1, action_kind: proposal.action_kind, verdict, rule_id, reason, ...(code === undefined ? {} : { code }), ...(tier === undefined ? {} : { tier }), ...(Object.keys(caps).length === 0 ? {} : { caps }) }];
  });
  if (options.json === true) line(terminal, JSON.stringify(items));
  else for (const item of items) line(terminal, `${item.line}: ${item.action_kind} ${item.verdict}${item.code === undefined ? '' : ` ${item.code}`} by ${item.rule_id}`);
  return EXIT.done;
};

const proposalOn = (file: string, at: number, text: string): ProposalWithJson => {
  let value: unknown;
  try {
    value = parseStrict(text, {});
  } catch (error) {
    throw new CommandFailed(EXIT.no, `${file}:${at}: ${error instanceof Error ? error.message : 'is no JSON'}`);
  }
  const fault = proposalFault(value);
  if (fault !== undefined) throw new CommandFailed(EXIT.no, `${file}:${at}: ${fault}`);
  return value as ProposalWithJson;
};
