import type { Caps, SealedProposal } from '@exequatur/contracts';
import { canonicalBytes, canonicalText, isRefusal, parseStrict, readPointer, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { shownAmount } from './amount-argument.js';
import { RENDERER } from './card.js';
import type { Card, DecisionSummary, Renderer } from './card.js';
import { cardExtras } from './card-extras.js';
import { EMPTY_CONTEXT } from './card-context.js';
import type { CardContext } from './card-context.js';
import { GRANT_LIFETIME_MS, GRANT_USES, narrowArguments } from './narrowing.js';
import { parameterRows } from './parameter-rows.js';
import type { Density } from './parameter-rows.js';
import type { RequestFacts } from './request-facts.js';
import { shownDuration } from './shown-duration.js';
import { shownInstant } from './shown-instant.js';
import { linkSuspicions, suspicionsIn } from './suspicious-text.js';
import type { Suspicion } from './suspicious-text.js';
import { visibleText } from './visible-text.js';
import type { Oddity } from './visible-text.js';

const LIMITS = { target: 1_000, words: 8_000, impact: 4_000, evidence: 20, evidenceTitle: 200, evidenceUrl: 500, reversal: 1_000, narrowed: 500, list: 500, reason: 1_000, warnings: 100 } as const;

/**
 * An event has at most 1 MiB, in which a hostile proposal alone can fill three quarters once it is quoted, encrypted and
 * encoded. The card takes the first density at which its quoted text stays within its share.
 */
const CARD_QUOTED_BYTES = 220_000;
const DENSITIES: readonly [Density, ...Density[]] = [
  { rows: 500, text: 60_000 },
  { rows: 250, text: 30_000 },
  { rows: 60, text: 7_500 },
];

/** Shows one text and remembers what was odd about it. */
export type Show = (where: string, text: string | undefined, limit: number) => string;
type Warnings = { where: string; found: Oddity | Suspicion }[];

interface Rendered {
  readonly request: RequestFacts;
  readonly proposal: SealedProposal;
  readonly context: CardContext;
  readonly renderer: Renderer;
}

/**
 * The card: a pure function of what policy asked (ApprovalRequired, kept in ApprovalOpened), the sealed proposal (with a
 * person's edited arguments in the place of the proposed ones) and the sealed context. The same input gives the same bytes
 * for ever, so what was seen can be recomputed (invariant 26). "card/1" knew no context.
 */
export const renderCard = (request: RequestFacts, proposal: SealedProposal, context: CardContext = EMPTY_CONTEXT, renderer: Renderer = RENDERER): Card => {
  const [densest, ...sparser] = DENSITIES;
  const rendered: Rendered = { request, proposal, context, renderer };
  let card = cardAt(densest, rendered);
  for (const density of sparser) {
    if (quotedBytes(card) <= CARD_QUOTED_BYTES) break;
    card = cardAt(density, rendered);
  }
  return card;
};

const quotedBytes = (card: Card): number => Buffer.byteLength(JSON.stringify(canonicalText(card as unknown as JsonValue)), 'utf8');

const NOTHING_SUSPECTED: typeof suspicionsIn = () => [];

const cardAt = (density: Density, { request, proposal, context, renderer }: Rendered): Card => {
  const first = renderer === 'card/1';
  const suspect = first ? NOTHING_SUSPECTED : suspicionsIn;
  const warnings: Warnings = [];
  const show: Show = (where, text, limit) => {
    const visible = visibleText(text ?? '', limit);
    for (const found of [...visible.oddities, ...suspect(text ?? '')]) warnings.push({ where, found });
    return visible.text;
  };
  const proposed = parseStrict(proposal.arguments);
  const parameters = parameterRows(proposed, density, suspect);
  warnings.push(...parameters.warnings);
  if (!first) for (const { title, url } of (proposal.evidence ?? []).slice(0, LIMITS.evidence)) warnings.push(...linkSuspicions(title, url).map((found) => ({ where: 'evidence link', found })));
  const { facts } = request;
  const card: Card = {
    renderer,
    approval_id: request.approval_id,
    action_id: request.action_id,
    ...sentences(request, first),
    agent: { id: facts.agent, owner: request.agent_owner ?? '', run_id: facts.run_id, thread_id: request.thread_id ?? '', scope_path: facts.scope_path },
    action: {
      kind: facts.action_kind,
      class: request.action_class ?? '',
      tool: { name: facts.tool.name, version: facts.tool.version },
      execution_mode: facts.execution_mode,
      environment: facts.environment ?? '',
      target: show('target', proposal.target, LIMITS.target),
      risk_tags: facts.risk_tags,
      risk_points: facts.risk_points,
      confidence: facts.confidence ?? '',
    },
    amounts: facts.amounts.map(({ unit, amount }) => ({ unit, amount, shown: shownAmount(unit, BigInt(amount)) })),
    parameters: parameters.rows,
    parameters_not_shown: parameters.not_shown,
    narrowed_by_policy: narrowedByPolicy(request, proposed, show),
    limits: [...limitRows(request.caps ?? {}), ...variationRows(request)],
    agent_words: show('reasoning', proposal.reasoning, LIMITS.words),
    business_impact: show('business impact', proposal.business_impact, LIMITS.impact),
    evidence: (proposal.evidence ?? []).slice(0, LIMITS.evidence).map(({ title, url }) => ({ title: show('evidence title', title, LIMITS.evidenceTitle), url: show('evidence link', url, LIMITS.evidenceUrl) })),
    evidence_not_shown: Math.max(0, (proposal.evidence?.length ?? 0) - LIMITS.evidence),
    reversal: { possible: (proposal.reversal?.handle ?? '') !== '', words: show('reversal', proposal.reversal?.handle ?? proposal.reversal?.reason, LIMITS.reversal) },
    why_approval: { rule_id: request.rule_id, reason: show('reason of the rule', request.reason, LIMITS.reason) },
    who_decides: { stages: request.demand.stages, distinct: request.demand.distinct },
    window: { decide_by: request.expires_at, grant_valid_ms: grantLifetimeMs(request), uses: grantUses(request) },
    policy: { version: request.policy_version, hash: request.policy_hash },
    arguments_hash: request.arguments_hash,
    warnings: [],
  };
  const more = first ? {} : { more: cardExtras(request, proposed, context, show) };
  return { ...card, ...more, warnings: warnings.slice(0, LIMITS.warnings) };
};

/** The bytes that are hashed, sealed and shown. */
export const cardBytes = (card: Card): Uint8Array => canonicalBytes(card as unknown as JsonValue);

/** `view_hash`: SHA-256(salt ‖ canonical card). */
export const viewHash = (salt: Uint8Array, card: Card): string => saltedHash(salt, cardBytes(card));

/** Title, why and next effect, from facts alone: they hold nothing personal, so a queue keeps them in the open. */
export const decisionSummary = (request: RequestFacts): DecisionSummary => ({ title: titleOf(request), why: visibleText(request.reason, LIMITS.reason).text, next_effect: nextEffect(request) });

const titleOf = ({ facts }: RequestFacts): string => {
  const amounts = facts.amounts.map(({ unit, amount }) => shownAmount(unit, BigInt(amount))).join(', ');
  return `${facts.action_kind} by ${facts.agent}${amounts === '' ? '' : ` for ${amounts}`}`;
};

const nextEffect = ({ facts, varies }: RequestFacts): string => {
  const what = `${facts.tool.name} ${facts.tool.version}`;
  return facts.execution_mode === 'managed'
    ? `Exequatur runs ${what} with exactly the granted arguments, after budgets, freezes and policy are checked again.`
    : `The agent may run ${what} itself with ${varies === undefined ? 'exactly the granted arguments' : 'the granted arguments, of which some may differ from use to use within limits'}, once it has reserved authority.`;
};

const sentences = (request: RequestFacts, first: boolean): Pick<Card, 'title' | 'next_effect' | 'if_approved' | 'if_rejected' | 'if_nobody_answers'> => {
  const people = request.demand.stages.reduce((sum, stage) => sum + stage.quorum, 0);
  const uses = grantUses(request);
  return {
    title: titleOf(request),
    next_effect: nextEffect(request),
    if_approved: `${people > 1 ? `After ${people} approvals a` : 'A'} signed grant for this action alone is issued: ${uses === 1 ? 'one use' : `${uses} uses`}, within ${shownDuration(grantLifetimeMs(request))}.`,
    if_rejected: 'Nothing runs. The agent is told your reason code and words.',
    if_nobody_answers: first ? `Nothing runs. At ${request.expires_at} the request expires; that is recorded as silence, not as a refusal by a person.` : silence(request),
  };
};

const silence = ({ demand, expires_at }: RequestFacts): string => {
  const recorded = 'that is recorded as silence, not as a refusal by a person';
  if (demand.on_timeout === 'escalate' && demand.escalate_to !== undefined) return `Nothing runs. At ${shownInstant(expires_at)} ${demand.escalate_to} may answer too, for another ${shownDuration(demand.escalation_ms ?? demand.ttl_ms)}; after that the request expires, and ${recorded}.`;
  return `Nothing runs. At ${shownInstant(expires_at)} the request expires; ${recorded}.`;
};

const grantLifetimeMs = (request: RequestFacts): number => request.caps?.expires_in_ms ?? GRANT_LIFETIME_MS;
const grantUses = (request: RequestFacts): number => request.caps?.max_uses ?? GRANT_USES;

const narrowedByPolicy = (request: RequestFacts, proposed: JsonValue, show: Show): Card['narrowed_by_policy'] => {
  const narrowing = narrowArguments(proposed, request.narrowable, request.caps ?? {});
  if (isRefusal(narrowing)) return [{ pointer: narrowing.pointer ?? '', value: `cannot be granted: ${narrowing.detail ?? 'outside the caps of policy'}` }];
  return narrowing.narrowed.map((pointer) => ({ pointer, value: show(pointer, JSON.stringify(readPointer(narrowing.granted_arguments, pointer)), LIMITS.narrowed) }));
};

/** What the uses of the grant need not have in common: the words people agree to when they approve. */
const variationRows = ({ varies }: RequestFacts): Card['limits'] =>
  (varies ?? []).map(({ pointer, one_of }) => ({
    limit: 'May differ from use to use',
    value: visibleText(one_of === undefined ? `${pointer}, up to what is granted here` : `${pointer}, one of: ${one_of.join(', ')}`, LIMITS.list).text,
  }));

const limitRows = (caps: Caps): Card['limits'] => {
  const rows: { limit: string; value: string }[] = [];
  for (const [unit, amount] of Object.entries(caps.max_amount ?? {})) rows.push({ limit: 'At most', value: shownAmount(unit, BigInt(amount)) });
  for (const [unit, amount] of Object.entries(caps.max_total ?? {})) rows.push({ limit: 'At most in all uses together', value: shownAmount(unit, BigInt(amount)) });
  for (const [name, most] of Object.entries(caps.own ?? {})) rows.push({ limit: `At most, ${visibleText(name, LIMITS.list).text}`, value: most });
  const lists = { network_allowlist: 'hosts', allowed_recipients: 'recipients', environments: 'environments', tools: 'tools', models: 'models' } as const;
  for (const [field, name] of Object.entries(lists) as [keyof typeof lists, string][]) {
    const entries = caps[field];
    if (entries !== undefined) rows.push({ limit: `Only these ${name}`, value: visibleText(entries.join(', '), LIMITS.list).text });
  }
  if (caps.max_runtime_sec !== undefined) rows.push({ limit: 'Runs at most', value: shownDuration(caps.max_runtime_sec * 1_000) });
  if (caps.row_limit !== undefined) rows.push({ limit: 'Rows at most', value: String(caps.row_limit) });
  return rows;
};
