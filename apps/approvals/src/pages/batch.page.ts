import { Controller, Get, Inject, Post } from '@nestjs/common';
import type { Shape } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import { parseStrict, type Clock } from '@exequatur/kernel';
import { Allow, Answer, CLOCK, Http, Page, Problem, problem, shaped, ShapedPath, type HttpRequest, type PersonPrincipal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { batchBody } from '../decide-batch/decide-batch.http.js';
import { BATCH_LIMIT, DecideBatch } from '../decide-batch/decide-batch.js';
import { groupText } from '../list-requests/list-query.js';
import { ListRequests } from '../list-requests/list-requests.js';
import { QueueTargets } from '../list-requests/queue-targets.js';
import { RejectionReasons } from '../reject-reasons/rejection-reasons.js';
import { decidedView, groupsView, previewView } from './batch.view.js';
import { bouncePage, pageAnswer } from './layout.js';
import { cameFromElsewhere, loginPathFor } from './navigation.js';
import { formFields, Sessions } from './sessions.js';

type Fields = Readonly<Record<string, string>>;
type Batch = Shape<typeof batchBody>;

const personOf = (request: HttpRequest): PersonPrincipal => (request.principal?.type === 'person' ? request.principal : problem('FORBIDDEN', 'only people decide'));

/** Requests that differ in their arguments alone, looked through and decided together: as over the API, with the set that was shown. */
@Controller('queue/groups')
@Page()
export class BatchPages {
  constructor(
    private readonly sessions: Sessions,
    private readonly queue: ListRequests,
    private readonly targets: QueueTargets,
    private readonly batches: DecideBatch,
    private readonly reasons: RejectionReasons,
    private readonly store: PgEventStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  @Allow('public')
  async groups(@Http() request: HttpRequest): Promise<Answer> {
    if (request.principal === undefined) return comeBack(request, '/queue/groups');
    const groups = await this.queue.groups(personOf(request), {});
    return pageAnswer(200, { title: 'Groups', session: await this.sessions.current(request), roles: personOf(request).roles, section: '/queue', body: groupsView(groups, this.clock.now()) });
  }

  @Get(':group')
  @Allow('public')
  async preview(@Http() request: HttpRequest, @ShapedPath('group', groupText()) group: string): Promise<Answer> {
    if (request.principal === undefined) return comeBack(request, `/queue/groups/${encodeURIComponent(group)}`);
    return this.shown(200, request, group);
  }

  @Post(':group')
  @Allow('person')
  async decide(@Http() request: HttpRequest, @ShapedPath('group', groupText()) group: string): Promise<Answer> {
    const fields = formFields(request);
    await this.sessions.posted(request, fields);
    const person = personOf(request);
    const batch = batchIn(group, fields);
    try {
      this.batches.check(batch);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const fault = error.code === 'REASON_REQUIRED' ? 'Say why; the agents are told.' : 'This is not the set that was shown. Look at it again.';
      return this.shown(error.status, request, group, { fault, values: fields });
    }
    const streams = batch.items.map(({ approval_id }) => approvalStream(person.tenant, approval_id));
    const decided = await this.store.transact({ streams }, (tx) => this.batches.decide(tx, person, batch, request.traceparent));
    // No redirect: each result is shown once. Sent again, every request has moved on, and is refused as stale.
    return pageAnswer(200, { title: 'Decided', session: await this.sessions.current(request), roles: person.roles, section: '/queue', body: decidedView(batch.decision, decided) });
  }

  private async shown(status: number, request: HttpRequest, group: string, sent?: { readonly fault: string; readonly values: Fields }): Promise<Answer> {
    const person = personOf(request);
    const preview = await this.batches.preview(person, group, BATCH_LIMIT);
    const session = (await this.sessions.current(request)) ?? problem('FORBIDDEN', 'a page is read with a session');
    const targets = await this.targets.of(person.tenant, preview.items.map(({ approval_id }) => approval_id));
    return pageAnswer(status, { title: 'Decide together', session, roles: person.roles, section: '/queue', body: previewView({ preview, targets, session, reasonCodes: (await this.reasons.of(person.tenant)).codes, now: this.clock.now(), ...(sent === undefined ? {} : { sent }) }) });
  }
}

const comeBack = (request: HttpRequest, path: string): Answer => (cameFromElsewhere(request) ? bouncePage(path) : Answer.seeOther(loginPathFor(path)));

/** What was shown comes back in hidden fields; who changes them changes the hash, or decides what they saw. @throws Problem INVALID */
const batchIn = (group: string, fields: Fields): Batch => {
  const given = (name: string): object => ((fields[name] ?? '').trim() === '' ? {} : { [name]: fields[name]?.trim() });
  let items: unknown;
  try {
    items = parseStrict(fields['items'] ?? '');
  } catch {
    return problem('INVALID', 'this form is not one of ours');
  }
  const words = fields['decision'] === 'approve' ? given('rationale') : { ...given('reason'), ...given('reason_code'), ...given('instruction') };
  return shaped(batchBody, { group, items, expected_count: Number(fields['expected_count']), set_hash: fields['set_hash'], decision: fields['decision'], ...words });
};
