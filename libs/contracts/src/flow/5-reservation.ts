import { capsShape, unitAmount } from '../caps.js';
import { CODES } from '../codes.js';
import type { Code } from '../codes.js';
import { defineEvent } from '../event.js';
import { EXECUTION_MODES, ON_SILENCE, tool } from '../facts.js';
import { BUDGET_WINDOWS, OVERAGE_POLICIES, RUN_LIMITS } from '../limits.js';
import { amount, anything, base64url, count, hash, instant, list, name, object, oneOf, optional, scopePath, text, truth, unit, uuid } from '../schema.js';
import type { Shape } from '../schema.js';

const reservations = { context: 'reservations', owner: 'reservations', aggregate: 'reservation', version: 1 } as const;

/** One budget after the move: entry_no counts the budget's moves from 1 without gap; auditors order by it. */
export const budgetMove = object({
  budget_id: uuid(),
  unit: unit(),
  amount: amount(),
  entry_no: count(),
  held: amount(),
  committed: amount(),
  cap: amount(),
  /** Start of the window the figures are of (budgets with windows): of a hold the current one, of its end the one it was made in. */
  window_start: optional(instant()),
  /** Spent beyond the cap under allow_with_overdraft, after the move; absent is 0. */
  debt: optional(amount()),
  /** Usage was reported that nothing covered: holds nothing more until a person adjusts or funds it, or a new window begins. */
  over_limit: optional(truth()),
  /** The budget came into being with this hold: a limit of the run, from the policy named in the same event. */
  run_limit: optional(oneOf(...RUN_LIMITS)),
});
export type BudgetMove = Shape<typeof budgetMove>;

/**
 * Body of `POST /v1/reservations`. `grant` is the signed grant, needed only when reservations has not consumed its event yet;
 * else `grant_id` is enough. The agent asks for itself; the executor asks for a managed grant and names the agent it acts for.
 */
export const reserveShape = object({
  grant_id: optional(uuid()),
  grant: optional(text(65_536)),
  use_no: optional(count(10_000)),
  agent: optional(name()),
  execution_mode: oneOf(...EXECUTION_MODES),
  scope_path: scopePath(),
  run_id: name(),
  thread_id: optional(name()),
  action_kind: name(),
  tool,
  target_hash: optional(hash()),
  arguments_hash: hash(),
  environment: optional(name()),
  /** further units to hold (TOKENS, CALLS …); units of the grant are held as granted, asking for more is CAP_EXCEEDED */
  amounts: optional(list(unitAmount, 20)),
  /** how long the hold stands, clamped by configuration */
  ttl_ms: optional(count()),
  /** managed: rises only after a ReservationRefused */
  attempt: optional(count(1_000)),
  /** Bounded grants only: what this use runs on, and the action's salt, so that the authority itself sees that the fixed part is the granted one and each bounded value inside. Judged and forgotten. */
  arguments: optional(anything()),
  salt: optional(base64url(32)),
  /** The delegation under which a child agent asks. */
  delegation_id: optional(uuid()),
});
export type ReserveRequest = Shape<typeof reserveShape>;

