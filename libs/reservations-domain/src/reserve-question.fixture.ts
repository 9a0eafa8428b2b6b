import type { Grant, ReserveRequest } from '@exequatur/contracts';
import { toInstant } from '@exequatur/kernel';
import type { Budget } from './budget.js';
import { DEFAULT_LIMITS } from './limits.js';
import type { ReserveQuestion } from './reserve-question.js';

/** A question that every check passes, and its parts, for specs to spoil one at a time. */
export const NOW = Date.UTC(2026, 0, 31, 8);
const sha = (digit: string): string => `sha256:${digit.repeat(64)}`;
export const id = (last: number): string => `00000000-0000-7000-8000-${String(last).padStart(12, '0')}`;

export const aGrant = (changes: Partial<Grant> = {}): Grant => ({
  grant_id: id(1),
  source: 'approval',
  action_id: id(2),
  tenant: 'acme',
  scope_path: 'tenant:acme/workspace:sales/app:outreach',
  agent_identity: 'mailer-agent',
  run_id: 'run-1',
  action_kind: 'message.email.send',
  action_class: 'external_communication',
  on_silence: 'unknown',
  tool: { name: 'mailer.send', version: '1' },
  target_hash: sha('a'),
  arguments_hash: sha('b'),
  granted_arguments_hash: sha('c'),
  binding: 'exact',
  execution_mode: 'self',
  not_before: toInstant(NOW - 60_000),
  expires_at: toInstant(NOW + 600_000),
  max_uses: 1,
  risk_points: 20,
  amounts: [{ unit: 'USD_MICROCENTS', amount: '500' }],
  caps: {},
  approvers: [{ person: 'ada', role: 'approver', stage: 0, vote_event_id: id(3) }],
  policy_hash: sha('d'),
  policy_version: 3,
  rule_id: 'mail-needs-approval',
  facts: {
    tenant: 'acme',
    scope_path: 'tenant:acme/workspace:sales/app:outreach',
    agent: 'mailer-agent',
    run_id: 'run-1',
    action_kind: 'message.email.send',
    tool: { name: 'mailer.send', version: '1' },
    environment: 'prod',
    risk_tags: ['external'],
    risk_points: 20,
    amounts: [{ unit: 'USD_MICROCENTS', amount: '500' }],
    has_evidence: true,
    has_reversal: false,
    execution_mode: 'self',
  },
  ...changes,
});

export const aRequest = (changes: Partial<ReserveRequest> = {}): ReserveRequest => ({
  grant_id: id(1),
  execution_mode: 'self',
  scope_path: 'tenant:acme/workspace:sales/app:outreach',
  run_id: 'run-1',
  action_kind: 'message.email.send',
  tool: { name: 'mailer.send', version: '1' },
  target_hash: sha('a'),
  arguments_hash: sha('c'),
  ...changes,
});

export const aBudget = (changes: Partial<Budget> = {}): Budget => ({ budgetId: id(10), scopePath: 'tenant:acme', unit: 'RISK_POINTS', cap: 100n, held: 0n, committed: 0n, entryNo: 1, ...changes });

export const pathBudgets = (): readonly Budget[] => [
  aBudget(),
  aBudget({ budgetId: id(11), scopePath: 'tenant:acme/workspace:sales', cap: 60n }),
  aBudget({ budgetId: id(12), unit: 'USD_MICROCENTS', cap: 1_000n }),
];

export const aQuestion = (changes: Partial<ReserveQuestion> = {}): ReserveQuestion => ({
  request: aRequest(),
  caller: { type: 'agent', tenant: 'acme', agent: 'mailer-agent' },
  reservationId: id(20),
  grant: { claims: aGrant(), usesTaken: new Set() },
  nowMs: NOW,
  freezes: [],
  policy: { version: 3, hash: sha('d'), opinionOn: () => ({ verdict: 'DENY' }) },
  budgets: pathBudgets(),
  fenceEpoch: 7,
  limits: DEFAULT_LIMITS,
  ...changes,
});
