import type { Narrowable, PolicyFacts, Proposal } from '@exequatur/contracts';
import { AmountError, canonicalText, isRefusal, refuse } from '@exequatur/kernel';
import type { Amounts, JsonValue } from '@exequatur/kernel';
import { amountList, amountsOf, largerAmounts } from './amounts.js';
import type { SchemaLanguage } from './argument-schema.js';
import { checkArguments, extract, isSource, outOfBounds } from './extract.js';
import type { Fault } from './extract.js';
import type { Policy, PolicyTool } from './policy.js';
import { MAX_UNITS } from './values.js';

export interface Proposer {
  readonly tenant: string;
  readonly agent: string;
}

/** What the server makes of a proposal. With a fault, `facts` still say what was asked, for the record. */
export interface DerivedFacts {
  readonly facts: PolicyFacts;
  /** extracted, else as claimed; personal */
  readonly target?: string;
  /** personal */
  readonly recipients?: readonly string[];
  /** handle that the tool's template gives; personal */
  readonly reversal?: string;
  readonly narrowable: Narrowable;
  readonly fault?: Fault;
}

/** A proposal as the strict parse gave it: its arguments are JSON. */
export type ProposalWithJson = Proposal & { readonly arguments: JsonValue };

/**
 * Facts from a proposal and the tool table. The table says kind, points, tags, target, amounts and the rest; the agent's claims
 * may only add risk: the larger number of points, the larger amounts, more tags. Where they do, `derived` says what holds
 * without them. Arguments that are not what the tool's schema asks for are a fault, as is a schema nobody can read.
 * @param schemas language of argument schemas
 */
export const deriveFacts = (policy: Policy, proposal: ProposalWithJson, proposer: Proposer, schemas?: SchemaLanguage): DerivedFacts => {
  const tool = Object.hasOwn(policy.tools, proposal.tool.name) ? policy.tools[proposal.tool.name] : undefined;
  const known = knownOf(tool);
  const claimed = claimedAmounts(proposal);
  if (isRefusal(claimed)) return faulty(proposal, proposer, known, {}, claimed);
  // Whether the tool may do this kind at all is judged with the rules (judge-tool.ts); extractors of another kind mean nothing.
  if (tool === undefined || tool.kind !== proposal.action_kind) {
    return { facts: factsOf(proposal, proposer, known, claimed), ...(proposal.target === undefined ? {} : { target: proposal.target }), narrowable: {} };
  }
  const found = checkArguments(tool, proposal.arguments, schemas) ?? extract(tool, proposal, schemas);
  if (isRefusal(found)) return faulty(proposal, proposer, known, claimed, found);
  if (Object.keys(largerAmounts(claimed, found.amounts)).length > MAX_UNITS) return faulty(proposal, proposer, known, claimed, outOfBounds(`More than ${MAX_UNITS} units`, '/estimates'));
  return {
    facts: factsOf(proposal, proposer, { ...known, ...found.facts, amounts: found.amounts, ...(tool.reversal === undefined ? {} : { has_reversal: found.reversal !== undefined }) }, claimed),
    ...(found.target === undefined ? {} : { target: found.target }),
    ...(found.recipients === undefined ? {} : { recipients: found.recipients }),
    ...(found.reversal === undefined ? {} : { reversal: found.reversal }),
    narrowable: narrowableOf(tool),
  };
};

/** What the server knows of an action without asking its agent. */
type Known = Pick<PolicyFacts, 'environment' | 'risk_tags' | 'risk_points' | 'topics' | 'data_labels' | 'target' | 'recipient_count' | 'recipient_domains' | 'rows' | 'model' | 'named'> & { readonly amounts: Amounts; /** where the tool says how it is undone */ readonly has_reversal?: boolean };

const knownOf = (tool: PolicyTool | undefined): Known => ({
  risk_tags: tool?.risk_tags ?? [],
  risk_points: tool?.risk_points ?? 0,
  amounts: {},
  ...(tool?.topics === undefined ? {} : { topics: tool.topics }),
  ...(tool?.data_labels === undefined ? {} : { data_labels: tool.data_labels }),
  ...(tool?.environment === undefined || isSource(tool.environment) ? {} : { environment: tool.environment }),
});

const faulty = (proposal: ProposalWithJson, proposer: Proposer, known: Known, claimed: Amounts, fault: Fault): DerivedFacts => ({
  facts: factsOf(proposal, proposer, known, claimed),
  ...(proposal.target === undefined ? {} : { target: proposal.target }),
  narrowable: {},
  fault,
});

const factsOf = (proposal: ProposalWithJson, { tenant, agent }: Proposer, known: Known, claimed: Amounts): PolicyFacts => {
  const { amounts, environment, ...facts } = known;
  const derived = { ...(environment === undefined ? {} : { environment }), risk_tags: sorted(known.risk_tags), risk_points: known.risk_points, amounts: amountList(amounts) };
  const stated = {
    ...(environment !== undefined ? { environment } : proposal.environment === undefined ? {} : { environment: proposal.environment }),
    risk_tags: sorted([...known.risk_tags, ...(proposal.risk_tags ?? [])]),
    risk_points: Math.max(known.risk_points, proposal.risk_points ?? 0),
    amounts: amountList(largerAmounts(claimed, amounts)),
  };
  return {
    tenant,
    scope_path: proposal.scope_path,
    agent,
    run_id: proposal.run_id,
    action_kind: proposal.action_kind,
    tool: proposal.tool,
    ...facts,
    ...stated,
    has_evidence: (proposal.evidence ?? []).length > 0,
    has_reversal: known.has_reversal ?? (proposal.reversal?.handle ?? '') !== '',
    ...(proposal.confidence === undefined ? {} : { confidence: proposal.confidence }),
    execution_mode: proposal.execution_mode,
    ...(proposal.delegation_id === undefined ? {} : { delegation_id: proposal.delegation_id }),
    ...(canonicalText(stated) === canonicalText(derived) ? {} : { derived }),
  };
};

/** As many as facts carry; what an agent claims past them would be refused by the event, so it is dropped in order. */
const MAX_TAGS = 50;
const sorted = (tags: readonly string[]): readonly string[] => [...new Set(tags)].slice(0, MAX_TAGS).sort();

const claimedAmounts = (proposal: ProposalWithJson): Amounts | Fault => {
  if ((proposal.estimates ?? []).some(({ unit }) => unit === 'RISK_POINTS')) return refuse('QUARANTINED_OUT_OF_BOUNDS', 'Risk points are claimed in risk_points', '/estimates');
  try {
    return amountsOf(proposal.estimates ?? []);
  } catch (error) {
    if (error instanceof AmountError) return refuse('QUARANTINED_OUT_OF_BOUNDS', 'The estimates are too large', '/estimates');
    throw error;
  }
};

/** As ApprovalRequired carries them: amounts by the extractor's key, since it says how the text in the arguments is read. */
const narrowableOf = (tool: PolicyTool): Narrowable => {
  const amounts = Object.entries(tool.amounts).filter(([, pointer]) => tool.bounded.includes(pointer));
  const recipients = tool.recipients !== undefined && tool.bounded.includes(tool.recipients) ? tool.recipients : undefined;
  return { ...(amounts.length === 0 ? {} : { amounts: Object.fromEntries(amounts) }), ...(recipients === undefined ? {} : { recipients }) };
};
