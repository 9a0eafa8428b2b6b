import { Controller, Get, Post } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import type { Code, Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Allow, Caller, Describe, Http, problem, ShapedBody, ShapedPath, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import type { Attempt, Decided } from '../decide-request/decide-requests.js';
import { decisionAnswer } from '../vote-on-request/ballots.js';
import { DecisionRequests } from '../vote-on-request/decision-requests.js';
import { annotateBody, assignBody, deferBody, escalateBody, giveInformationBody, questionsAnswer, remarkAnswer, requestInformationBody } from './steer-bodies.js';
import { SteerRequest } from './steer-request.js';

const STEER_CODES: readonly Code[] = ['NOT_FOUND', 'IF_MATCH_REQUIRED', 'STALE', 'SELF_APPROVAL', 'NOT_ELIGIBLE', 'NOT_A_PERSON', 'ALREADY_DECIDED', 'APPROVAL_EXPIRED', 'CONFLICT'];
const REMARK_CODES: readonly Code[] = ['NOT_FOUND', 'NOT_ELIGIBLE', 'ALREADY_DECIDED', 'APPROVAL_EXPIRED', 'CONFLICT', 'REASON_REQUIRED'];
type Work = (tx: PgTransaction, attempt: Attempt) => Promise<Decided>;

/** Agents reach the routes of people so that their attempt is refused and recorded. */
@Controller('v1/approvals')
@Allow('person', 'agent')
export class SteerRequestHttp {
  constructor(
    private readonly decisions: DecisionRequests,
    private readonly steering: SteerRequest,
  ) {}

  @Post(':id/defer')
  @Describe({ summary: 'Put it off until a time before its deadline; people are reminded then.', body: deferBody, answers: { 200: decisionAnswer }, codes: STEER_CODES })
  defer(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(deferBody) body: Shape<typeof deferBody>): Promise<Answer> {
    return this.steer(request, caller, id, 'defer-request', (tx, attempt) => this.steering.defer(tx, attempt, body));
  }

  @Post(':id/assign')
  @Describe({ summary: 'Take it for some minutes, a sign to others and no lock; 0 minutes gives it back.', body: assignBody, answers: { 200: decisionAnswer }, codes: STEER_CODES })
  assign(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(assignBody) body: Shape<typeof assignBody>): Promise<Answer> {
    return this.steer(request, caller, id, 'assign-request', (tx, attempt) => this.steering.assign(tx, attempt, body));
  }

  @Post(':id/escalate')
  @Describe({ summary: 'Let the senior role that policy names answer too, or ask a person by name.', body: escalateBody, answers: { 200: decisionAnswer }, codes: [...STEER_CODES, 'WIDENS_AUTHORITY', 'REASON_REQUIRED'] })
  escalate(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(escalateBody) body: Shape<typeof escalateBody>): Promise<Answer> {
    return this.steer(request, caller, id, 'escalate-request', (tx, attempt) => this.steering.escalate(tx, attempt, body));
  }

  @Post(':id/request-information')
  @Describe({ summary: 'Ask the agent side something before deciding.', body: requestInformationBody, answers: { 200: decisionAnswer }, codes: [...STEER_CODES, 'REASON_REQUIRED'] })
  requestInformation(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(requestInformationBody) body: Shape<typeof requestInformationBody>): Promise<Answer> {
    return this.steer(request, caller, id, 'request-information', (tx, attempt) => this.steering.requestInformation(tx, attempt, body.question ?? ''));
  }

  @Get(':id/questions')
  @Allow('agent')
  @Describe({ summary: 'What people asked about this request; for the agent of the action.', answers: { 200: questionsAnswer }, codes: ['NOT_FOUND'] })
  questions(@Caller() caller: Principal, @ShapedPath('id', uuid()) id: string): Promise<Shape<typeof questionsAnswer>> {
    return this.steering.questions(caller.type === 'agent' ? caller : problem('FORBIDDEN'), id);
  }

  @Post(':id/give-information')
  @Describe({ summary: 'Answer a question, as the agent of the action or its owner; the card then shows it, so earlier cards are stale.', body: giveInformationBody, answers: { 200: remarkAnswer }, codes: REMARK_CODES })
  giveInformation(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(giveInformationBody) body: Shape<typeof giveInformationBody>): Promise<Answer> {
    return this.remark(request, caller, id, 'give-information', (tx, attempt) => this.steering.giveInformation(tx, attempt, body));
  }

  @Post(':id/annotate')
  @Describe({ summary: 'Remark on a request, with a source and a score; never a vote. Agents and models may, inside their scope.', body: annotateBody, answers: { 200: remarkAnswer }, codes: REMARK_CODES })
  annotate(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(annotateBody) body: Shape<typeof annotateBody>): Promise<Answer> {
    return this.remark(request, caller, id, 'annotate-request', (tx, attempt) => this.steering.annotate(tx, attempt, body));
  }

  private steer(request: HttpRequest, caller: Principal, approvalId: string, operation: string, work: Work): Promise<Answer> {
    return this.decisions.run({ request, caller, approvalId, operation, ifMatch: 'required', work });
  }

  /** Whoever remarks need not have read the card, and is told nothing of how it stands. */
  private remark(request: HttpRequest, caller: Principal, approvalId: string, operation: string, work: Work): Promise<Answer> {
    return this.decisions.run({ request, caller, approvalId, operation, ifMatch: 'none', work, body: ({ approval }) => ({ approval_id: approvalId, version: approval.version }) });
  }
}
