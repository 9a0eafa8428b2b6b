import type { TimelineRow } from '../timeline-view/project.js';

/** Amounts by unit, decimal text. */
type Amounts = Readonly<Record<string, string>>;

/** What the metrics need of one action. Every field is folded so that the order of events changes nothing. */
export interface ActionFact {
  readonly proposedAt?: string;
  readonly kind?: string;
  readonly agent?: string;
  readonly riskPoints?: number;
  /** `allowed`, `capped`, `approval`, `quarantined`, `denied` */
  readonly verdict?: string;
  readonly openedAt?: string;
  readonly decidedAt?: string;
  /** `granted`, `rejected`, `answered`, `expired`, `cancelled` */
  readonly decision?: string;
  readonly rejectionReason?: string;
  /** approved otherwise than proposed: narrowed or edited */
  readonly changed?: true;
  readonly executed?: true;
  /** refusals at reserve although a person had approved */
  readonly refusedAfterApproval?: number;
  /** attempts to use a grant more often than it allows */
  readonly duplicateAttempts?: number;
  /** by reservation */
  readonly held?: Readonly<Record<string, Amounts>>;
  readonly used?: Readonly<Record<string, Amounts>>;
}

const VERDICTS: Readonly<Record<string, string>> = { ActionAllowed: 'allowed', ActionCapped: 'capped', ApprovalRequired: 'approval', ActionQuarantined: 'quarantined', ActionDenied: 'denied' };
const DECISIONS: Readonly<Record<string, string>> = { ApprovalGranted: 'granted', ApprovalRejected: 'rejected', ApprovalAnswered: 'answered', ApprovalExpired: 'expired', ApprovalCancelled: 'cancelled' };
/** One use is asked for twice. */
const DUPLICATES: ReadonlySet<string> = new Set(['GRANT_EXHAUSTED', 'RESERVATION_FINALIZED']);

interface Data {
  readonly facts?: { readonly action_kind?: string; readonly agent?: string; readonly risk_points?: number };
  readonly narrowed?: readonly string[];
  readonly reason_code?: string;
  readonly code?: string;
  readonly after_approval?: boolean;
  readonly outcome?: string;
  readonly reservation_id?: string;
  readonly holds?: readonly { readonly unit: string; readonly amount: string }[];
  readonly actual?: readonly { readonly unit: string; readonly amount: string }[];
  readonly result?: string;
}

/** Of several budgets on the path each is charged the same: one amount a unit. */
const amountsOf = (amounts: readonly { readonly unit: string; readonly amount: string }[] = []): Amounts => Object.fromEntries(amounts.map(({ unit, amount }) => [unit, amount]));

/** The fact with one event more; events that say nothing to any metric leave it as it is. Each event is folded once. */
export const foldFact = (fact: ActionFact, { name, time, data: text }: Pick<TimelineRow, 'name' | 'time' | 'data'>): ActionFact => {
  const data = JSON.parse(text) as Data;
  if (name in VERDICTS) return { ...fact, verdict: VERDICTS[name] as string };
  if (name in DECISIONS) return decided(fact, name, time, data);
  switch (name) {
    case 'ActionProposed':
      return { ...fact, proposedAt: time, ...(data.facts?.action_kind === undefined ? {} : { kind: data.facts.action_kind }), ...(data.facts?.agent === undefined ? {} : { agent: data.facts.agent }), riskPoints: data.facts?.risk_points ?? 0 };
    case 'ApprovalOpened':
      return { ...fact, openedAt: fact.openedAt !== undefined && fact.openedAt < time ? fact.openedAt : time };
    case 'ApprovalEdited':
      return { ...fact, changed: true };
    case 'ReservationRefused':
      return refused(fact, data);
    case 'ReservationHeld':
      return { ...fact, held: { ...fact.held, [data.reservation_id ?? '']: amountsOf(data.holds) } };
    case 'ReservationCommitted':
      return { ...fact, executed: true, used: { ...fact.used, [data.reservation_id ?? '']: amountsOf(data.actual) } };
    case 'ExecutionSucceeded':
      return { ...fact, executed: true };
    case 'ExecutionReconciled':
      return data.result === 'executed' ? { ...fact, executed: true } : fact;
    default:
      return fact;
  }
};

const decided = (fact: ActionFact, name: string, time: string, { narrowed, reason_code: reason }: Data): ActionFact => ({
  ...fact,
  decision: DECISIONS[name] as string,
  decidedAt: time,
  ...(reason === undefined ? {} : { rejectionReason: reason }),
  ...(narrowed !== undefined && narrowed.length > 0 ? { changed: true as const } : {}),
});

const refused = (fact: ActionFact, { code, after_approval: afterApproval }: Data): ActionFact => ({
  ...fact,
  ...(afterApproval === true ? { refusedAfterApproval: (fact.refusedAfterApproval ?? 0) + 1 } : {}),
  ...(code !== undefined && DUPLICATES.has(code) ? { duplicateAttempts: (fact.duplicateAttempts ?? 0) + 1 } : {}),
});

/** Some reservation used another amount than was held for it. */
export const isMismatch = ({ held = {}, used = {} }: ActionFact): boolean =>
  Object.entries(used).some(([reservation, amounts]) => held[reservation] !== undefined && Object.entries(amounts).some(([unit, amount]) => (held[reservation]?.[unit] ?? amount) !== amount));
