import { Injectable } from '@nestjs/common';
import { decide, evolve, howDecided, type ApprovalCommand, type ApprovalEvent, type ApprovalState, type OpenedContent, type Voter } from '@exequatur/approvals-domain';
import type { VoteRefused } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { isRefusal } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { Problem, problem, type AgentPrincipal, type PersonPrincipal } from '@exequatur/service-kit';
import { ApprovalStreams, type Cause, type Change, type RefusedAttempt } from '../approval-stream/approval-streams.js';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { EXPIRING } from '../expire-requests/expire-requests.js';
import { APPROVAL_LIMITS } from '../limits.js';
import { RejectionReasons } from '../reject-reasons/rejection-reasons.js';
import { Looks } from '../look-at-request/looks.js';
import { StepUp } from './step-up.js';
import { Voters } from './voters.js';

export type DecidingPrincipal = PersonPrincipal | AgentPrincipal;

export interface Attempt {
  readonly caller: DecidingPrincipal;
  readonly approvalId: string;
  readonly traceparent?: string;
  /** Called under the lock, for people only: an agent is refused whatever it has read. @throws Problem */
  readonly checkVersion: (approval: RecordedApproval) => void;
}

/** The request after the attempt, and why it was refused where it was. */
export interface Decided {
  readonly approval: RecordedApproval;
  readonly refusal?: Refusal;
}

/** What a command is made of, read under the lock. */
export interface Judged {
  readonly approval: RecordedApproval;
  readonly voter: Voter;
  readonly now: number;
  /** since the caller first saw the card */
  readonly dwellMs?: number;
  /** @throws Problem CONFLICT when the action was erased */
  readonly content: () => Promise<OpenedContent>;
  /** what the tenant rejects with */
  readonly reasonCodes: () => Promise<readonly string[]>;
}

export interface Deciding {
  /** what a refusal is recorded as; nothing is recorded of remarks */
  readonly attempted?: RefusedAttempt['attempted'];
  readonly command: (judged: Judged) => ApprovalCommand | Promise<ApprovalCommand>;
}

interface Judgement {
  readonly approval: RecordedApproval;
  readonly change?: Change;
  readonly refusal?: Refusal;
}

type RefusalCode = DataOf<typeof VoteRefused>['code'];
const RECORDED_CODES: readonly string[] = ['SELF_APPROVAL', 'NOT_ELIGIBLE', 'NOT_A_PERSON', 'ALREADY_VOTED', 'ALREADY_DECIDED', 'APPROVAL_EXPIRED', 'VIEW_CHANGED', 'WIDENS_AUTHORITY', 'REASON_REQUIRED', 'STEP_UP_REQUIRED'];
/** Votes of others are counted again before one of these adds to them. */
const COUNTING: readonly ApprovalCommand['type'][] = ['Vote', 'Edit', 'BreakGlass'];

/**
 * The one way a decision comes into being, whatever door it came through: under the lock of the request's stream, judged by
 * the database's clock and the directory as it is now, a refusal recorded beside it. The caller holds the transaction.
 */
@Injectable()
export class DecideRequests {
  constructor(
    private readonly streams: ApprovalStreams,
    private readonly voters: Voters,
    private readonly looks: Looks,
    private readonly reasons: RejectionReasons,
    private readonly stepUp: StepUp,
  ) {}

  /** @throws Problem NOT_FOUND (also for another tenant's request), CONFLICT when the action was erased */
  async decide(tx: PgTransaction, attempt: Attempt, deciding: Deciding): Promise<Decided> {
    const judgement = await this.judge(tx, attempt, deciding);
    const [approval] = judgement.change === undefined ? [judgement.approval] : await this.streams.appendAll(tx, [judgement.change]);
    return { approval: approval ?? judgement.approval, ...(judgement.refusal === undefined ? {} : { refusal: judgement.refusal }) };
  }

  /** Several requests, each decided by itself, in one transaction that holds all their locks. A Problem of one leaves the others. */
  async decideEach(tx: PgTransaction, attempts: readonly Attempt[], deciding: Deciding): Promise<readonly (Decided | Problem)[]> {
    const judgements: (Judgement | Problem)[] = [];
    for (const attempt of attempts) judgements.push(await this.judge(tx, attempt, deciding).catch(asProblem));
    const changes = judgements.flatMap((judgement) => (judgement instanceof Problem || judgement.change === undefined ? [] : [judgement.change]));
    const changed = changes.length === 0 ? [] : await this.streams.appendAll(tx, changes);
    let next = 0;
    return judgements.map((judgement) => {
      if (judgement instanceof Problem) return judgement;
      const { approval, change, refusal } = judgement;
      return { approval: (change === undefined ? undefined : changed[next++]) ?? approval, ...(refusal === undefined ? {} : { refusal }) };
    });
  }

