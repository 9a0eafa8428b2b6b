import type { ApprovalDemand, ApprovalStage, Caps, Code, Verdict } from '@exequatur/contracts';
import { intersectCaps } from '@exequatur/caps';
import type { ArgumentVariation, Consequence, PolicyDecision } from './policy.js';

export type QuarantineCode = Extract<Code, `QUARANTINED_${string}`>;
export type DenyCode = Extract<Code, 'POLICY_DENIED' | 'TOOL_NOT_ALLOWED' | 'PREVIOUSLY_REJECTED'>;

/** Policy's answer, with everything that follows from it. */
export interface Ruling {
  readonly verdict: Verdict;
  /** on ALLOW and ALLOW_WITH_CAPS */
  readonly tier?: 'AUTO' | 'LOG';
  /** the matching rules, joined by `+`; `class:<name>`, `tool:<name>` or `default:unknown` where no rule matched */
  readonly rule_id: string;
  readonly reason: string;
  /** on QUARANTINE and DENY */
  readonly code?: QuarantineCode | DenyCode;
  readonly caps: Caps;
  /** on REQUIRE_APPROVAL */
  readonly demand?: ApprovalDemand;
  readonly action_class?: string;
  readonly on_silence: 'unknown' | 'expire';
  /** share of LOG actions drawn for review, parts per million */
  readonly sample_ppm: number;
  /** on REQUIRE_APPROVAL: how far a rejection holds against the same action; `run` when absent */
  readonly rejection_holds?: 'agent';
  /** arguments that may differ from use to use of the grant: those that all who decide let vary */
  readonly varies?: readonly ArgumentVariation[];
}

/** One rule, or a class default, that applies. */
export interface Candidate extends Consequence {
  readonly decision: PolicyDecision;
  readonly id: string;
  readonly code?: QuarantineCode | DenyCode;
}

const VERDICT_OF: Readonly<Record<PolicyDecision, Verdict>> = { allow: 'ALLOW', allow_with_caps: 'ALLOW_WITH_CAPS', require_approval: 'REQUIRE_APPROVAL', quarantine: 'QUARANTINE', deny: 'DENY' };

/** Longest rule_id and reason of the contract. */
const MAX_RULE_ID = 200;
const MAX_REASON = 1_000;

/** Candidates of one decision as one ruling: caps intersect, approvals stack. Their order does not matter. */
export const combine = (candidates: readonly Candidate[], decision: PolicyDecision, fallbackReason: string): Omit<Ruling, 'on_silence' | 'action_class'> => {
  const sorted = candidates.length === 1 ? candidates : [...candidates].sort((a, b) => (a.id < b.id ? -1 : 1));
  const reasons = sorted.flatMap(({ reason }) => reason ?? []);
  const ruling = {
    verdict: VERDICT_OF[decision],
    rule_id: joinedIds(sorted.map(({ id }) => id)),
    reason: joinedReasons(reasons.length === 0 ? [fallbackReason] : reasons),
    caps: capsOf(sorted),
    sample_ppm: Math.max(0, ...sorted.map(({ sample_ppm }) => sample_ppm ?? 0)),
  };
  switch (decision) {
    case 'allow':
    case 'allow_with_caps':
      return { ...ruling, ...variesOf(sorted), tier: sorted.some(({ tier }) => tier === 'LOG') ? 'LOG' : 'AUTO' };
    case 'require_approval':
      return { ...ruling, ...variesOf(sorted), demand: stackDemands(sorted.flatMap(({ approval }) => approval ?? [])), ...(sorted.some(({ rejection_holds }) => rejection_holds === 'agent') ? { rejection_holds: 'agent' as const } : {}) };
    case 'quarantine':
      return { ...ruling, code: sorted.find(({ code }) => code !== undefined)?.code ?? 'QUARANTINED_OUT_OF_BOUNDS' };
    case 'deny':
      return { ...ruling, code: sorted.find(({ code }) => code !== undefined)?.code ?? 'POLICY_DENIED' };
  }
};

