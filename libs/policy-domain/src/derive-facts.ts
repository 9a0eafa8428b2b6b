import type { Narrowable, PolicyFacts, Proposal } from '@exequatur/contracts';
import { AmountError, decimalToUnit, isRefusal, readPointer, refuse } from '@exequatur/kernel';
import type { Amounts, JsonValue, Refusal } from '@exequatur/kernel';
import { amountList, amountsOf, largerAmounts } from './amounts.js';
import type { Policy, PolicyTool } from './policy.js';
import { MAX_UNITS } from './values.js';

export interface Proposer {
  readonly tenant: string;
  readonly agent: string;
}

type Fault = Refusal<'QUARANTINED_OUT_OF_BOUNDS'>;

/** What the server makes of a proposal. With a fault, `facts` still say what was asked, for the record. */
export interface DerivedFacts {
  readonly facts: PolicyFacts;
  /** extracted, else as claimed; personal */
  readonly target?: string;
  /** personal */
  readonly recipients?: readonly string[];
  readonly narrowable: Narrowable;
  readonly fault?: Fault;
}

/** A proposal as the strict parse gave it: its arguments are JSON. */
export type ProposalWithJson = Proposal & { readonly arguments: JsonValue };

/**
 * Facts from a proposal and the tool table. The table says kind, points, target and amounts; the agent's claims may only add
 * risk: the larger number of points, the larger amounts, more tags.
 */
export const deriveFacts = (policy: Policy, proposal: ProposalWithJson, proposer: Proposer): DerivedFacts => {
  const tool = Object.hasOwn(policy.tools, proposal.tool.name) ? policy.tools[proposal.tool.name] : undefined;
  const claimed = claimedAmounts(proposal);
  if (isRefusal(claimed)) return faulty(proposal, proposer, {}, 0, claimed);
  // Whether the tool may do this kind at all is judged with the rules (judge-tool.ts); extractors of another kind mean nothing.
  if (tool === undefined || tool.kind !== proposal.action_kind) {
    return { facts: factsOf(proposal, proposer, claimed, tool?.risk_points ?? 0), ...(proposal.target === undefined ? {} : { target: proposal.target }), narrowable: {} };
  }
  const found = extract(tool, proposal);
  if (isRefusal(found)) return faulty(proposal, proposer, claimed, tool.risk_points, found);
  const amounts = largerAmounts(claimed, found.amounts);
  if (Object.keys(amounts).length > MAX_UNITS) return faulty(proposal, proposer, claimed, tool.risk_points, outOfBounds(`More than ${MAX_UNITS} units`, '/estimates'));
  return {
    facts: factsOf(proposal, proposer, amounts, tool.risk_points),
    ...(found.target === undefined ? {} : { target: found.target }),
    ...(found.recipients === undefined ? {} : { recipients: found.recipients }),
    narrowable: narrowableOf(tool),
  };
};

const faulty = (proposal: ProposalWithJson, proposer: Proposer, amounts: Amounts, points: number, fault: Fault): DerivedFacts => ({
  facts: factsOf(proposal, proposer, amounts, points),
  ...(proposal.target === undefined ? {} : { target: proposal.target }),
  narrowable: {},
  fault,
});

const factsOf = (proposal: ProposalWithJson, { tenant, agent }: Proposer, amounts: Amounts, toolPoints: number): PolicyFacts => ({
  tenant,
  scope_path: proposal.scope_path,
  agent,
  run_id: proposal.run_id,
  action_kind: proposal.action_kind,
  tool: proposal.tool,
  ...(proposal.environment === undefined ? {} : { environment: proposal.environment }),
  risk_tags: [...new Set(proposal.risk_tags ?? [])].sort(),
  risk_points: Math.max(toolPoints, proposal.risk_points ?? 0),
  amounts: amountList(amounts),
  has_evidence: (proposal.evidence ?? []).length > 0,
  has_reversal: (proposal.reversal?.handle ?? '') !== '',
  ...(proposal.confidence === undefined ? {} : { confidence: proposal.confidence }),
  execution_mode: proposal.execution_mode,
});

