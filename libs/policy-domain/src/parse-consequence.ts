import type { ApprovalDemand, ApprovalStage, Caps } from '@exequatur/contracts';
import { normalCaps } from '@exequatur/caps';
import { isJsonObject } from '@exequatur/kernel';
import { below, closedMapping, entriesOf, fault, isMapping, isPresent } from './findings.js';
import type { Place } from './findings.js';
import type { ArgumentVariation, ClassRequirements, ConfidenceGate, Consequence, PolicyDecision } from './policy.js';
import { overlaps } from './variations.js';
import { compact, maybe, readAmounts, readChoice, readDuration, readMany, readName, readPointerText, readShare, readText, readTruth, readWhole } from './values.js';

export const CONSEQUENCE_KEYS = ['caps', 'approval', 'tier', 'sample', 'reason', 'confidence', 'rejection_holds', 'varies'] as const;

/** How long a request waits for people where its rule does not say: one day. */
const DEFAULT_TTL_MS = 86_400_000;
/** Who decides where a rule asks for approval and does not say. */
export const DEFAULT_DEMAND: ApprovalDemand = { stages: [{ roles: ['approver'], quorum: 1 }], distinct: true, ttl_ms: DEFAULT_TTL_MS, on_timeout: 'deny' };

/** Where each part may stand; elsewhere it would look as if it did something. */
const ALLOWED_FOR: Readonly<Record<string, readonly PolicyDecision[]>> = {
  caps: ['allow_with_caps', 'require_approval'],
  approval: ['require_approval'],
  rejection_holds: ['require_approval'],
  varies: ['allow_with_caps', 'require_approval'],
  tier: ['allow', 'allow_with_caps'],
  // With require_approval it is the share of what `confidence.log_from` lets through.
  sample: ['allow', 'allow_with_caps', 'require_approval'],
};

export const readConsequence = (place: Place, decision: PolicyDecision | undefined): Consequence => {
  for (const [key, decisions] of Object.entries(ALLOWED_FOR)) {
    if (decision !== undefined && isPresent(below(place, key)) && !decisions.includes(decision)) fault(below(place, key), `"${key}" does nothing with ${decision}; it goes with ${decisions.join(' or ')}`);
  }
  if (decision === 'allow_with_caps' && !isPresent(below(place, 'caps'))) fault(place, 'allow_with_caps needs caps');
  const tier = maybe(place, 'tier', (inner) => readChoice(inner, ['auto', 'log']));
  return compact({
    caps: maybe(place, 'caps', readCaps),
    approval: decision === 'require_approval' ? (maybe(place, 'approval', readDemand) ?? DEFAULT_DEMAND) : undefined,
    tier: tier === undefined ? undefined : tier === 'log' ? ('LOG' as const) : ('AUTO' as const),
    sample_ppm: maybe(place, 'sample', readShare),
    reason: maybe(place, 'reason', (inner) => readText(inner, 500)),
    confidence: maybe(place, 'confidence', (inner) => readConfidence(inner, decision)),
    rejection_holds: maybe(place, 'rejection_holds', (inner) => readChoice(inner, ['run', 'agent'])) === 'agent' ? ('agent' as const) : undefined,
    varies: maybe(place, 'varies', readVariations),
  });
};

/** As many as a grant carries. */
const MAX_VARIATIONS = 20;

const readVariations = (place: Place): readonly ArgumentVariation[] => {
  const entries = Array.isArray(place.value) ? entriesOf(place) : [place];
  if (entries.length === 0 || entries.length > MAX_VARIATIONS) fault(place, `must name 1 to ${MAX_VARIATIONS} arguments`);
  const read = entries.flatMap((entry) => readVariation(entry) ?? []);
  // Each is set apart in what the uses share: one inside another could not be.
  for (const [index, { argument }] of read.entries()) if (read.slice(index + 1).some((other) => overlaps(argument, other.argument))) fault(place, `${argument} overlaps another argument`);
  return read;
};

/** A pointer alone is an amount; `{argument, one_of}` lists the texts. */
const readVariation = (place: Place): ArgumentVariation | undefined => {
  if (typeof place.value === 'string') {
    const argument = readPointerText(place);
    return argument === undefined ? undefined : { argument };
  }
  if (!closedMapping(place, ['argument', 'one_of'])) return undefined;
  const argument = readPointerText(below(place, 'argument'));
  if (!isPresent(below(place, 'one_of'))) fault(place, 'needs one_of, or is written as its pointer alone');
  const listed = maybe(place, 'one_of', (inner) => readMany(inner, (one) => readText(one, 320), 100));
  return argument === undefined ? undefined : compact({ argument, one_of: listed });
};

/** Relaxing is for a rule that asks for approval; an allowing one can only be made to ask. */
const readConfidence = (place: Place, decision: PolicyDecision | undefined): ConfidenceGate | undefined => {
  if (!closedMapping(place, ['ask_below', 'log_from'])) return undefined;
  const misplaced = (key: string, decisions: readonly PolicyDecision[]): void => {
    if (decision !== undefined && isPresent(below(place, key)) && !decisions.includes(decision)) fault(below(place, key), `"${key}" does nothing with ${decision}; it goes with ${decisions.join(' or ')}`);
  };
  misplaced('ask_below', ['allow', 'allow_with_caps']);
  misplaced('log_from', ['require_approval']);
  return compact({ ask_below_ppm: maybe(place, 'ask_below', readShare), log_from_ppm: maybe(place, 'log_from', readShare) });
};

