import { proposalShape } from '@exequatur/contracts';
import { deriveFacts, judge, registeredKinds } from '@exequatur/policy-domain';
import type { DerivedFacts, Policy, ProposalWithJson, Ruling } from '@exequatur/policy-domain';
import { policyLanguages } from '@exequatur/policy-languages';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** A policy ready to be asked, with the kinds it names itself. */
export interface AskedPolicy {
  readonly policy: Policy;
  readonly registered: ReadonlySet<string>;
}

export const askedPolicy = (policy: Policy): AskedPolicy => ({ policy, registered: new Set(registeredKinds(policy)) });

const isProposal = new Ajv2020({ strict: false }).compile(proposalShape.json);

/** What makes it no proposal; undefined when it is one. */
export const proposalFault = (value: unknown): string | undefined => {
  if (isProposal(value)) return undefined;
  const [error] = isProposal.errors ?? [];
  const extra = (error?.params as { additionalProperty?: string } | undefined)?.additionalProperty;
  return `${error?.instancePath ?? ''} ${error?.message ?? 'is no proposal'}${extra === undefined ? '' : `: ${extra}`}`.trim();
};

export const rulingOn = ({ policy, registered }: AskedPolicy, tenant: string, agent: string, proposal: ProposalWithJson): { readonly ruling: Ruling; readonly derived: DerivedFacts } => {
  const derived = deriveFacts(policy, proposal, { tenant, agent }, policyLanguages.schemas);
  return { derived, ruling: judge(policy, registered, derived, policyLanguages.conditions) };
};
