import { Controller, HttpCode, Post } from '@nestjs/common';
import { Allow, Answer, Caller, Describe, Http, Problem, ShapedBody } from '@exequatur/service-kit';
import type { AgentPrincipal, HttpRequest, Principal } from '@exequatur/service-kit';
import type { AuthorityOutcome, SettleAsked } from '../authority/authority-command.js';
import { budgetHoldOf } from './budget-hold-of.js';
import { agentOf, cyclesAsking } from './cycles-asking.js';
import { answered, appliedText } from './cycles-answer.js';
import { CyclesBatches } from './cycles-batches.js';
import { CYCLES_ERRORS, eventResponse } from './cycles-responses.js';
import { eventShape } from './cycles-shapes.js';
import type { CyclesAmount, EventBody } from './cycles-shapes.js';
import { refusedHold, reservedOf } from './hold-answer.js';
import { chargedBy, refusalOf, releaseAnswer } from './settle-answer.js';

/** What the first of the two steps leaves behind for the second, under the key of the event. */
interface Placed {
  readonly reservation_id: string;
  /** what is held; less than was used where budgets did not cover it */
  readonly held: string;
}

/**
 * Usage that nobody reserved. It is a hold of that amount and its commit, on one stream: the charge is the commit, which all
 * budgets of the path take together or not at all. Each step is kept under the event's key, so a repeated request finds what
 * the first one has done, wherever it stopped.
 */
@Controller('cycles/v1/events')
@Allow('agent')
export class CyclesEventsHttp {
  constructor(private readonly batches: CyclesBatches) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Cycles: charge usage that was not reserved.', body: eventShape, keyless: true, answers: { 201: eventResponse }, errors: CYCLES_ERRORS })
  async create(@ShapedBody(eventShape) body: EventBody, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const agent = agentOf(principal);
    const placed = await this.place(body, agent, request);
    const { unit, amount } = body.actual;
    // Nothing is left, so there is no hold for a charge to go beyond: under ALLOW_IF_AVAILABLE that is a charge of nothing.
    const nothingLeft = placed.held === '0' && amount > 0;
    try {
      if (nothingLeft && body.overage_policy === 'ALLOW_WITH_OVERDRAFT') throw new Problem('OVERDRAFT_LIMIT_EXCEEDED', 'nothing is left on the path');
      return await this.settle(placed.reservation_id, agent, request, body.idempotency_key, 'event', { type: 'CommitReservation', data: { attestedBy: 'agent', actual: [{ unit, amount: nothingLeft ? '0' : String(amount) }] } }, (outcome) => applied(placed.reservation_id, outcome, body.actual));
    } catch (error) {
      // A decided refusal: what the first step holds is given back. After anything else the same request goes on from here.
      if (error instanceof Problem && error.code === 'OVERDRAFT_LIMIT_EXCEEDED') {
        await this.settle(placed.reservation_id, agent, request, body.idempotency_key, 'event-release', { type: 'ReleaseReservation', data: { attestedBy: 'agent', outcome: 'NONE', reason: 'event_refused' } }, releaseAnswer);
      }
      throw error;
    }
  }

  private async place(body: EventBody, agent: AgentPrincipal, request: HttpRequest): Promise<Placed> {
    const { subject, action, actual, overage_policy, metadata, idempotency_key } = body;
    const { scope, asked } = cyclesAsking(request, agent, 'event-hold', idempotency_key);
    const ask = { subject, action, amount: actual, key: idempotency_key, ...(overage_policy === undefined ? {} : { overage: overage_policy }), ...(metadata === undefined ? {} : { metadata }) };
    const command = { ...asked, ...budgetHoldOf(ask, agent, scope.inputHash), ...(overage_policy === 'REJECT' ? {} : { orLess: true as const }) };
    const answer = await this.batches.submit({ scope, command, answer: placedAnswer });
    return JSON.parse(answer.body.toString('utf8')) as Placed;
  }

  private settle(reservationId: string, agent: AgentPrincipal, request: HttpRequest, key: string, operation: string, command: SettleAsked['command'], answer: (outcome: AuthorityOutcome) => Answer | Problem): Promise<Answer> {
    const { scope, asked } = cyclesAsking(request, agent, operation, key);
    return this.batches.submit({ scope, command: { kind: 'settle', reservationId, ...asked, command, onlyAgent: agent.id, onlyPurpose: 'budget_only' }, answer });
  }
}

const placedAnswer = (outcome: AuthorityOutcome): Answer | Problem => {
  const reserved = reservedOf(outcome);
  const { decision } = reserved;
  return decision.held ? Answer.json(200, { reservation_id: decision.data.reservation_id, held: decision.data.holds[0]?.amount ?? '0' } satisfies Placed) : refusedHold(decision, reserved);
};

const applied = (reservationId: string, outcome: AuthorityOutcome, { unit }: CyclesAmount): Answer | Problem =>
  outcome.kind === 'settled' ? answered(201, appliedText(reservationId, unit, chargedBy(outcome.events, unit))) : refusalOf(outcome);
