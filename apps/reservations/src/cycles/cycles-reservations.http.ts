import { Controller, HttpCode, Post } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import { Allow, Caller, Describe, Http, ShapedBody, ShapedPath } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import type { AuthorityOutcome, SettleAsked } from '../authority/authority-command.js';
import type { Submission } from '../authority/authority-batches.js';
import { reasonCode } from '../settle-reservation/settle-reservation.http.js';
import { affectedScopes, budgetHoldOf } from './budget-hold-of.js';
import { agentOf, cyclesAsking } from './cycles-asking.js';
import { CyclesBatches } from './cycles-batches.js';
import { commitResponse, createResponse, CYCLES_ERRORS, extendResponse, releaseResponse } from './cycles-responses.js';
import { commitShape, createShape, extendShape, releaseShape } from './cycles-shapes.js';
import type { CommitBody, CreateBody, ExtendBody, ReleaseBody } from './cycles-shapes.js';
import { createAnswer, decisionAnswer } from './hold-answer.js';
import { commitAnswer, extendAnswer, releaseAnswer } from './settle-answer.js';

/** Reservations of the Cycles protocol: holds of purpose budget_only, decided by the same authority in the same batches. */
@Controller('cycles/v1/reservations')
@Allow('agent')
export class CyclesReservationsHttp {
  constructor(private readonly batches: CyclesBatches) {}

  @Post()
  @HttpCode(200)
  @Describe({ summary: 'Cycles: reserve budget for a planned action; with dry_run say only what would be.', body: createShape, keyless: true, answers: { 200: createResponse }, errors: CYCLES_ERRORS })
  create(@ShapedBody(createShape) body: CreateBody, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const agent = agentOf(principal);
    const { subject, action, estimate, ttl_ms, grace_period_ms, overage_policy, metadata } = body;
    const { scope, asked } = cyclesAsking(request, agent, 'create', body.idempotency_key);
    const holding = budgetHoldOf(
      {
        subject,
        action,
        amount: estimate,
        key: body.idempotency_key,
        ...(ttl_ms === undefined ? {} : { ttlMs: ttl_ms }),
        ...(grace_period_ms === undefined ? {} : { graceMs: grace_period_ms }),
        ...(overage_policy === undefined ? {} : { overage: overage_policy }),
        ...(metadata === undefined ? {} : { metadata }),
      },
      agent,
      scope.inputHash,
    );
    const { scopePath } = holding.hold;
    const scopes = affectedScopes(scopePath);
    if (body.dry_run === true) return this.batches.submit({ scope, command: { ...asked, ...holding, dryRun: true }, answer: (outcome) => decisionAnswer(outcome, scopes) });
    return this.batches.submitLease({ scope, command: { ...asked, ...holding }, answer: (outcome) => createAnswer(outcome, estimate, scopePath, scopes) });
  }

  @Post(':id/commit')
  @HttpCode(200)
  @Describe({ summary: 'Cycles: commit what was used.', body: commitShape, keyless: true, answers: { 200: commitResponse }, errors: CYCLES_ERRORS })
  commit(@ShapedPath('id', uuid()) id: string, @ShapedBody(commitShape) body: CommitBody, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const { actual } = body;
    const command: SettleAsked['command'] = { type: 'CommitReservation', data: { attestedBy: 'agent', actual: [{ unit: actual.unit, amount: String(actual.amount) }] } };
    return this.batches.submit(this.settling(id, principal, request, 'commit', body.idempotency_key, { command, onlyUnit: actual.unit }, (outcome) => commitAnswer(outcome, actual)));
  }

  @Post(':id/release')
  @HttpCode(200)
  @Describe({ summary: 'Cycles: give an unused reservation back.', body: releaseShape, keyless: true, answers: { 200: releaseResponse }, errors: CYCLES_ERRORS })
  release(@ShapedPath('id', uuid()) id: string, @ShapedBody(releaseShape) body: ReleaseBody, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const command: SettleAsked['command'] = { type: 'ReleaseReservation', data: { attestedBy: 'agent', outcome: 'NONE', reason: reasonCode(body.reason, 'released') } };
    return this.batches.submit(this.settling(id, principal, request, 'release', body.idempotency_key, { command }, releaseAnswer));
  }

  @Post(':id/extend')
  @HttpCode(200)
  @Describe({ summary: 'Cycles: keep a reservation longer.', body: extendShape, keyless: true, answers: { 200: extendResponse }, errors: CYCLES_ERRORS })
  extend(@ShapedPath('id', uuid()) id: string, @ShapedBody(extendShape) body: ExtendBody, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const command: SettleAsked['command'] = { type: 'ExtendReservation', data: { byMs: body.extend_by_ms } };
    return this.batches.submitLease(this.settling(id, principal, request, 'extend', body.idempotency_key, { command }, extendAnswer), id);
  }

  private settling(id: string, principal: Principal, request: HttpRequest, operation: string, key: string, what: Pick<SettleAsked, 'command' | 'onlyUnit'>, answer: (outcome: AuthorityOutcome) => ReturnType<NonNullable<Submission['answer']>>): Submission {
    const agent = agentOf(principal);
    const { scope, asked } = cyclesAsking(request, agent, operation, key);
    return { scope, command: { kind: 'settle', reservationId: id, ...asked, ...what, onlyAgent: agent.id, onlyPurpose: 'budget_only' }, answer };
  }
}
