import { Controller, Get, Post } from '@nestjs/common';
import { count, instant, list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { actingTenant, Allow, Caller, Database, Describe, Http, IdempotentRequests, principalName, ShapedBody, ShapedPath, ShapedQuery, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { moment } from '../list-requests/moment.js';
import { TOLD } from '../tell-channels/channel.js';
import { endpointId, WebhookEndpoints } from './webhook-endpoints.js';

const inTenant = object({ tenant: optional(name()) });
const keepBody = object({ tenant: optional(name()), name: name(), url: text(2_000), events: optional(list(oneOf(...TOLD), TOLD.length)) });
const shownEndpoint = { name: name(), url: text(2_000), events: list(text(40)), configured_by: text(200) };
const endpointsAnswer = object({ items: list(object({ ...shownEndpoint, kept: oneOf('configuration', 'api') }), 200) });
const keptAnswer = object({ ...shownEndpoint, secret: text(200) });
const noticesAnswer = object({
  items: list(object({ event_id: uuid(), happening: text(40), approval_id: optional(uuid()), attempts: count(), kept_at: instant(), delivered_at: optional(instant()), next_at: optional(instant()), fault: optional(text(200)) }), 100),
});
const replayBody = object({ tenant: optional(name()), since: instant() });

/** Told again at once at most. */
const MOST_REPLAYED = 1_000;
const NOTICES = `SELECT event_id, happening, approval_id, attempts, kept_at, delivered_at, next_at, last_fault FROM notice
WHERE tenant = $1 AND channel = 'webhook' AND address = $2 ORDER BY kept_at DESC LIMIT 100`;
const REPLAY = `UPDATE notice SET next_at = clock_timestamp(), attempts = 0, delivered_at = NULL, last_fault = NULL
WHERE (tenant, event_id, channel, address) IN (SELECT tenant, event_id, channel, address FROM notice WHERE tenant = $1 AND channel = 'webhook' AND address = $2 AND kept_at >= $3 ORDER BY kept_at LIMIT ${MOST_REPLAYED}) RETURNING event_id`;

interface Row {
  readonly event_id: string;
  readonly happening: string;
  readonly approval_id: string | null;
  readonly attempts: number;
  readonly kept_at: Date;
  readonly delivered_at: Date | null;
  readonly next_at: Date | null;
  readonly last_fault: string | null;
}

/** Endpoints that a tenant's admins keep themselves, what was told to them, and telling it again. */
@Controller('v1/approvals/webhooks')
@Allow('person:admin', 'root')
export class WebhookEndpointsHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly database: Database,
    private readonly endpoints: WebhookEndpoints,
  ) {}

  @Get()
  @Describe({ summary: 'The endpoints that are told of approvals, without their secrets.', query: inTenant, answers: { 200: endpointsAnswer } })
  async list(@Caller() caller: Principal, @ShapedQuery(inTenant) { tenant }: Shape<typeof inTenant>): Promise<object> {
    return { items: await this.endpoints.list(actingTenant(caller, tenant)) };
  }

  @Post()
  @Describe({ summary: 'Name an endpoint to tell, or replace it; each time with a new secret, which is shown in this answer alone.', body: keepBody, answers: { 201: keptAnswer }, codes: ['INVALID', 'CONFLICT'] })
  keep(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedBody(keepBody) { tenant: named, name: endpointName, url, events = TOLD }: Shape<typeof keepBody>): Promise<Answer> {
    const tenant = actingTenant(caller, named);
    const configured_by = principalName(caller);
    return this.requests.run({
      request,
      principal: caller,
      tenant,
      operation: 'keep-webhook',
      locks: { streams: [] },
      work: async (tx) => {
        const secret = await this.endpoints.keep(tx, { tenant, name: endpointName, url, events, by: configured_by });
        // The answer is kept for a repeated key under the endpoint's own data key.
        return { status: 201, body: { name: endpointName, url, events, configured_by, secret }, actionId: endpointId(tenant, endpointName) };
      },
    });
  }

  @Post(':name/remove')
  @Describe({ summary: 'Tell this endpoint no more.', body: inTenant, answers: { 200: object({ name: name() }) }, codes: ['NOT_FOUND'] })
  remove(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('name', name()) endpointName: string, @ShapedBody(inTenant) { tenant: named }: Shape<typeof inTenant>): Promise<Answer> {
    const tenant = actingTenant(caller, named);
    return this.requests.run({ request, principal: caller, tenant, operation: 'remove-webhook', locks: { streams: [] }, work: async (tx) => ({ status: 200, body: await this.endpoints.remove(tx, tenant, endpointName).then(() => ({ name: endpointName })) }) });
  }

  @Get(':name/notices')
  @Describe({ summary: 'What this endpoint was told last, or is still to be told, newest first, at most 100.', query: inTenant, answers: { 200: noticesAnswer }, codes: ['NOT_FOUND'] })
  async notices(@Caller() caller: Principal, @ShapedPath('name', name()) endpointName: string, @ShapedQuery(inTenant) { tenant: named }: Shape<typeof inTenant>): Promise<object> {
    const tenant = actingTenant(caller, named);
    await this.endpoints.mustExist(this.database, tenant, endpointName);
    const { rows } = await this.database.query<Row & Record<string, unknown>>(NOTICES, [tenant, endpointName]);
    return { items: rows.map(noticeOf) };
  }

  @Post(':name/replay')
  @Describe({ summary: `Tell it again everything since a moment, the oldest ${MOST_REPLAYED} of it, each with its old id.`, body: replayBody, answers: { 200: object({ replayed: count() }) }, codes: ['NOT_FOUND', 'INVALID'] })
  replay(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('name', name()) endpointName: string, @ShapedBody(replayBody) { tenant: named, since }: Shape<typeof replayBody>): Promise<Answer> {
    const tenant = actingTenant(caller, named);
    return this.requests.run({
      request,
      principal: caller,
      tenant,
      operation: 'replay-webhook',
      locks: { streams: [] },
      work: async (tx) => {
        await this.endpoints.mustExist(tx, tenant, endpointName);
        const { rows } = await tx.query(REPLAY, [tenant, endpointName, moment(since, '/since')]);
        return { status: 200, body: { replayed: rows.length } };
      },
    });
  }
}

const noticeOf = ({ event_id, happening, approval_id, attempts, kept_at, delivered_at, next_at, last_fault }: Row): object => ({
  event_id,
  happening,
  ...(approval_id === null ? {} : { approval_id }),
  attempts,
  kept_at: kept_at.toISOString(),
  ...(delivered_at === null ? {} : { delivered_at: delivered_at.toISOString() }),
  ...(next_at === null ? {} : { next_at: next_at.toISOString() }),
  ...(last_fault === null ? {} : { fault: last_fault }),
});
