import { Controller, Get } from '@nestjs/common';
import { anything, name, object, oneOf, optional, record, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { actingTenant, Admission, Allow, Caller, Database, decodeCursor, Describe, Http, pageFields, pageOf, pageSize, problem, shaped, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { HttpRequest, ListPage, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { ActionChanges } from './action-changes.js';
import { ActionDocuments } from './action-document.js';
import { followerOf, viewRows } from './action-view-rows.js';
import { ACTION_STATUSES } from './action-view.js';
import type { ActionView } from './action-view.js';
import { Actions } from './actions.query.js';

const tenantQuery = object({ tenant: optional(name()) });
const listQuery = object({ ...pageFields, tenant: optional(name()), agent: optional(name()), run: optional(name()), status: optional(oneOf(...ACTION_STATUSES)), idempotency_key: optional(plainText(255)) });
const waitQuery = object({
  tenant: optional(name()),
  /** `30s` or `30000ms`, at most 60 s */
  timeout: optional({ json: { type: 'string', pattern: '^[0-9]{1,5}(s|ms)?$' } } as { json: Record<string, unknown>; type?: string }),
  /** statuses to wait out, comma-separated; awaiting_approval when left out */
  while: optional(text(300)),
});
const document = record(anything());
const documents = { json: { type: 'object', properties: { items: { type: 'array', items: document.json }, next_cursor: { type: ['string', 'null'] } } } };

const MAX_WAIT_MS = 60_000;
/** Another instance may have seen the change: look again this often. */
const LOOK_AGAIN_MS = 1_000;

@Controller('v1/actions')
@Allow('agent', 'person', 'root')
export class ActionViewHttp {
  constructor(
    private readonly actions: Actions,
    private readonly documents: ActionDocuments,
    private readonly changes: ActionChanges,
    private readonly database: Database,
    private readonly admission: Admission,
  ) {}

  @Get()
  @Describe({ summary: 'Actions, newest first; agents see their own.', query: listQuery, answers: { 200: documents } })
  async list(@ShapedQuery(listQuery) query: Shape<typeof listQuery>, @Caller() principal: Principal): Promise<ListPage<object>> {
    const size = pageSize(query.limit);
    const position = decodeCursor(query.cursor);
    const agent = principal.type === 'agent' ? principal.id : query.agent;
    const rows = await viewRows(this.database, {
      tenant: actingTenant(principal, query.tenant),
      ...(agent === undefined ? {} : { agent }),
      ...(query.run === undefined ? {} : { run: query.run }),
      ...(query.status === undefined ? {} : { status: query.status }),
      ...(query.idempotency_key === undefined ? {} : { idempotencyKey: query.idempotency_key }),
      ...(position === undefined ? {} : { before: shaped(uuid(), position) }),
      limit: size + 1,
    });
    return pageOf(rows, size, ({ action_id }) => action_id, (view) => this.documents.summary(view));
  }

  @Get(':id')
  @Describe({ summary: 'One action as it stands now; its agent also sees what is sealed.', query: tenantQuery, answers: { 200: document }, codes: ['NOT_FOUND'] })
  async one(@ShapedPath('id', uuid()) id: string, @ShapedQuery(tenantQuery) query: Shape<typeof tenantQuery>, @Caller() principal: Principal): Promise<object> {
    return this.shown(await this.actions.visible(principal, id, query.tenant), principal);
  }

  @Get(':id/verdicts')
  @Describe({ summary: 'What policy answered, by which rule of which policy.', query: tenantQuery, answers: { 200: documents }, codes: ['NOT_FOUND'] })
  async verdicts(@ShapedPath('id', uuid()) id: string, @ShapedQuery(tenantQuery) query: Shape<typeof tenantQuery>, @Caller() principal: Principal): Promise<ListPage<object>> {
    const { verdict, tier, sampled, rule_id, reason, policy_hash, policy_version, action_class, caps, facts, proposed_at } = await this.actions.visible(principal, id, query.tenant);
    const item = { verdict, tier, sampled, rule_id, reason, policy_hash, policy_version, action_class, caps, facts, at: proposed_at };
    return { items: [item], next_cursor: null };
  }

  @Get(':id/wait')
  @Describe({ summary: 'Answers when the action leaves the statuses waited out, or with the current one when time is up.', query: waitQuery, answers: { 200: document }, codes: ['NOT_FOUND', 'BUSY'] })
  async wait(@ShapedPath('id', uuid()) id: string, @ShapedQuery(waitQuery) query: Shape<typeof waitQuery>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<object> {
    const until = performance.now() + waitMs(query.timeout);
    const waitedOut = (query.while ?? 'awaiting_approval').split(',');
    if (!waitedOut.every((status) => ACTION_STATUSES.some((known) => known === status))) problem('INVALID', undefined, [{ pointer: '/while', expected: 'statuses, comma-separated' }]);
    for (;;) {
      // Listening begins before looking, so that no change falls in between.
      const change = this.changes.next(id, Math.max(0, Math.min(LOOK_AGAIN_MS, until - performance.now())), this.admission.shutdown);
      const view = await this.actions.visible(principal, id, query.tenant);
      if (!waitedOut.includes(view.status) || performance.now() >= until || this.admission.shutdown.aborted) return this.shown(view, principal);
      this.admission.beginLongPoll(request);
      await change;
    }
  }

  private async shown(view: ActionView, principal: Principal): Promise<object> {
    const follower = FOLLOWED.includes(view.status) ? await followerOf(this.database, view.tenant, view.action_id) : undefined;
    const document = principal.type === 'agent' ? await this.documents.whole(view) : this.documents.summary(view);
    return follower === undefined ? document : { ...document, followed_by: follower };
  }
}

/** Actions that another one may follow: decided anew, or with the arguments of a person. */
const FOLLOWED: readonly string[] = ['quarantined', 'cancelled'];

const waitMs = (timeout = '30s'): number => Math.min(MAX_WAIT_MS, Number.parseInt(timeout, 10) * (timeout.endsWith('ms') ? 1 : 1_000));
