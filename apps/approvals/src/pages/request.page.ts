import { Controller, Get, Inject, Post } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { Clock } from '@exequatur/kernel';
import { Allow, Answer, CLOCK, Http, Page, Problem, problem, problemOf, ShapedPath, type HttpRequest, type PersonPrincipal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { ListRequests } from '../list-requests/list-requests.js';
import { Viewers } from '../queue-view/visibility.js';
import { RequestLinks } from '../show-request/linked-requests.js';
import { ShowRequest } from '../show-request/show-request.js';
import { staleDetail, type Attempt, type Decided } from '../decide-request/decide-requests.js';
import { StepUp } from '../decide-request/step-up.js';
import { VoteOnRequest } from '../vote-on-request/vote-on-request.js';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { ballotFromForm } from './ballot-from-form.js';
import { BALLOT_FORMS, fieldOfPointer, FORMS, type SentForm } from './decision-form.js';
import { bouncePage } from './layout.js';
import { cameFromElsewhere, freshLoginPathFor, loginPathFor } from './navigation.js';
import { OtherForms, type OtherForm } from './other-forms.js';
import { requestPage } from './request.view.js';
import { formFields, Sessions } from './sessions.js';
import { standingOf } from './standing.js';

/** Open requests looked through for the next one a person may decide. */
const NEXT_AMONG = 100;

type Fields = Readonly<Record<string, string>>;
type Work = (tx: PgTransaction, attempt: Attempt) => Promise<Decided>;

const pathOf = (request: HttpRequest): string => request.url.split('?', 1)[0] ?? '';
const personOf = (request: HttpRequest): PersonPrincipal => (request.principal?.type === 'person' ? request.principal : problem('FORBIDDEN', 'only people decide'));

/** A proposal that stays within what was asked for is a change of this request, which goes on. */
const doneBy = (form: SentForm['form'], approval: RecordedApproval): SentForm['form'] => (form === 'new-action' && approval.state.status !== 'Cancelled' ? 'edit' : form);

/** One request, and the forms to decide it. Every decision answers with a redirect, so reloading sends nothing twice. */
@Controller('approvals')
@Page()
export class RequestPages {
  constructor(
    private readonly sessions: Sessions,
    private readonly requests: ShowRequest,
    private readonly links: RequestLinks,
    private readonly queue: ListRequests,
    private readonly viewers: Viewers,
    private readonly votes: VoteOnRequest,
    private readonly otherForms: OtherForms,
    private readonly stepUp: StepUp,
    private readonly store: PgEventStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get(':id')
  @Allow('public')
  async show(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    if (request.principal === undefined) return cameFromElsewhere(request) ? bouncePage(`/approvals/${id}`) : Answer.seeOther(loginPathFor(`/approvals/${id}`));
    return this.answer(200, request, id);
  }

  @Post(FORMS.map((form) => `:id/${form}`))
  @Allow('person')
  async sent(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    const form = FORMS.find((each) => pathOf(request).endsWith(`/${each}`)) ?? problem('NOT_FOUND');
    const fields = formFields(request);
    await this.sessions.posted(request, fields);
    const ballotForm = BALLOT_FORMS.find((each) => each === form);
    if (ballotForm === undefined) return this.decide(request, id, form, fields, (tx, attempt) => this.otherForms.work(form as OtherForm, fields, tx, attempt));
    const { request: facts, proposed } = await this.requests.show(personOf(request), id);
    const { ballot, faults } = ballotFromForm(ballotForm, fields, facts, proposed);
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
      const { refusal, approval } = await this.store.transact({ streams: [approvalStream(person.tenant, id)] }, (tx) => work(tx, attempt));
      if (refusal === undefined) return Answer.seeOther(await this.pathAfter(person, id, doneBy(form, approval), fields));
      const { request: facts } = await this.requests.show(person, id);
      const refused = problemOf(refusal);
      const field = fieldOfPointer(refusal.pointer, facts);
      const words = refusal.detail === undefined ? refused.document().title : `${refused.document().title}: ${refusal.detail}`;
      return await this.answer(refused.status, request, id, { form, values: fields, faults: { [field]: `${words}.` } });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === 'INVALID' && form === 'escalate') return this.answer(422, request, id, { form, values: fields, faults: { to: 'Nobody here has that name.' } });
      if (error.code !== 'STALE') throw error;
      return this.answer(409, request, id, { form, values: fields, faults: { '': `Somebody else acted on this request after you opened it${error.detail === undefined ? '' : `: ${error.detail}`}. Look at it again; what you wrote is still here.` } });
    }
  }

  private async pathAfter(person: PersonPrincipal, id: string, done: SentForm['form'], fields: Fields): Promise<string> {
    if (fields['then'] !== 'next') return `/approvals/${id}?done=${done}`;
    const viewer = await this.viewers.viewer(person);
    const { items } = await this.queue.list(person, { limit: NEXT_AMONG, hide_deferred: true });
    const next = items.find((entry) => entry.approval_id !== id && standingOf(entry, viewer).mayVote);
    return next === undefined ? '/queue?done=last' : `/approvals/${next.approval_id}?done=next`;
  }

  private async answer(status: number, request: HttpRequest, id: string, sent?: SentForm): Promise<Answer> {
    const person = personOf(request);
    const detail = await this.requests.show(person, id);
    const linked = await this.links.of(detail.viewer, detail.shown);
    const session = await this.sessions.current(request);
    const done = new URL(request.url, 'http://own.invalid').searchParams.get('done') ?? '';
    const recent = this.stepUp.isRecent(detail.request.action_class, person.authTime, this.clock.now());
    return requestPage(status, { person: detail.viewer, roles: person.roles, ...(recent ? {} : { signInAgain: freshLoginPathFor(`/approvals/${id}`) }), session, detail, linked, sent, done, now: this.clock.now() });
  }
}
