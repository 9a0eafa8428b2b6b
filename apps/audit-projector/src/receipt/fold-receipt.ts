import type { TimelineRow } from '../timeline-view/project.js';
import { isEnd, outcomeAfter } from './outcome.js';
import type { Outcome } from './outcome.js';

/** Where in the chain an event stands. */
export type Step = 'proposal' | 'verdict' | 'approval' | 'vote' | 'decision' | 'grant' | 'reservation' | 'execution' | 'settlement' | 'other';

const STEPS: Readonly<Record<string, Step>> = {
  ActionProposed: 'proposal',
  ActionAllowed: 'verdict',
  ActionCapped: 'verdict',
  ApprovalRequired: 'verdict',
  ActionQuarantined: 'verdict',
  ActionDenied: 'verdict',
  ApprovalOpened: 'approval',
  ApprovalVoted: 'vote',
  VoteRefused: 'vote',
  ApprovalGranted: 'decision',
  ApprovalRejected: 'decision',
  ApprovalAnswered: 'decision',
  ApprovalExpired: 'decision',
  ApprovalCancelled: 'decision',
  ActionWithdrawn: 'grant',
  GrantRevoked: 'grant',
  GrantClosed: 'grant',
  ReservationHeld: 'reservation',
  ReservationRefused: 'reservation',
  ReservationStarted: 'reservation',
  ReservationExtended: 'reservation',
  ExecutionRequested: 'execution',
  ExecutionStarted: 'execution',
  ExecutionSucceeded: 'execution',
  ExecutionFailed: 'execution',
  ExecutionUnknown: 'execution',
  ExecutionReconciled: 'execution',
  ExecutionSkipped: 'execution',
  ReservationCommitted: 'settlement',
  ReservationReleased: 'settlement',
  ReservationExpired: 'settlement',
  ReservationMarkedUnknown: 'settlement',
};

/** Steps before any use of a grant come in this order, whatever the clocks of their services say; uses follow by time. */
const PHASES: Readonly<Partial<Record<Step, number>>> = { proposal: 0, verdict: 1, approval: 2, vote: 3, decision: 3 };
const USES = 4;

export interface ReceiptStep {
  readonly step: Step;
  readonly row: TimelineRow;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Event ids by part of the chain; null where that part never came. */
export interface ReceiptChain {
  readonly proposal: string | null;
  readonly verdict: string | null;
  readonly card: { readonly view_hash: string; readonly renderer: string; readonly event_id: string } | null;
  readonly votes: readonly string[];
  readonly decision: string | null;
  readonly grant: { readonly grant_id: string; readonly source: 'approval' | 'allowance'; readonly event_id: string; readonly expires_at: string } | null;
  readonly reservations: readonly string[];
  readonly executions: readonly string[];
  readonly settlements: readonly string[];
}

export interface FoldedReceipt {
  readonly outcome: Outcome;
  readonly ended: boolean;
  readonly agent: string | null;
  readonly chain: ReceiptChain;
  readonly steps: readonly ReceiptStep[];
}

const phaseOf = ({ step }: ReceiptStep): number => PHASES[step] ?? USES;

/** By phase, then by time; clocks differ between services and instants can be equal, so what a stream numbered stands as numbered. */
const byChain = (a: ReceiptStep, b: ReceiptStep): number => phaseOf(a) - phaseOf(b) || compare(a.row.time, b.row.time) || (a.row.service === b.row.service ? a.row.version - b.row.version : 0) || compare(a.row.event_id, b.row.event_id);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The receipt of one action from its timeline. Pure; the order in which events were logged changes nothing. */
export const foldReceipt = (rows: readonly TimelineRow[]): FoldedReceipt => {
  const steps = rows.map((row): ReceiptStep => ({ step: STEPS[row.name] ?? 'other', row, data: JSON.parse(row.data) as Readonly<Record<string, unknown>> })).sort(byChain);
  const idsOf = (step: Step): readonly string[] => steps.filter((each) => each.step === step).map(({ row }) => row.event_id);
  const named = (name: string): ReceiptStep | undefined => steps.find(({ row }) => row.name === name);
  const outcome = outcomeAfter(steps.map(({ row, data }) => ({ name: row.name, data })));
  const facts = named('ActionProposed')?.data['facts'] as { readonly agent?: string } | undefined;
  return {
    outcome,
    ended: isEnd(outcome),
    agent: facts?.agent ?? null,
    chain: {
      proposal: idsOf('proposal')[0] ?? null,
      verdict: idsOf('verdict')[0] ?? null,
      card: cardOf(named('ApprovalOpened')),
      votes: idsOf('vote'),
      decision: idsOf('decision').at(-1) ?? null,
      grant: grantOf(named('ApprovalGranted'), 'approval') ?? grantOf(named('ActionAllowed') ?? named('ActionCapped'), 'allowance') ?? null,
      reservations: idsOf('reservation'),
      executions: idsOf('execution'),
      settlements: idsOf('settlement'),
    },
    steps,
  };
};

const cardOf = (opened: ReceiptStep | undefined): ReceiptChain['card'] => (opened === undefined ? null : { view_hash: String(opened.data['view_hash']), renderer: String(opened.data['renderer']), event_id: opened.row.event_id });

const grantOf = (event: ReceiptStep | undefined, source: 'approval' | 'allowance'): ReceiptChain['grant'] | undefined =>
  event === undefined ? undefined : { grant_id: String(event.data['grant_id']), source, event_id: event.row.event_id, expires_at: String(event.data['expires_at']) };
