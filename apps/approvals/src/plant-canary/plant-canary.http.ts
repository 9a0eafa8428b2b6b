import { Controller, HttpCode, Post } from '@nestjs/common';
import { anything, instant, object, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { Allow, Caller, Describe, Http, IdempotentRequests, problem, ShapedBody, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { PlantCanary } from './plant-canary.js';

/** `like`: the approval_id of a recorded request; `arguments` as a whole, such that nobody should approve them. */
const canaryBody = object({ like: uuid(), arguments: anything(), reasoning: optional(text(4_000)) });
const canaryAnswer = object({ approval_id: uuid(), action_id: uuid(), expires_at: instant() });

@Controller('v1/approvals/canaries')
@Allow('person:admin', 'person:auditor')
export class PlantCanaryHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly canaries: PlantCanary,
  ) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Plant a request that nobody should approve, like a recorded one with other arguments. Recorded as planted; no decision on it gives authority.', body: canaryBody, answers: { 201: canaryAnswer }, codes: ['NOT_FOUND', 'CONFLICT'] })
  plant(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedBody(canaryBody) { like, arguments: args, reasoning }: Shape<typeof canaryBody>): Promise<Answer> {
    const person = caller.type === 'person' ? caller : problem('FORBIDDEN');
    const [approvalId, actionId] = [newId(), newId()];
    return this.requests.run({
      request,
      principal: person,
      operation: 'plant-canary',
      locks: { streams: [approvalStream(person.tenant, approvalId)] },
      work: async (tx) => {
        const planted = await this.canaries.plant(tx, person, { approvalId, actionId, like, arguments: args as JsonValue, ...(reasoning === undefined ? {} : { reasoning }) });
        return { status: 201, body: { approval_id: approvalId, action_id: actionId, expires_at: planted.expires_at } };
      },
    });
  }
}
