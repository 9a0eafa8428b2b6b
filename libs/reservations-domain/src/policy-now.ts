import type { ApprovalStage, Caps, Code, Grant, PolicyFacts, PolicyLimits } from '@exequatur/contracts';
import { refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { evaluate } from '@exequatur/policy-domain';
import type { ArgumentVariation, ConditionLanguage, Policy } from '@exequatur/policy-domain';
import { approversSatisfy } from './approval-stages.js';

/** What the policy in force says about facts: the part of a verdict that a claim depends on. */
export type PolicyOpinion =
  | { readonly verdict: 'ALLOW' | 'ALLOW_WITH_CAPS'; readonly caps: Caps; readonly varies?: readonly ArgumentVariation[] }
  | { readonly verdict: 'REQUIRE_APPROVAL'; readonly stages: readonly ApprovalStage[]; readonly distinct: boolean; readonly caps: Caps; readonly varies?: readonly ArgumentVariation[] }
  | { readonly verdict: 'QUARANTINE' | 'DENY' };

/** The policy version that is in force here for the tenant. Versions rise by tenant. */
export interface PolicyInForceNow {
  readonly version: number;
  readonly hash: string;
  /** Evaluates this version (libs/policy-domain). */
  readonly opinionOn: (facts: PolicyFacts) => PolicyOpinion;
  /** Its limits on runs and velocity: those of the version in force apply to every claim, whatever its grant was made under. */
  readonly limits?: PolicyLimits;
}

/**
 * A published policy, ready to be asked.
 * @param registered the kinds that globs may match in this version
 * @param conditions language of `when:`; without it a rule that has one cannot be evaluated, and refuses
 */
export const policyInForce = (version: number, hash: string, policy: Policy, registered: ReadonlySet<string>, limits?: PolicyLimits, conditions?: ConditionLanguage): PolicyInForceNow => ({
  version,
  hash,
  ...(limits === undefined ? {} : { limits }),
  opinionOn: (facts) => {
    const { verdict, caps, demand, varies } = evaluate(policy, registered, facts, conditions);
    const varying = varies === undefined ? {} : { varies };
    if (verdict === 'ALLOW' || verdict === 'ALLOW_WITH_CAPS') return { verdict, caps, ...varying };
    if (verdict === 'REQUIRE_APPROVAL') return { verdict, stages: demand?.stages ?? [], distinct: demand?.distinct ?? true, caps, ...varying };
    return { verdict };
  },
});

export interface PolicyAgreement {
  readonly result: 'same' | 're_evaluated';
  readonly version: number;
  readonly hash: string;
  /** Caps the policy adds now; {} when it is the grant's own version. */
  readonly caps: Caps;
  /** evaluated again: the arguments that may differ from use to use now */
  readonly varies?: readonly ArgumentVariation[];
}

/**
 * Does the policy in force agree with a grant that was made under another version? (architecture.md "Grants")
 * - POLICY_NOT_YET_KNOWN: no policy is in force here yet, or the grant's version is newer; a retry can help, never stored.
 * - POLICY_CHANGED_DENY: it denies, or quarantines, now. Deny beats an older approval.
 * - POLICY_CHANGED_APPROVAL_REQUIRED: it asks for people who did not vote.
 */
export const agreeWithPolicyNow = (grant: Grant, policy: PolicyInForceNow | undefined): PolicyAgreement | Refusal<Code> => {
  if (policy === undefined) return refuse('POLICY_NOT_YET_KNOWN');
  const { version, hash } = policy;
  if (hash === grant.policy_hash) return { result: 'same', version, hash, caps: {} };
  if (grant.policy_version > version) return refuse('POLICY_NOT_YET_KNOWN');
  const opinion = policy.opinionOn(grant.facts);
  switch (opinion.verdict) {
    case 'ALLOW':
    case 'ALLOW_WITH_CAPS':
      return agreedAnew(policy, opinion);
    case 'REQUIRE_APPROVAL':
      return approversSatisfy(grant.approvers, opinion.stages, opinion.distinct)
        ? agreedAnew(policy, opinion)
        : refuse('POLICY_CHANGED_APPROVAL_REQUIRED');
    case 'QUARANTINE':
    case 'DENY':
      return refuse('POLICY_CHANGED_DENY');
  }
};

const agreedAnew = ({ version, hash }: PolicyInForceNow, { caps, varies = [] }: Extract<PolicyOpinion, { readonly caps: Caps }>): PolicyAgreement => ({ result: 're_evaluated', version, hash, caps, varies });