export const ReservationHeld = defineEvent({
  ...reservations,
  name: 'ReservationHeld',
  authority: true,
  summary: 'Authority and budget are set aside for one use of a grant: the claim.',
  data: object({
    reservation_id: uuid(),
    purpose: oneOf('execution', 'budget_only'),
    grant_id: optional(uuid()),
    use_no: optional(count()),
    action_id: optional(uuid()),
    /** derived from (tenant, grant_id, use_no); also the effect key */
    execution_id: optional(uuid()),
    attempt: count(),
    agent: name(),
    scope_path: scopePath(),
    run_id: name(),
    thread_id: optional(name()),
    action_kind: name(),
    execution_mode: oneOf(...EXECUTION_MODES),
    /** what the sweep does when nothing is heard (self execution); the grant's */
    on_silence: optional(oneOf(...ON_SILENCE)),
    tool,
    target_hash: optional(hash()),
    granted_arguments_hash: hash(),
    holds: list(budgetMove, 100),
    caps: capsShape,
    execute_by: instant(),
    expires_at: instant(),
    policy_version: count(),
    policy_hash: hash(),
    /** how the active policy agreed: same hash as the grant's, or evaluated again */
    policy_result: oneOf('same', 're_evaluated'),
    fence_epoch: count(),
    /** bounded grants: the granted one; granted_arguments_hash is then this use's own */
    fixed_hash: optional(hash()),
    /** delegations this use is charged to, the asking agent's own first */
    delegations: optional(list(uuid(), 3)),
    /** the agents whose authority it uses, nearest first: stopping one of them stops this */
    delegated_by: optional(list(name(), 3)),
    /** the half-open circuit of which this use is a probe */
    probe_of: optional(uuid()),
    /** when the run began here, where the policy limits runs */
    run_started_at: optional(instant()),
    /** budget_only: what the caller declared for usage beyond the hold, and for how long after expires_at it may report */
    overage_policy: optional(oneOf(...OVERAGE_POLICIES)),
    grace_ms: optional(count()),
  }),
});

export const ReservationRefused = defineEvent({
  ...reservations,
  name: 'ReservationRefused',
  summary: 'The authority said no, with one code; a denial after approval when the grant came from one.',
  data: object({
    reservation_id: uuid(),
    grant_id: optional(uuid()),
    use_no: optional(count()),
    action_id: optional(uuid()),
    agent: name(),
    run_id: optional(name()),
    code: oneOf(...(Object.keys(CODES).filter((each) => CODES[each as Code].group === 'authority') as Code[])),
    after_approval: truth(),
    attempt: count(),
    /** for operators; never told to agents */
    budget_id: optional(uuid()),
    budget_scope_path: optional(scopePath()),
    /** the velocity rule, run limit, circuit or delegation behind the code; for operators */
    refused_by: optional(text(200)),
    /** when asking again can help by time alone */
    retry_after_ms: optional(count()),
  }),
});

export const ReservationStarted = defineEvent({
  ...reservations,
  name: 'ReservationStarted',
  summary: 'The holder says the effect is about to happen.',
  data: object({ reservation_id: uuid(), started_at: instant(), attested_by: oneOf('executor', 'agent') }),
});

export const ReservationExtended = defineEvent({
  ...reservations,
  name: 'ReservationExtended',
  summary: 'The hold stands longer; execute_by never moves.',
  data: object({ reservation_id: uuid(), expires_at: instant() }),
});

const settlement = {
  reservation_id: uuid(),
  grant_id: optional(uuid()),
  action_id: optional(uuid()),
  outcome: oneOf('SUCCEEDED', 'FAILED', 'UNKNOWN', 'NONE'),
  attested_by: oneOf('executor', 'agent', 'person', 'system'),
  /** after the move */
  moves: list(budgetMove, 100),
};

/** What ran against what was approved. */
export const commitComparison = object({
  arguments: oneOf('same', 'different', 'not_reported'),
  /** units of which not exactly the reserved amount was used */
  amounts: list(object({ unit: unit(), reserved: amount(), actual: amount() }), 20),
});

export const ReservationCommitted = defineEvent({
  ...reservations,
  name: 'ReservationCommitted',
  summary: 'The effect happened; actual usage is spent, the rest returned.',
  data: object({ ...settlement, actual: list(unitAmount, 20), provider_request_id: optional(text(300)), executed_arguments_hash: optional(hash()), comparison: optional(commitComparison) }),
});

export const ReservationReleased = defineEvent({
  ...reservations,
  name: 'ReservationReleased',
  summary: 'The effect provably did not happen; everything is returned, the use stays spent.',
  data: object({ ...settlement, reason: text(300) }),
});

export const ReservationExpired = defineEvent({
  ...reservations,
  name: 'ReservationExpired',
  summary: 'Nothing was heard within the time; everything is returned (self execution, on_silence expire).',
  data: object(settlement),
});

