import { MAX_CANONICAL_POLICY } from '@exequatur/contracts';
import type { ApprovalDemand, Caps, PolicyLimits } from '@exequatur/contracts';
import { canonicalBytes, canonicalText, parseStrict, sha256Text } from '@exequatur/kernel';
import type { JsonObject } from '@exequatur/kernel';
import type { AutonomyLevels, AutonomySettings } from './autonomy.js';

/** From loosest to strictest; the strictest of the matching rules wins. */
export const DECISIONS = ['allow', 'allow_with_caps', 'require_approval', 'quarantine', 'deny'] as const;
export type PolicyDecision = (typeof DECISIONS)[number];

/**
 * What an action must bring along. Where a class or rule allows, a person is asked for one that does not; where a rule asks
 * for approval, such a one is denied before it reaches a person.
 */
export type ClassRequirements = {
  readonly evidence?: boolean;
  readonly reversal?: boolean;
  readonly max_risk_points?: number;
  /** by unit */
  readonly max_amount?: Readonly<Record<string, string>>;
};

/** What a decision brings along, on rules and on class defaults alike. */
export type Consequence = {
  readonly caps?: Caps;
  readonly approval?: ApprovalDemand;
  readonly tier?: 'AUTO' | 'LOG';
  /** share of LOG actions drawn for review, in parts per million: our own fields hold no floats */
  readonly sample_ppm?: number;
  readonly reason?: string;
  readonly confidence?: ConfidenceGate;
  /** which arguments may differ from use to use of the grant */
  readonly varies?: readonly ArgumentVariation[];
  /** require_approval: a rejection holds for 24 hours in all runs of the agent, not only in its own */
  readonly rejection_holds?: 'agent';
};

/** An amount that the tool lets be narrowed, up to what is granted; with `one_of` another argument, a text or list of texts among these. */
export type ArgumentVariation = { readonly argument: string; readonly one_of?: readonly string[] };

/** What the agent's own confidence may do, in parts per million. Unstated confidence counts as 0. */
export type ConfidenceGate = {
  /** allow and allow_with_caps: a person is asked below it */
  readonly ask_below_ppm?: number;
  /** require_approval: from it on the action is allowed in the LOG tier, and the decision says so */
  readonly log_from_ppm?: number;
};

export type PolicyClass = Consequence & {
  /** globs over registered kinds; one without `*` registers its kind */
  readonly kinds: readonly string[];
  readonly default: PolicyDecision;
  readonly requires?: ClassRequirements;
  readonly retention_ms?: number;
  readonly on_silence: 'unknown' | 'expire';
};

/** What the server knows of a tool. Pointers are RFC 6901, into the arguments; an extractor may be `=` and an expression instead. */
export type PolicyTool = {
  readonly kind: string;
  /** allowed versions; any when absent */
  readonly versions?: readonly string[];
  readonly risk_points: number;
  readonly target?: string;
  readonly recipients?: string;
  /** pointer by currency or unit as written in arguments: USD is read as dollars, other units as integers */
  readonly amounts: Readonly<Record<string, string>>;
  /** which of the extracted pointers a reviewer may narrow */
  readonly bounded: readonly string[];
  readonly risk_tags?: readonly string[];
  readonly topics?: readonly string[];
  readonly data_labels?: readonly string[];
  /** a name, or a pointer to one: where the tool acts, as the server knows it */
  readonly environment?: string;
  readonly rows?: string;
  readonly model?: string;
  /** pointers to own facts by their name */
  readonly named?: Readonly<Record<string, string>>;
  /** values that are not personal, so that they may stand in events and rules may match on them */
  readonly disclose?: readonly 'target'[];
  /** how an action of this tool is undone: text with pointers in braces. An agent's own handle then counts for nothing */
  readonly reversal?: string;
  /** JSON Schema (2020-12) of the arguments */
  readonly arguments?: JsonObject;
};

/** Every named condition must hold; within one, any entry. */
export type PolicyMatch = {
  readonly kind?: readonly string[];
  readonly class?: readonly string[];
  readonly risk_tags?: readonly string[];
  readonly tenant?: readonly string[];
  readonly env?: readonly string[];
  /** `name`, `name@version`, or `name@>=1.2 <2` */
  readonly tool?: readonly string[];
  readonly agent?: readonly string[];
  /** scope paths: these and everything below them */
  readonly scope?: readonly string[];
  readonly topics?: readonly string[];
  readonly data_labels?: readonly string[];
  /** globs over the target, where the tool table discloses it */
  readonly target?: readonly string[];
};

export type PolicyRule = Consequence & {
  readonly id: string;
  readonly match: PolicyMatch;
  /** CEL; must hold too */
  readonly when?: string;
  readonly requires?: ClassRequirements;
  /** The rule does not apply where the named rule does. */
  readonly unless?: string;
  readonly decision: PolicyDecision;
};

/** A parsed policy file in normal form: durations in ms, money in micro-cents, one-or-many as lists. */
export type Policy = {
  readonly version: 1;
  readonly classes: Readonly<Record<string, PolicyClass>>;
  readonly tools: Readonly<Record<string, PolicyTool>>;
  readonly rules: readonly PolicyRule[];
  /** of runs, velocity and circuits: judged by reservations at every claim (`limitsOf` adds those of the organisation) */
  readonly limits?: PolicyLimits;
  /** who may publish what comes after this */
  readonly publication?: Publication;
  /** when the autonomy of an agent is suggested to rise, and when it falls by itself */
  readonly autonomy?: AutonomySettings;
  /** what stands above and beside the tenant's own policy; written by composition (compose-policy.ts), never in a file */
  readonly layers?: readonly PolicyLayer[];
  /** by agent and kind (`*`: its other kinds); written when a level changes, never in a file */
  readonly levels?: AutonomyLevels;
};

export type Publication = { readonly second_person: boolean };

/** Restrictions in the same language. A layer is asked beside the tenant's policy and the strictest answer holds; it has none of its own for what it does not name. */
export type PolicyLayer = {
  /** `organisation`, or `overlay:` and its name */
  readonly name: string;
  /** holds for this scope path and everything below it; everywhere when absent */
  readonly scope?: string;
  readonly policy: Policy;
};

/** A tenant that has published nothing: nothing is registered, so everything is set aside. Has version 0. */
export const EMPTY_POLICY: Policy = { version: 1, classes: {}, tools: {}, rules: [] };

/** The text that events carry as `canonical`, and that policy_hash is the hash of. */
export const policyText = (policy: Policy): string => canonicalText(policy);

export const policyHash = (policy: Policy): string => sha256Text(canonicalBytes(policy));

/** A policy from its canonical text. The caller has checked that `policy_hash` is the text's hash, and who signed it. @throws StrictJsonError */
export const readPolicy = (canonical: string): Policy => parseStrict(canonical, { maxBytes: 3 * MAX_CANONICAL_POLICY }) as unknown as Policy;

/** The canonical text of a tenant's own policy, in characters. */
export const MAX_POLICY_BYTES = 256 * 1024;

/** Of the organisation's layer, of all overlays of a tenant together, and of levels: so that all of them always fit MAX_CANONICAL_POLICY. */
export const MAX_ORGANISATION = 64 * 1024;
export const MAX_OVERLAYS = 128 * 1024;
export const MAX_LEVELS = 60 * 1024;
