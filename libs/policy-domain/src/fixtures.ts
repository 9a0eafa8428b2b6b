import type { PolicyFacts } from '@exequatur/contracts';
import type { JsonObject } from '@exequatur/kernel';
import type { ProposalWithJson } from './derive-facts.js';
import { parsePolicy } from './parse-policy.js';
import type { Policy } from './policy.js';

/** A policy from its document, for specs. @throws when it has a fault */
export const policyFrom = (document: JsonObject): Policy => {
  const parsed = parsePolicy({ version: 1, ...document });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
  return parsed.policy;
};

export const factsOf = (change: Partial<PolicyFacts> = {}): PolicyFacts => ({
  tenant: 'acme',
  scope_path: 'tenant:acme/workspace:sales/app:outreach',
  agent: 'outreach-bot',
  run_id: 'run-1',
  action_kind: 'message.email.send',
  tool: { name: 'mailer.send', version: '1.0' },
  risk_tags: [],
  risk_points: 20,
  amounts: [],
  has_evidence: false,
  has_reversal: false,
  execution_mode: 'managed',
  ...change,
});

export const proposalOf = (change: Partial<ProposalWithJson> = {}): ProposalWithJson => ({
  scope_path: 'tenant:acme/workspace:sales/app:outreach',
  run_id: 'run-1',
  action_kind: 'payment.refund',
  tool: { name: 'billing.refund', version: '1.0' },
  arguments: { account: 'A-7', amount: '42.00' },
  execution_mode: 'managed',
  ...change,
});