const claimedAmounts = (proposal: ProposalWithJson): Amounts | Fault => {
  if ((proposal.estimates ?? []).some(({ unit }) => unit === 'RISK_POINTS')) return refuse('QUARANTINED_OUT_OF_BOUNDS', 'Risk points are claimed in risk_points', '/estimates');
  try {
    return amountsOf(proposal.estimates ?? []);
  } catch (error) {
    if (error instanceof AmountError) return refuse('QUARANTINED_OUT_OF_BOUNDS', 'The estimates are too large', '/estimates');
    throw error;
  }
};

interface Found {
  readonly target?: string;
  readonly recipients?: readonly string[];
  readonly amounts: Amounts;
}

const outOfBounds = (detail: string, pointer?: string): Fault => refuse('QUARANTINED_OUT_OF_BOUNDS', detail, pointer);

const extract = (tool: PolicyTool, proposal: ProposalWithJson): Found | Fault => {
  const target = tool.target === undefined ? proposal.target : readTarget(proposal.arguments, tool.target);
  if (isRefusal(target)) return target;
  if (proposal.target !== undefined && proposal.target !== target) return outOfBounds('The target differs from the one in the arguments', '/target');
  const recipients = tool.recipients === undefined ? undefined : readRecipients(proposal.arguments, tool.recipients);
  if (isRefusal(recipients)) return recipients;
  const amounts = readAmounts(proposal.arguments, tool.amounts);
  if (isRefusal(amounts)) return amounts;
  return { amounts, ...(target === undefined ? {} : { target }), ...(recipients === undefined ? {} : { recipients }) };
};

const MAX_TARGET = 1_000;

const readTarget = (args: JsonValue, pointer: string): string | Fault => {
  const value = readPointer(args, pointer);
  return typeof value === 'string' && value !== '' && value.length <= MAX_TARGET ? value : outOfBounds('The target is not where the tool declares it', `/arguments${pointer}`);
};

const readRecipients = (args: JsonValue, pointer: string): readonly string[] | Fault => {
  const value = readPointer(args, pointer);
  const list = typeof value === 'string' ? [value] : value;
  const isList = Array.isArray(list) && list.length > 0 && list.every((one) => typeof one === 'string' && one !== '');
  return isList ? (list as readonly string[]) : outOfBounds('The recipients are not where the tool declares them', `/arguments${pointer}`);
};

const readAmounts = (args: JsonValue, pointers: PolicyTool['amounts']): Amounts | Fault => {
  const amounts: Record<string, bigint> = {};
  for (const [unitOrCurrency, pointer] of Object.entries(pointers)) {
    const value = readPointer(args, pointer);
    // A number's shortest text is what its canonical form says too; 1e21 and the like are no plain decimals and are refused.
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string') return outOfBounds('The amount is not where the tool declares it', `/arguments${pointer}`);
    try {
      const { unit, amount } = decimalToUnit(text, unitOrCurrency);
      amounts[unit] = amount;
    } catch (error) {
      if (error instanceof AmountError) return outOfBounds('The amount is not a decimal amount', `/arguments${pointer}`);
      throw error;
    }
  }
  return amounts;
};

/** As ApprovalRequired carries them: amounts by the extractor's key, since it says how the text in the arguments is read. */
const narrowableOf = (tool: PolicyTool): Narrowable => {
  const amounts = Object.entries(tool.amounts).filter(([, pointer]) => tool.bounded.includes(pointer));
  const recipients = tool.recipients !== undefined && tool.bounded.includes(tool.recipients) ? tool.recipients : undefined;
  return { ...(amounts.length === 0 ? {} : { amounts: Object.fromEntries(amounts) }), ...(recipients === undefined ? {} : { recipients }) };
};
