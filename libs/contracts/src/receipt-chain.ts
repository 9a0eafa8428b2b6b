/** Where in the chain an event stands. */
export type ReceiptStepName = 'proposal' | 'verdict' | 'approval' | 'vote' | 'decision' | 'grant' | 'reservation' | 'execution' | 'settlement' | 'other';

const STEPS: Readonly<Record<string, ReceiptStepName>> = {
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
const PHASES: Readonly<Partial<Record<ReceiptStepName, number>>> = { proposal: 0, verdict: 1, approval: 2, vote: 3, decision: 3 };
const USES = 4;

/** What folding needs of an event. */
export interface ChainEvent {
  readonly event_id: string;
  /** `ActionProposed` */
  readonly name: string;
  readonly service: string;
  readonly version: number;
  readonly time: string;
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

export interface ChainStep<E extends ChainEvent> {
  readonly step: ReceiptStepName;
  readonly event: E;
}

const phaseOf = ({ step }: ChainStep<ChainEvent>): number => PHASES[step] ?? USES;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** By phase, then by time; clocks differ between services and instants can be equal, so what a stream numbered stands as numbered. */
const byChain = (a: ChainStep<ChainEvent>, b: ChainStep<ChainEvent>): number =>
  phaseOf(a) - phaseOf(b) || compare(a.event.time, b.event.time) || (a.event.service === b.event.service ? a.event.version - b.event.version : 0) || compare(a.event.event_id, b.event.event_id);

/**
 * The chain of one action from its events, as receipts carry it; who verifies one folds it again. Pure; the order in which events
 * were logged changes nothing.
 */
export const foldChain = <E extends ChainEvent>(events: readonly E[]): { readonly chain: ReceiptChain; readonly steps: readonly ChainStep<E>[] } => {
  const steps = events.map((event): ChainStep<E> => ({ step: STEPS[event.name] ?? 'other', event })).sort(byChain);
  const idsOf = (step: ReceiptStepName): readonly string[] => steps.filter((each) => each.step === step).map(({ event }) => event.event_id);
  const named = (name: string): E | undefined => steps.find(({ event }) => event.name === name)?.event;
  const chain: ReceiptChain = {
    proposal: idsOf('proposal')[0] ?? null,
    verdict: idsOf('verdict')[0] ?? null,
    card: cardOf(named('ApprovalOpened')),
    votes: idsOf('vote'),
    decision: idsOf('decision').at(-1) ?? null,
    grant: grantOf(named('ApprovalGranted'), 'approval') ?? grantOf(named('ActionAllowed') ?? named('ActionCapped'), 'allowance') ?? null,
    reservations: idsOf('reservation'),
    executions: idsOf('execution'),
    settlements: idsOf('settlement'),
  };
  return { chain, steps };
};

const cardOf = (opened: ChainEvent | undefined): ReceiptChain['card'] => (opened === undefined ? null : { view_hash: String(opened.data['view_hash']), renderer: String(opened.data['renderer']), event_id: opened.event_id });

const grantOf = (event: ChainEvent | undefined, source: 'approval' | 'allowance'): ReceiptChain['grant'] | undefined =>
  event === undefined ? undefined : { grant_id: String(event.data['grant_id']), source, event_id: event.event_id, expires_at: String(event.data['expires_at']) };
