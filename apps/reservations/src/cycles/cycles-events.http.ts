import { Controller, HttpCode, Post } from '@nestjs/common';
import { Allow, Answer, Caller, Describe, Http, Problem, ShapedBody } from '@exequatur/service-kit';
import type { AgentPrincipal, HttpRequest, Principal } from '@exequatur/service-kit';
import type { AuthorityOutcome } from '../authority/authority-command.js';
import { budgetHoldOf } from './budget-hold-of.js';
import { agentOf, cyclesAsking } from './cycles-asking.js';
import { answered, appliedText } from './cycles-answer.js';
import { CyclesBatches } from './cycles-batches.js';
import { CYCLES_ERRORS, eventResponse } from './cycles-responses.js';
import { eventShape } from './cycles-shapes.js';
import type { EventBody } from './cycles-shapes.js';
import { refusedHold, reservedOf } from './hold-answer.js';
import { chargedBy, commitAnswer } from './settle-answer.js';

/** What the first of the two steps leaves behind for the second, under the key of the event. */
interface Placed {
  readonly reservation_id: string;
}

/**
 * Usage that nobody reserved. It is a hold of exactly that amount and its commit, on one stream: the charge is the commit, which
 * all budgets of the path take together or not at all. Each step is kept under the event's key, so a repeated request finds what
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
    const reservationId = await this.place(body, agent, request);
    return this.charge(reservationId, body, agent, request);
  }

  private async place(body: EventBody, agent: AgentPrincipal, request: HttpRequest): Promise<string> {
    const { subject, action, actual, overage_policy, metadata, idempotency_key } = body;
    const { scope, asked } = cyclesAsking(request, agent, 'event-hold', idempotency_key);
    const ask = { subject, action, amount: actual, key: idempotency_key, ...(overage_policy === undefined ? {} : { overage: overage_policy }), ...(metadata === undefined ? {} : { metadata }) };
    const answer = await this.batches.submit({ scope, command: { ...asked, ...budgetHoldOf(ask, agent, scope.inputHash) }, answer: placedAnswer });
    return (JSON.parse(answer.body.toString('utf8')) as Placed).reservation_id;
  }

  private charge(reservationId: string, { actual, idempotency_key }: EventBody, agent: AgentPrincipal, request: HttpRequest): Promise<Answer> {
    const { scope, asked } = cyclesAsking(request, agent, 'event', idempotency_key);
    return this.batches.submit({
      scope,
      command: {
        kind: 'settle',
        reservationId,
        ...asked,
        command: { type: 'CommitReservation', data: { attestedBy: 'agent', actual: [{ unit: actual.unit, amount: String(actual.amount) }] } },
        onlyAgent: agent.id,
        onlyPurpose: 'budget_only',
      },
      answer: (outcome) => {
        const committed = commitAnswer(outcome, actual);
        if (committed instanceof Problem || outcome.kind !== 'settled') return committed;
        return answered(201, appliedText(reservationId, actual.unit, chargedBy(outcome.events, actual.unit)));
      },
    });
  }
}

const placedAnswer = (outcome: AuthorityOutcome): Answer | Problem => {
  const reserved = reservedOf(outcome);
  const { decision } = reserved;
  return decision.held ? Answer.json(200, { reservation_id: decision.data.reservation_id } satisfies Placed) : refusedHold(decision, reserved);
};