/** What every one of them lets vary: an opinion without it fixes all arguments. */
export const variesOf = (opinions: readonly { readonly varies?: readonly ArgumentVariation[] }[]): Pick<Ruling, 'varies'> => {
  const [first, ...others] = opinions.map(({ varies }) => varies ?? []);
  const common = others.reduce<readonly ArgumentVariation[]>((known, more) => known.flatMap((one) => commonOf(one, more.find(({ argument }) => argument === one.argument))), first ?? []);
  return common.length === 0 ? {} : { varies: common };
};

const commonOf = (one: ArgumentVariation, other: ArgumentVariation | undefined): readonly ArgumentVariation[] => {
  if (other === undefined || (one.one_of === undefined) !== (other.one_of === undefined)) return [];
  if (one.one_of === undefined) return [one];
  const listed = one.one_of.filter((text) => other.one_of?.includes(text) === true);
  return listed.length === 0 ? [] : [{ argument: one.argument, one_of: listed }];
};

export const joinedReasons = (reasons: readonly string[]): string => [...new Set(reasons)].join('; ').slice(0, MAX_REASON);

/** Text of caps of a policy, which never change: many rules have the same, and intersecting costs more than comparing. */
const TEXTS = new WeakMap<Caps, string>();

const textOf = (caps: Caps): string => {
  const known = TEXTS.get(caps);
  if (known !== undefined) return known;
  const text = JSON.stringify(caps);
  TEXTS.set(caps, text);
  return text;
};

export const capsOf = (candidates: readonly { readonly caps?: Caps }[]): Caps => {
  const distinct = new Map<string, Caps>();
  for (const { caps } of candidates) if (caps !== undefined) distinct.set(textOf(caps), caps);
  const [first, ...others] = distinct.values();
  return first === undefined ? {} : others.reduce<Caps>((caps, more) => intersectCaps(caps, more), first);
};

export const joinedIds = (ids: readonly string[]): string => {
  const all = ids.join('+');
  return all.length <= MAX_RULE_ID ? all : `${(ids[0] ?? '').slice(0, 150)}+${ids.length - 1} more`;
};

/**
 * Every stage of every demand; stages that ask the same roles are one, with the larger quorum. The shortest time holds. Demands
 * that end differently in silence end in a denial.
 */
export const stackDemands = (demands: readonly ApprovalDemand[]): ApprovalDemand => {
  const stages = new Map<string, ApprovalStage>();
  for (const stage of demands.flatMap((demand) => demand.stages)) {
    const key = [...stage.roles].sort().join(' ');
    stages.set(key, { roles: stage.roles, quorum: Math.max(stage.quorum, stages.get(key)?.quorum ?? 1) });
  }
  const slas = demands.flatMap(({ sla_ms }) => sla_ms ?? []);
  return {
    stages: [...stages.values()],
    distinct: demands.some(({ distinct }) => distinct),
    ...(slas.length === 0 ? {} : { sla_ms: Math.min(...slas) }),
    ttl_ms: Math.min(...demands.map(({ ttl_ms }) => ttl_ms)),
    ...silence(demands),
    ...alike(demands),
  };
};

/** As many as the contract carries. */
const MAX_ALIKE = 20;

/** What any of them leaves out of a comparison: the more is left out, the more earlier rejections people are shown. */
const alike = (demands: readonly ApprovalDemand[]): Pick<ApprovalDemand, 'alike_except'> => {
  const places = [...new Set(demands.flatMap(({ alike_except }) => alike_except ?? []))].sort();
  return places.length === 0 ? {} : { alike_except: places.slice(0, MAX_ALIKE) };
};

const silence = (demands: readonly ApprovalDemand[]): Pick<ApprovalDemand, 'on_timeout' | 'escalate_to' | 'escalation_ms'> => {
  const endings = new Set(demands.map(({ on_timeout, escalate_to }) => `${on_timeout} ${escalate_to ?? ''}`));
  const [first] = demands;
  if (endings.size !== 1 || first === undefined) return { on_timeout: 'deny' };
  const terms = demands.flatMap(({ escalation_ms }) => escalation_ms ?? []);
  return {
    on_timeout: first.on_timeout,
    ...(first.escalate_to === undefined ? {} : { escalate_to: first.escalate_to }),
    ...(terms.length === 0 ? {} : { escalation_ms: Math.min(...terms) }),
  };
};