export const ReservationMarkedUnknown = defineEvent({
  ...reservations,
  name: 'ReservationMarkedUnknown',
  summary: 'Whether the effect happened is not known; the hold stands until reconciled.',
  data: object({ ...settlement, reason: text(300) }),
});

export const GrantClosed = defineEvent({
  ...reservations,
  name: 'GrantClosed',
  aggregate: 'grant',
  summary: 'A revocation or withdrawal is effective: nothing is consumed from this grant after it.',
  data: object({ grant_id: uuid(), action_id: optional(uuid()), reason: oneOf('revoked', 'withdrawn') }),
});

const budgetTerms = {
  /** BudgetSoftLimitReached is published when held + committed reaches it, once a window */
  soft_limit: optional(amount()),
  /** usage reported beyond a hold; absent: reject */
  overage_policy: optional(oneOf(...OVERAGE_POLICIES)),
  /** most debt under allow_with_overdraft; absent: 0 */
  overdraft_limit: optional(amount()),
};

export const BudgetDefined = defineEvent({
  ...reservations,
  name: 'BudgetDefined',
  aggregate: 'budget',
  authority: true,
  summary: 'A person set a budget on a scope path.',
  data: object({
    budget_id: uuid(),
    scope_path: scopePath(),
    unit: unit(),
    cap: amount(),
    entry_no: count(),
    /** absent: lifetime */
    window: optional(oneOf(...BUDGET_WINDOWS)),
    window_start: optional(instant()),
    ...budgetTerms,
  }),
});

export const BudgetAdjusted = defineEvent({
  ...reservations,
  name: 'BudgetAdjusted',
  aggregate: 'budget',
  authority: true,
  summary: 'A person changed a budget’s cap; never below what is held and committed.',
  data: object({
    budget_id: uuid(),
    cap: amount(),
    held: amount(),
    committed: amount(),
    entry_no: count(),
    reason: text(1_000),
    window_start: optional(instant()),
    debt: optional(amount()),
    /** funding: what was added to the cap */
    added: optional(amount()),
    ...budgetTerms,
  }),
});

export const BudgetClosed = defineEvent({
  ...reservations,
  name: 'BudgetClosed',
  aggregate: 'budget',
  authority: true,
  summary: 'A person ended a budget: it covers nothing new; what it holds is still settled.',
  data: object({ budget_id: uuid(), held: amount(), committed: amount(), cap: amount(), entry_no: count(), reason: text(1_000) }),
});

export const FREEZE_SCOPES = ['tenant', 'agent', 'kind', 'tool', 'grant'] as const;
/** Freezes of more than one name: a family of tools, a scope path and everything below it, a run. */
export const WIDE_FREEZE_SCOPES = ['toolset', 'workflow', 'run'] as const;

export const FreezeApplied = defineEvent({
  ...reservations,
  name: 'FreezeApplied',
  aggregate: 'freeze',
  authority: true,
  summary: 'Fenced: no claim in this scope exists after this epoch.',
  data: object({ freeze_id: uuid(), scope: oneOf(...FREEZE_SCOPES, ...WIDE_FREEZE_SCOPES), value: text(300), reason: text(1_000), fence_epoch: count() }),
});

export const FreezeQuiesced = defineEvent({
  ...reservations,
  name: 'FreezeQuiesced',
  aggregate: 'freeze',
  summary: 'Every claim from before the fence has ended or is listed as unknown.',
  data: object({ freeze_id: uuid(), unknown_reservations: list(uuid(), 10_000) }),
});

export const FreezeLifted = defineEvent({
  ...reservations,
  name: 'FreezeLifted',
  aggregate: 'freeze',
  authority: true,
  summary: 'A person lifted the freeze, with a reason.',
  data: object({ freeze_id: uuid(), reason: text(1_000), fence_epoch: count() }),
});

export const PolicyInForce = defineEvent({
  ...reservations,
  name: 'PolicyInForce',
  aggregate: 'policy',
  authority: true,
  summary: 'From this epoch on no claim is judged under an older policy version.',
  data: object({ policy_hash: hash(), policy_version: count(), fence_epoch: count() }),
});