export const readRequirements = (place: Place, decision: PolicyDecision | undefined, goesWith: readonly PolicyDecision[]): ClassRequirements | undefined => {
  if (decision !== undefined && !goesWith.includes(decision)) fault(place, `"requires" does nothing with ${decision}`);
  if (!closedMapping(place, ['evidence', 'reversal', 'max_risk_points', 'max_amount'])) return undefined;
  return compact({
    evidence: maybe(place, 'evidence', readTruth),
    reversal: maybe(place, 'reversal', readTruth),
    max_risk_points: maybe(place, 'max_risk_points', (inner) => readWhole(inner, 1_000_000)),
    max_amount: maybe(place, 'max_amount', readAmounts),
  });
};

const CAP_KEYS = ['max_runtime_sec', 'network_allowlist', 'max_amount', 'allowed_recipients', 'environments', 'tools', 'models', 'row_limit', 'expires_in', 'max_uses', 'max_total', 'own'] as const;

const readCaps = (place: Place): Caps | undefined => {
  if (!closedMapping(place, CAP_KEYS)) return undefined;
  const texts = (key: string, maxLength: number) => maybe(place, key, (inner) => readMany(inner, (one) => readText(one, maxLength)));
  return normalCaps(
    compact({
      max_runtime_sec: maybe(place, 'max_runtime_sec', (inner) => readWhole(inner, 86_400, 1)),
      network_allowlist: texts('network_allowlist', 253),
      max_amount: maybe(place, 'max_amount', readAmounts),
      allowed_recipients: texts('allowed_recipients', 320),
      environments: texts('environments', 64),
      tools: texts('tools', 128),
      models: texts('models', 128),
      row_limit: maybe(place, 'row_limit', (inner) => readWhole(inner, Number.MAX_SAFE_INTEGER)),
      expires_in_ms: maybe(place, 'expires_in', readDuration),
      max_uses: maybe(place, 'max_uses', (inner) => readWhole(inner, 10_000, 1)),
      max_total: maybe(place, 'max_total', readTotals),
      own: maybe(place, 'own', readOwnLimits),
    }),
  );
};

/** `{ USD: "500.00", RISK_POINTS: 20 }`: across all uses of a grant. */
const readTotals = (place: Place): Readonly<Record<string, string>> | undefined => {
  if (isMapping(place) && Object.keys(place.value).length === 0) return fault(place, 'must name a unit, such as USD or RISK_POINTS');
  return readAmounts(place);
};

/** `{ attachments: 5 }`: at most so much of the fact that a tool's `extract.fact.attachments` finds. */
const readOwnLimits = (place: Place): Readonly<Record<string, string>> | undefined => {
  if (!isMapping(place)) return undefined;
  const names = Object.keys(place.value);
  if (names.length === 0 || names.length > MAX_OWN) return fault(place, `must have 1 to ${MAX_OWN} names`);
  const limits: Record<string, string> = {};
  for (const name of names) {
    const limit = readWhole(below(place, name), Number.MAX_SAFE_INTEGER);
    if (!FACT.test(name)) fault(below(place, name), 'must be the name of a fact such as attachments');
    else if (limit !== undefined) limits[name] = String(limit);
  }
  return limits;
};

const MAX_OWN = 20;
const FACT = /^[a-z][a-z0-9_]{0,31}$/;
const MAX_STAGES = 10;
const MAX_ROLES = 20;
const MAX_PLACES = 20;

const readDemand = (place: Place): ApprovalDemand | undefined => {
  if (!closedMapping(place, ['stages', 'roles', 'quorum', 'distinct', 'sla', 'ttl', 'on_timeout', 'escalation', 'alike_except'])) return undefined;
  const stages = isPresent(below(place, 'stages')) ? readStages(below(place, 'stages')) : [readStage(place)];
  if (isPresent(below(place, 'stages')) && isPresent(below(place, 'roles'))) fault(below(place, 'roles'), 'say either stages, or roles and quorum');
  const known = stages.filter((stage) => stage !== undefined);
  return compact({
    stages: known,
    distinct: maybe(place, 'distinct', readTruth) ?? true,
    sla_ms: maybe(place, 'sla', readDuration),
    ttl_ms: maybe(place, 'ttl', readDuration) ?? DEFAULT_TTL_MS,
    ...readTimeout(below(place, 'on_timeout')),
    escalation_ms: maybe(place, 'escalation', readDuration),
    alike_except: maybe(place, 'alike_except', (inner) => readMany(inner, readPointerText, MAX_PLACES)),
  });
};

/** What silence ends in: `deny`, `expire` (a logged no-op), or `{ escalate: <role> }`. Never a yes. */
const readTimeout = (place: Place): Pick<ApprovalDemand, 'on_timeout'> & { readonly escalate_to?: string } => {
  if (!isPresent(place)) return { on_timeout: 'deny' };
  if (isJsonObject(place.value)) {
    const role = closedMapping(place, ['escalate']) ? readName(below(place, 'escalate')) : undefined;
    return { on_timeout: 'escalate', ...(role === undefined ? {} : { escalate_to: role }) };
  }
  if (place.value !== 'deny' && place.value !== 'expire') fault(place, 'must be deny, expire, or { escalate: <role> }');
  return { on_timeout: place.value === 'expire' ? 'expire' : 'deny' };
};

const readStages = (place: Place): readonly (ApprovalStage | undefined)[] => {
  const entries = entriesOf(place);
  if (entries.length < 1 || entries.length > MAX_STAGES) fault(place, `must have 1 to ${MAX_STAGES} stages`);
  return entries.map((entry) => (closedMapping(entry, ['roles', 'quorum']) ? readStage(entry) : undefined));
};

const readStage = (place: Place): ApprovalStage | undefined => {
  const roles = readMany(below(place, 'roles'), readName, MAX_ROLES);
  const quorum = isPresent(below(place, 'quorum')) ? readWhole(below(place, 'quorum'), 20, 1) : 1;
  return roles === undefined || quorum === undefined ? undefined : { roles, quorum };
};
