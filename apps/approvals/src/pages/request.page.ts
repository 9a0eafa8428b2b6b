import { Controller, Get, Inject, Post } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { Clock } from '@exequatur/kernel';
import { Allow, Answer, CLOCK, Http, Page, Problem, problem, problemOf, ShapedPath, type HttpRequest, type PersonPrincipal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { ListRequests } from '../list-requests/list-requests.js';
import { ShowRequest } from '../show-request/show-request.js';
import { staleDetail, type Attempt, type Decided } from '../decide-request/decide-requests.js';
import { VoteOnRequest } from '../vote-on-request/vote-on-request.js';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { ballotFromForm } from './ballot-from-form.js';
import { fieldOfPointer, type SentForm } from './decision-form.js';
import { bouncePage } from './layout.js';
import { cameFromElsewhere, loginPathFor } from './navigation.js';
import { requestPage } from './request.view.js';
import { formFields, Sessions } from './sessions.js';
import { standingOf } from './standing.js';

/** Open requests looked through for the next one a person may decide. */
const NEXT_AMONG = 100;

type Fields = Readonly<Record<string, string>>;
type Work = (tx: PgTransaction, attempt: Attempt) => Promise<Decided>;

const personOf = (request: HttpRequest): PersonPrincipal => (request.principal?.type === 'person' ? request.principal : problem('FORBIDDEN', 'only people decide'));

/** One request, and the forms to decide it. Every decision answers with a redirect, so reloading sends nothing twice. */
@Controller('approvals')
@Page()
export class RequestPages {
  constructor(
    private readonly sessions: Sessions,
    private readonly requests: ShowRequest,
    private readonly queue: ListRequests,
    private readonly votes: VoteOnRequest,
    private readonly store: PgEventStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get(':id')
  @Allow('public')
  async show(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    if (request.principal === undefined) return cameFromElsewhere(request) ? bouncePage(`/approvals/${id}`) : Answer.seeOther(loginPathFor(`/approvals/${id}`));
    return this.answer(200, request, id);
  }

  @Post(':id/approve')
  @Allow('person')
  approve(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    return this.vote(request, id, 'approve');
  }

  @Post(':id/narrow')
  @Allow('person')
  narrow(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    return this.vote(request, id, 'narrow');
  }

  @Post(':id/reject')
  @Allow('person')
  reject(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    return this.vote(request, id, 'reject');
  }

  @Post(':id/respond')
  @Allow('person')
  respond(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    return this.vote(request, id, 'respond');
  }

  @Post(':id/revoke')
  @Allow('person')
  async revoke(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    const fields = formFields(request);
    await this.sessions.posted(request, fields);
    return this.decide(request, id, 'revoke', fields, (tx, attempt) => this.votes.revoke(tx, attempt, fields['reason'] ?? ''));
  }

  private async vote(request: HttpRequest, id: string, form: Exclude<SentForm['form'], 'revoke'>): Promise<Answer> {
    const fields = formFields(request);
    await this.sessions.posted(request, fields);
    const { request: facts, proposed } = await this.requests.show(personOf(request), id);
    const { ballot, faults } = ballotFromForm(form, fields, facts, proposed);
    if (Object.keys(faults).length > 0) return this.answer(422, request, id, { form, values: fields, faults });
    return this.decide(request, id, form, fields, (tx, attempt) => this.votes.vote(tx, attempt, ballot));
  }

  /** Runs the decision; what is refused is shown on the same page beside its field, with everything that was typed. */
  private async decide(request: HttpRequest, id: string, form: SentForm['form'], fields: Fields, work: Work): Promise<Answer> {
    const person = personOf(request);
    const checkVersion = (approval: RecordedApproval): void => {
      if (fields['version'] !== String(approval.version)) problem('STALE', staleDetail(approval));
    };
    const attempt: Attempt = { caller: person, approvalId: id, checkVersion, ...(request.traceparent === undefined ? {} : { traceparent: request.traceparent }) };
    try {
      const { refusal } = await this.store.transact({ streams: [approvalStream(person.tenant, id)] }, (tx) => work(tx, attempt));
      if (refusal === undefined) return Answer.seeOther(await this.pathAfter(person, id, form, fields));
      const { request: facts } = await this.requests.show(person, id);
      const refused = problemOf(refusal);
      const field = fieldOfPointer(refusal.pointer, facts);
      const words = refusal.detail === undefined ? refused.document().title : `${refused.document().title}: ${refusal.detail}`;
      return await this.answer(refused.status, request, id, { form, values: fields, faults: { [field]: `${words}.` } });
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'STALE') throw error;
      return this.answer(409, request, id, { form, values: fields, faults: { '': 'Somebody else acted on this request after you opened it. Look at it again; what you wrote is still here.' } });
    }
  }

  private async pathAfter(person: PersonPrincipal, id: string, form: SentForm['form'], fields: Fields): Promise<string> {
    if (fields['then'] !== 'next') return `/approvals/${id}?done=${form}`;
    const { items } = await this.queue.list(person, { limit: NEXT_AMONG });
    const next = items.find((entry) => entry.approval_id !== id && standingOf(entry, person).mayVote);
    return next === undefined ? '/queue?done=last' : `/approvals/${next.approval_id}?done=next`;
  }

  private async answer(status: number, request: HttpRequest, id: string, sent?: SentForm): Promise<Answer> {
    const person = personOf(request);
    const detail = await this.requests.show(person, id);
    const session = await this.sessions.current(request);
    const done = new URL(request.url, 'http://own.invalid').searchParams.get('done') ?? '';
    return requestPage(status, { person, session, detail, sent, done, now: this.clock.now() });
  }
}