  private async judge(tx: PgTransaction, attempt: Attempt, { attempted, command: commandOf }: Deciding): Promise<Judgement> {
    const { caller, approvalId } = attempt;
    const approval = (await this.streams.load(tx, caller.tenant, approvalId)) ?? problem('NOT_FOUND');
    if (caller.type === 'person') attempt.checkVersion(approval);
    const now = await this.streams.databaseNow(tx);
    const known = await this.voters.now(tx, caller.tenant, [caller.id, ...approval.state.votes.map(({ person }) => person)], now, approval.state.request.act_chain);
    const dwellMs = caller.type === 'person' ? await this.looks.dwellMs(tx, caller.tenant, approvalId, caller.id, now) : undefined;
    const command = await commandOf({ approval, voter: voterOf(caller, known), now, ...(dwellMs === undefined ? {} : { dwellMs }), content: () => this.contentOf(tx, approval), reasonCodes: async () => (await this.reasons.of(caller.tenant, tx)).codes });
    const before = this.before(approval.state, command, known, now);
    const decided = decide(command, before.state);
    // Asked last: whoever may not decide at all is not sent to sign in again for it.
    const decision = isRefusal(decided) ? decided : (this.stepUp.refusal(command, approval.state.request.action_class, caller.type === 'person' ? caller.authTime : undefined, now) ?? decided);
    const cause: Cause = { actor: actorOf(caller), now, ...(attempt.traceparent === undefined ? {} : { traceparent: attempt.traceparent }) };
    const { tenant, events: past } = approval;
    const steps = [{ decided: before.events, cause: { actor: EXPIRING, now } }];
    if (!isRefusal(decision)) return { approval, change: { tenant, past, steps: [...steps, { decided: decision, cause }] } };
    const recorded = attempted !== undefined && RECORDED_CODES.includes(decision.code) && approval.refusals < APPROVAL_LIMITS.recordedRefusals;
    if (!recorded && before.events.length === 0) return { approval, refusal: decision };
    const refused = recorded ? { refused: { attempt: { attempted, code: decision.code as RefusalCode }, cause } } : {};
    return { approval, refusal: decision, change: { tenant, past, steps, ...refused } };
  }

  /** What time and the directory have changed since the last event: the deadline, and votes whose people may no longer vote. */
  private before(state: ApprovalState, { type }: ApprovalCommand, voters: readonly Voter[], now: number): { readonly state: ApprovalState; readonly events: readonly ApprovalEvent[] } {
    const due: readonly ApprovalCommand[] = [{ type: 'Expire', metadata: { now } }, ...(COUNTING.includes(type) ? [{ type: 'Recheck', metadata: { now }, data: { voters } } as const] : [])];
    let current = state;
    const events: ApprovalEvent[] = [];
    for (const command of due) {
      const decision = decide(command, current);
      if (isRefusal(decision)) continue;
      events.push(...decision);
      current = decision.reduce<ApprovalState>(evolve, current);
    }
    return { state: current, events };
  }

  private async contentOf(tx: PgTransaction, approval: RecordedApproval): Promise<OpenedContent> {
    return (await this.streams.content(approval, tx)) ?? problem('CONFLICT', 'the action was erased: nobody can see what this would be about');
  }
}

/** A person with the roles that the directory has now; one it no longer knows has none. */
const voterOf = (caller: DecidingPrincipal, known: readonly Voter[]): Voter => {
  if (caller.type === 'agent') return { type: 'agent', id: caller.id, roles: [] };
  const person = known.find(({ id }) => id === caller.id) ?? { type: 'person', id: caller.id, roles: [] };
  // A token may speak for fewer roles than its owner has.
  return { ...person, roles: person.roles.filter((role) => caller.roles.includes(role)) };
};
const actorOf = (caller: DecidingPrincipal): Actor => ({ type: caller.type, id: caller.id, ...(caller.type === 'agent' && caller.chain !== undefined ? { chain: caller.chain } : {}) });

/** For whoever decided on an older state of the request: what happened meanwhile. */
export const staleDetail = ({ state }: RecordedApproval): string => (state.status === 'Open' ? 'somebody acted on the request since it was read' : howDecided(state));

/** Problems are thrown before anything is written; anything else ends the transaction. */
const asProblem = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  throw error;
};
