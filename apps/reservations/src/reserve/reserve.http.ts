import { Controller, HttpCode, Post } from '@nestjs/common';
import { capsShape, count, instant, jws, list, object, oneOf, optional, reserveShape, text, unitAmount, uuid } from '@exequatur/contracts';
import type { ReserveRequest } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { tenantOfScopePath } from '@exequatur/reservations-domain';
import type { ReserveCaller } from '@exequatur/reservations-domain';
import { Allow, Answer, Caller, Describe, Http, problem, ShapedBody, Signer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import type { ReserveAsked } from '../authority/authority-command.js';
import { asking } from '../authority/asking.js';
import { AuthorityBatches } from '../authority/authority-batches.js';
import { verifyGrant } from '../authority/present-grant.js';
import { DryRun } from './dry-run.js';

const claimFields = { grant_id: uuid(), use_no: count(), execution_id: uuid(), execute_by: instant(), execute_within_ms: count(), expires_at: instant(), caps: capsShape, holds: list(unitAmount) };
export const heldShape = object({ status: oneOf('held'), reservation_id: uuid(), ...claimFields, authorization: jws() });
export const dryRunShape = object({ allowed: oneOf('yes', 'no'), code: optional(text(60)), caps: optional(capsShape), holds: optional(list(unitAmount)), execute_within_ms: optional(count()) });

const callerOf = (principal: Principal, request: ReserveRequest): ReserveCaller => {
  if (principal.type === 'agent') return { type: 'agent', tenant: principal.tenant, agent: principal.id };
  if (principal.type === 'service') return { type: 'executor', tenant: tenantOfScopePath(request.scope_path) };
  return problem('FORBIDDEN');
};

/** May this exact action run now? The only door to a claim. */
@Controller('v1')
export class ReserveHttp {
  constructor(
    private readonly batches: AuthorityBatches,
    private readonly dryRun: DryRun,
    private readonly signer: Signer,
  ) {}

  @Post('reservations')
  @HttpCode(201)
  @Allow('agent', 'service:executor')
  @Describe({ summary: 'Reserve authority and budget for one use of a grant.', body: reserveShape, answers: { 201: heldShape } })
  async reserve(@ShapedBody(reserveShape) body: ReserveRequest, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const { scope, command } = await this.commandOf(body, principal, request, 'reserve');
    return this.batches.submit({ command, scope });
  }

  @Post('decide')
  @HttpCode(200)
  @Allow('agent', 'service:executor')
  @Describe({ summary: 'Ask what reserve would answer now, and change nothing.', body: reserveShape, keyless: true, answers: { 200: dryRunShape } })
  async decide(@ShapedBody(reserveShape) body: ReserveRequest, @Caller() principal: Principal): Promise<Answer> {
    const caller = callerOf(principal, body);
    return this.dryRun.decide({ kind: 'reserve', tenant: caller.tenant, reservationId: newId(), actor: { type: 'system', id: 'dry-run' }, caller, request: body, ...(await this.presented(body)) });
  }

  private async commandOf(body: ReserveRequest, principal: Principal, request: HttpRequest, operation: string): Promise<{ scope: ReturnType<typeof asking>['scope']; command: ReserveAsked }> {
    const caller = callerOf(principal, body);
    const { scope, asked } = asking(request, principal, operation, caller.tenant);
    return { scope, command: { kind: 'reserve', reservationId: newId(), ...asked, caller, request: body, ...(await this.presented(body)) } };
  }

  /** A grant whose signature is not its owner's is as good as none: GRANT_UNKNOWN. */
  private async presented({ grant }: ReserveRequest): Promise<Pick<ReserveAsked, 'presented'>> {
    const presented = grant === undefined ? undefined : await verifyGrant(this.signer, grant);
    return presented === undefined ? {} : { presented };
  }
}
