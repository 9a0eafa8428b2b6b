import { Controller, HttpCode, Post } from '@nestjs/common';
import { count, hash, instant, list, object, oneOf, optional, text, unitAmount, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Answer, Caller, Database, Describe, Http, problem, ShapedBody, ShapedPath } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import type { SettleAsked } from '../authority/authority-command.js';
import { asking } from '../authority/asking.js';
import { AuthorityBatches } from '../authority/authority-batches.js';

const actual = optional(list(unitAmount, 20));
const provider_request_id = optional(text(300));
export const outcomeShape = object({ status: oneOf('SUCCEEDED', 'FAILED', 'UNKNOWN'), actual, provider_request_id, executed_arguments_hash: optional(hash()), reason: optional(text(300)) });
export const commitShape = object({ actual, provider_request_id, executed_arguments_hash: optional(hash()) });
export const releaseShape = object({ reason: optional(text(300)) });
export const extendShape = object({ by_ms: count() });
export const reconcileShape = object({ result: oneOf('executed', 'not_executed'), actual, provider_request_id, reason: text(200) });
export const standingShape = object({ reservation_id: uuid(), status: oneOf('held', 'started', 'unknown', 'committed', 'released', 'expired'), execute_by: instant(), execute_within_ms: count(), expires_at: instant() });

type Commit = Shape<typeof commitShape>;
const answers = { 200: standingShape };

const committing = (body: Commit, attestedBy: 'agent' | 'executor' | 'person'): SettleAsked['command'] => ({
  type: 'CommitReservation',
  data: {
    attestedBy,
    actual: body.actual ?? [],
    ...(body.provider_request_id === undefined ? {} : { providerRequestId: body.provider_request_id }),
    ...(body.executed_arguments_hash === undefined ? {} : { executedArgumentsHash: body.executed_arguments_hash }),
  },
});
const releasing = (reason: string, attestedBy: 'agent' | 'executor' | 'person'): SettleAsked['command'] => ({ type: 'ReleaseReservation', data: { attestedBy, outcome: 'FAILED', reason } });
/**
 * An agent's own words may be personal and events are for ever, so only a reason in the form of a code goes into one
 * (architecture.md "Privacy and erasure").
 */
export const reasonCode = (reason: string | undefined, otherwise: string): string => (reason !== undefined && /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/.test(reason) ? reason : otherwise);
const attestorOf = (principal: Principal): 'agent' | 'executor' => (principal.type === 'agent' ? 'agent' : 'executor');

/** From a claim to its end. Agents settle their self executions, the executor its managed ones; a person reconciles. */
@Controller('v1/reservations/:id')
@Allow('agent', 'service:executor')
export class SettleReservationHttp {
  constructor(
    private readonly batches: AuthorityBatches,
    private readonly database: Database,
  ) {}

  @Post('start')
  @HttpCode(200)
  @Describe({ summary: 'The effect is about to happen.', answers })
  start(@ShapedPath('id', uuid()) id: string, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.submit(id, principal, request, 'start', { type: 'StartReservation', data: { attestedBy: attestorOf(principal) } });
  }

  @Post('outcome')
  @HttpCode(200)
  @Describe({ summary: 'What became of it: SUCCEEDED commits, FAILED releases, UNKNOWN keeps the hold until it is reconciled.', body: outcomeShape, answers })
  outcome(@ShapedPath('id', uuid()) id: string, @ShapedBody(outcomeShape) body: Shape<typeof outcomeShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const attestedBy = attestorOf(principal);
    const command: SettleAsked['command'] =
      body.status === 'SUCCEEDED'
        ? committing(body, attestedBy)
        : body.status === 'FAILED'
          ? releasing(reasonCode(body.reason, 'no_effect'), attestedBy)
          : { type: 'MarkReservationUnknown', data: { attestedBy, reason: reasonCode(body.reason, 'reported_unknown') } };
    return this.submit(id, principal, request, 'outcome', command);
  }

  @Post('commit')
  @HttpCode(200)
  @Describe({ summary: 'The effect happened; a unit that is not named was used as reserved.', body: commitShape, answers })
  commit(@ShapedPath('id', uuid()) id: string, @ShapedBody(commitShape) body: Commit, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.submit(id, principal, request, 'commit', committing(body, attestorOf(principal)));
  }

  @Post('release')
  @HttpCode(200)
  @Describe({ summary: 'The effect provably did not happen; everything is returned, the use stays spent.', body: releaseShape, answers })
  release(@ShapedPath('id', uuid()) id: string, @ShapedBody(releaseShape) body: Shape<typeof releaseShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.submit(id, principal, request, 'release', releasing(reasonCode(body.reason, 'no_effect'), attestorOf(principal)));
  }

  @Post('extend')
  @HttpCode(200)
  @Describe({ summary: 'Keep the hold so much longer, within bounds; execute_by never moves.', body: extendShape, answers })
  extend(@ShapedPath('id', uuid()) id: string, @ShapedBody(extendShape) body: Shape<typeof extendShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.submit(id, principal, request, 'extend', { type: 'ExtendReservation', data: { byMs: body.by_ms } });
  }

  /** Self executions only: an unknown managed one is reconciled at the executor, which has the tool's answers. */
  @Post('reconcile')
  @HttpCode(200)
  @Allow('person:operator', 'person:admin')
  @Describe({ summary: 'A person settles an unknown outcome of a self execution.', body: reconcileShape, answers })
  async reconcile(@ShapedPath('id', uuid()) id: string, @ShapedBody(reconcileShape) body: Shape<typeof reconcileShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    if (principal.type !== 'person') return problem('FORBIDDEN');
    if (body.reason.trim() === '') return problem('REASON_REQUIRED');
    const { scope, asked } = asking(request, principal, 'reconcile', principal.tenant);
    const command = body.result === 'executed' ? committing(body, 'person') : releasing(`reconciled: ${body.reason}`, 'person');
    return this.batches.submit({ scope, command: { kind: 'settle', reservationId: id, ...asked, command, onlyMode: 'self' } });
  }

  private async submit(id: string, principal: Principal, request: HttpRequest, operation: string, command: SettleAsked['command']): Promise<Answer> {
    const tenant = principal.type === 'agent' ? principal.tenant : await this.tenantOf(id);
    const { scope, asked } = asking(request, principal, operation, tenant);
    const only = principal.type === 'agent' ? { onlyAgent: principal.id, onlyMode: 'self' as const } : { onlyMode: 'managed' as const };
    return this.batches.submit({ scope, command: { kind: 'settle', reservationId: id, ...asked, command, ...only } });
  }

  /** The executor acts in every tenant; the reservation says in which. */
  private async tenantOf(id: string): Promise<string> {
    const { rows } = await this.database.query<{ tenant: string }>('SELECT tenant FROM reservation WHERE reservation_id = $1', [id]);
    return rows[0]?.tenant ?? problem('NOT_FOUND');
  }
}
