import { Controller, Get, Post } from '@nestjs/common';
import { list, name, object, oneOf, optional, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { actingTenant, Allow, Caller, Database, Describe, Directory, Http, IdempotentRequests, principalName, problem, ShapedBody, ShapedPath, ShapedQuery, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { TOLD } from '../tell-channels/channel.js';
import { MAILBOX, MAILBOX_LENGTH } from './mail-settings.js';

const inTenant = object({ tenant: optional(name()) });
const events = optional(list(oneOf(...TOLD), TOLD.length));
const setBody = object({ tenant: optional(name()), address: text(MAILBOX_LENGTH), events });
const shownAddress = object({ person: name(), address: text(MAILBOX_LENGTH), events: list(text(40)), set_by: text(200) });
type Shown = Shape<typeof shownAddress>;

/** What people are told when nobody says otherwise: what wants something of them. */
const WANTS_SOMETHING = TOLD.filter((happening) => happening !== 'approval.resolved');
const SET = `INSERT INTO mail_address (tenant, person, address, events, set_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, person) DO UPDATE SET address = excluded.address, events = excluded.events, set_by = excluded.set_by, set_at = clock_timestamp()`;

/** Where people get mail: an admin says it, so nobody can have notices sent to a stranger. A person can take their own away. */
@Controller('v1/approvals/mail-addresses')
export class MailAddressesHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly database: Database,
    private readonly directory: Directory,
  ) {}

  @Get()
  @Allow('person:admin', 'root')
  @Describe({ summary: 'Who is told by mail, of what, and where; at most 1,000.', query: inTenant, answers: { 200: object({ items: list(shownAddress, 1_000) }) } })
  async list(@Caller() caller: Principal, @ShapedQuery(inTenant) { tenant }: Shape<typeof inTenant>): Promise<{ readonly items: readonly Shown[] }> {
    const { rows } = await this.database.query<Shown & Record<string, unknown>>('SELECT person, address, events, set_by FROM mail_address WHERE tenant = $1 ORDER BY person LIMIT 1000', [actingTenant(caller, tenant)]);
    return { items: rows };
  }

  @Post(':person')
  @Allow('person:admin', 'root')
  @Describe({ summary: 'Say where a person gets mail, and of what they are told.', body: setBody, answers: { 200: shownAddress }, codes: ['INVALID', 'NOT_FOUND'] })
  set(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('person', name()) person: string, @ShapedBody(setBody) { tenant: named, address, events: told = WANTS_SOMETHING }: Shape<typeof setBody>): Promise<Answer> {
    const tenant = actingTenant(caller, named);
    const set_by = principalName(caller);
    return this.requests.run({
      request,
      principal: caller,
      tenant,
      operation: 'set-mail-address',
      locks: { streams: [] },
      work: async (tx) => {
        if ((await this.directory.person(tenant, person)) === undefined) problem('NOT_FOUND');
        if (!MAILBOX.test(address)) problem('INVALID', undefined, [{ pointer: '/address', expected: 'one plain mailbox, as in name@example.org' }]);
        await tx.query(SET, [tenant, person, address, told, set_by]);
        return { status: 200, body: { person, address, events: told, set_by } };
      },
    });
  }

  @Post(':person/remove')
  @Allow('person', 'root')
  @Describe({ summary: 'Send no more mail to a person: an admin for anybody, everybody for themselves.', body: inTenant, answers: { 200: object({ person: name() }) }, codes: ['FORBIDDEN', 'NOT_FOUND'] })
  remove(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('person', name()) person: string, @ShapedBody(inTenant) { tenant: named }: Shape<typeof inTenant>): Promise<Answer> {
    const tenant = actingTenant(caller, named);
    if (caller.type === 'person' && caller.id !== person && !caller.roles.includes('admin')) problem('FORBIDDEN');
    return this.requests.run({
      request,
      principal: caller,
      tenant,
      operation: 'remove-mail-address',
      locks: { streams: [] },
      work: async (tx) => {
        const { rows } = await tx.query('DELETE FROM mail_address WHERE tenant = $1 AND person = $2 RETURNING person', [tenant, person]);
        if (rows.length === 0 && (await this.directory.person(tenant, person)) === undefined) problem('NOT_FOUND');
        return { status: 200, body: { person } };
      },
    });
  }
}
