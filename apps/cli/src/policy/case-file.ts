import { dirname, resolve } from 'node:path';
import { anything, list, name, object, oneOf, optional, record, text, VERDICTS } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { ProposalWithJson } from '@exequatur/policy-domain';
import { readPolicyText } from '@exequatur/policy-languages';
import type { PolicyText } from '@exequatur/policy-languages';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject } from 'ajv';
import { CommandFailed, EXIT } from '../terminal.js';
import { proposalFault } from './asked-policy.js';
import { readText } from './read-files.js';

const expectation = object({
  verdict: optional(oneOf(...VERDICTS)),
  rule: optional(text(200)),
  class: optional(name()),
  code: optional(text(100)),
  tier: optional(oneOf('AUTO', 'LOG')),
  /** as the ruling carries them: USD_MICROCENTS, expires_in_ms */
  caps: optional(record(anything())),
  demand: optional(record(anything())),
  /** the event that would be recorded: its name, and any part of its data */
  event: optional(record(anything())),
});
export type Expectation = Shape<typeof expectation>;

const caseFile = object({
  /** the policy file, from here */
  policy: text(500),
  tenant: optional(name()),
  agent: optional(name()),
  /** what every proposal has where it does not say otherwise */
  defaults: optional(record(anything())),
  cases: list(object({ name: text(200), agent: optional(name()), propose: record(anything()), expect: expectation }), 2_000),
});

export interface PolicyCase {
  readonly name: string;
  readonly line: number;
  readonly tenant: string;
  readonly agent: string;
  readonly proposal: ProposalWithJson;
  readonly expected: Expectation;
}

export interface CaseFile {
  readonly file: string;
  /** path of the policy */
  readonly policy: string;
  readonly cases: readonly PolicyCase[];
}

const isCaseFile = new Ajv2020({ strict: false, allErrors: true }).compile<Shape<typeof caseFile>>(caseFile.json);

/** What proposals have that say nothing of it. */
const DEFAULTS = { run_id: 'run-1', execution_mode: 'managed' };

/** @throws CommandFailed with every fault of the file, each with its place */
export const readCaseFile = (file: string): CaseFile => {
  const read = readPolicyText(readText(file, 4 * 1024 * 1024));
  if (!read.ok) throw new CommandFailed(EXIT.no, read.faults.map((fault) => `${file}:${fault.line}:${fault.column}: ${fault.message}`).join('\n'));
  if (!isCaseFile(read.value)) throw new CommandFailed(EXIT.no, (isCaseFile.errors ?? []).map((error) => shapeFault(file, read, error)).join('\n'));
  const { policy, tenant = 'acme', agent = 'agent', defaults = {}, cases } = read.value;
  return {
    file,
    policy: resolve(dirname(file), policy),
    cases: cases.map((one, index): PolicyCase => {
      const { line, column } = read.at(`/cases/${index}`);
      const proposal = { scope_path: `tenant:${tenant}`, ...DEFAULTS, ...defaults, ...one.propose, ...toolOf({ ...defaults, ...one.propose }) };
      const fault = proposalFault(proposal);
      if (fault !== undefined) throw new CommandFailed(EXIT.no, `${file}:${line}:${column}: ${one.name}: ${fault}`);
      return { name: one.name, line, tenant, agent: one.agent ?? agent, proposal: proposal as unknown as ProposalWithJson, expected: one.expect };
    }),
  };
};

/** `tool: mailer.send@1.0`, as people write it. */
const toolOf = ({ tool }: Readonly<Record<string, unknown>>): object => {
  if (typeof tool !== 'string') return {};
  const at = tool.lastIndexOf('@');
  return { tool: at < 1 ? { name: tool, version: '1' } : { name: tool.slice(0, at), version: tool.slice(at + 1) } };
};

const shapeFault = (file: string, read: PolicyText & { readonly ok: true }, { instancePath, message, params }: ErrorObject): string => {
  const extra = (params as { additionalProperty?: string }).additionalProperty;
  const { line, column } = read.at(extra === undefined ? instancePath : `${instancePath}/${extra}`);
  return `${file}:${line}:${column}: ${extra === undefined ? `${instancePath} ${message ?? ''}`.trim() : `unknown key "${extra}"`}`;
};
