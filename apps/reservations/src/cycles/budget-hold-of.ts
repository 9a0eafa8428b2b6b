import { derivedId, newId } from '@exequatur/kernel';
import { pathAndAncestors } from '@exequatur/reservations-domain';
import type { AgentPrincipal } from '@exequatur/service-kit';
import type { HoldBudgetAsked } from '../authority/authority-command.js';
import type { CyclesAction, CyclesAmount, CyclesOverage, Subject } from './cycles-shapes.js';
import { ownScopePathOf } from './scope-of-subject.js';

/** What create, decide and events have in common. */
export interface BudgetAsk {
  readonly subject: Subject;
  readonly action: CyclesAction;
  readonly amount: CyclesAmount;
  readonly ttlMs?: number;
  readonly graceMs?: number;
  readonly overage?: CyclesOverage;
  readonly key: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** The protocol's words, kept with the reservation to be read back as they were said. */
export interface KeptAsk {
  readonly key: string;
  readonly subject: Subject;
  readonly action: CyclesAction;
  readonly reserved: CyclesAmount;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;
/** Models and tools may be called anything (`meta/llama 3`); where names have a form, another one stands for it, always the same. */
const nameOf = (text: string): string => (NAME.test(text) ? text : `x-${derivedId('cycles-name', text)}`);

const NO_RUN = 'none';
/** The protocol has no version of a tool. */
const NO_VERSION = '0';

const OVERAGE = { REJECT: 'reject', ALLOW_IF_AVAILABLE: 'allow_if_available', ALLOW_WITH_OVERDRAFT: 'allow_with_overdraft' } as const;

/** What the protocol says when the caller does not. */
const DEFAULT_TTL_MS = 60_000;
const DEFAULT_GRACE_MS = 5_000;

/** @param inputHash SHA-256 of the request, 32 bytes. @throws Problem INVALID, FORBIDDEN */
export const budgetHoldOf = ({ subject, action, amount, ttlMs, graceMs, overage, key, metadata }: BudgetAsk, agent: AgentPrincipal, inputHash: Buffer): Pick<HoldBudgetAsked, 'kind' | 'reservationId' | 'hold' | 'note'> => {
  const kept: KeptAsk = { key, subject, action, reserved: amount, ...(metadata === undefined ? {} : { metadata }) };
  return {
    kind: 'hold_budget',
    reservationId: newId(),
    hold: {
      agent: agent.id,
      scopePath: ownScopePathOf(subject, agent),
      runId: nameOf(subject.dimensions?.['run_id'] ?? NO_RUN),
      actionKind: action.kind,
      tool: { name: nameOf(action.name), version: NO_VERSION },
      requestHash: `sha256:${inputHash.toString('hex')}`,
      amounts: [{ unit: amount.unit, amount: String(amount.amount) }],
      ttlMs: ttlMs ?? DEFAULT_TTL_MS,
      graceMs: graceMs ?? DEFAULT_GRACE_MS,
      overagePolicy: OVERAGE[overage ?? 'ALLOW_IF_AVAILABLE'],
    },
    note: JSON.stringify(kept),
  };
};

/** "Canonical scope identifiers impacted", widest first. */
export const affectedScopes = (scopePath: string): readonly string[] => pathAndAncestors(scopePath);
