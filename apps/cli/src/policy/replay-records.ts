import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { ActionProposed, policyFacts } from '@exequatur/contracts';
import type { PolicyFacts } from '@exequatur/contracts';
import { evaluate, outcomeOf, replayTally } from '@exequatur/policy-domain';
import type { ReplayReport } from '@exequatur/policy-domain';
import { policyLanguages } from '@exequatur/policy-languages';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { askedPolicy } from './asked-policy.js';
import { readPolicy } from './read-files.js';

export interface ReplayOptions {
  readonly policy: string;
  readonly against: string;
  readonly failOn?: string;
  readonly json?: boolean;
}

const isFacts = new Ajv2020({ strict: false }).compile<PolicyFacts>(policyFacts.json);
const FAIL_ON = ['relaxed', 'tightened', 'changed'];
/** A dot on standard error for each of these, so that a long replay is seen to live. */
const PROGRESS = 10_000;

/**
 * Two policies on recorded facts: those of ActionProposed events of an exported log (other events are passed over), or one
 * facts object a line. A line without facts where there must be some ends the replay: nothing is guessed.
 */
export const replayRecords = async (terminal: Terminal, file: string, options: ReplayOptions): Promise<number> => {
  if (options.failOn !== undefined && !FAIL_ON.includes(options.failOn)) throw new CommandFailed(EXIT.usage, `--fail-on is one of ${FAIL_ON.join(', ')}`);
  const [before, after] = [askedPolicy(readPolicy(options.against)), askedPolicy(readPolicy(options.policy))];
  const tally = replayTally();
  let at = 0;
  let replayed = 0;
  for await (const text of linesOf(file)) {
    at += 1;
    const record = recordIn(file, at, text);
    if (record === undefined) continue;
    const { facts, actionId } = record;
    const outcome = ({ policy, registered }: typeof before) => outcomeOf(evaluate(policy, registered, facts, policyLanguages.conditions));
    tally.add({ action_id: actionId, action_kind: facts.action_kind, before: outcome(before), after: outcome(after) });
    replayed += 1;
    if (replayed % PROGRESS === 0) terminal.err('.');
  }
  if (replayed >= PROGRESS) terminal.err('\n');
  const report = tally.report();
  if (options.json === true) line(terminal, JSON.stringify(report));
  else print(terminal, report);
  return failed(report, options.failOn) ? EXIT.no : EXIT.done;
};

const failed = ({ relaxed, tightened }: ReplayReport, on: string | undefined): boolean => (on === 'relaxed' && relaxed > 0) || (on === 'tightened' && tightened > 0) || (on === 'changed' && relaxed + tightened > 0);

const linesOf = async function* (file: string): AsyncGenerator<string> {
  const stream = createReadStream(file, 'utf8');
  try {
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) if (text.trim() !== '') yield text;
  } catch {
    throw new CommandFailed(EXIT.usage, `${file}: cannot be read`);
  } finally {
    stream.destroy();
  }
};

const recordIn = (file: string, at: number, text: string): { readonly facts: PolicyFacts; readonly actionId: string } | undefined => {
  let value: { readonly type?: string; readonly subject?: string; readonly action_id?: string; readonly facts?: unknown; readonly data?: { readonly facts?: unknown } };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw new CommandFailed(EXIT.no, `${file}:${at}: is no JSON`);
  }
  if (typeof value.type === 'string' && value.type !== ActionProposed.type) return undefined;
  const facts = value.type === undefined ? (value.facts ?? value) : value.data?.facts;
  if (!isFacts(facts)) throw new CommandFailed(EXIT.no, `${file}:${at}: the facts are missing, or not what policy records (${isFacts.errors?.[0]?.instancePath ?? ''} ${isFacts.errors?.[0]?.message ?? ''}); nothing was replayed past it`);
  return { facts, actionId: value.subject ?? value.action_id ?? `line ${at}` };
};

const print = (terminal: Terminal, report: ReplayReport): void => {
  line(terminal, `${report.total} actions: ${report.relaxed} relaxed, ${report.tightened} tightened, ${report.unchanged} unchanged`);
  for (const [kind, counts] of Object.entries(report.by_kind)) if (counts.relaxed + counts.tightened > 0) line(terminal, `  kind ${kind}: ${counts.relaxed} relaxed, ${counts.tightened} tightened`);
  for (const [rule, counts] of Object.entries(report.by_rule)) if (counts.relaxed + counts.tightened > 0) line(terminal, `  rule ${rule}: ${counts.relaxed} relaxed, ${counts.tightened} tightened`);
  for (const { action_id, change, before, after } of report.changes) line(terminal, `  ${change} ${action_id}: ${before.verdict} (${before.rule_id}) → ${after.verdict} (${after.rule_id})`);
};
