import { Controller, Get, Post } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import { canonicalText, newId } from '@exequatur/kernel';
import { Allow, Answer, Http, Page, shaped, type HttpRequest, type PersonPrincipal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { PlantCanary } from '../plant-canary/plant-canary.js';
import { PlantedRequests } from '../plant-canary/planted-requests.js';
import { ShowRequest } from '../show-request/show-request.js';
import { argumentsIn } from './arguments-field.js';
import { pageAnswer } from './layout.js';
import { plantedView, plantView, type SentPlanting } from './planted.view.js';
import { readerOf, signInFirst } from './section.js';
import { formFields, Sessions } from './sessions.js';

const SECTION = '/queue/planted';
const LONGEST_WORDS = 4_000;

/** Requests that nobody should approve, planted among the others: for those who look after the reviewers. */
@Controller('queue/planted')
@Page()
export class PlantedPages {
  constructor(
    private readonly sessions: Sessions,
    private readonly planted: PlantedRequests,
    private readonly canaries: PlantCanary,
    private readonly requests: ShowRequest,
    private readonly store: PgEventStore,
  ) {}

  @Get()
  @Allow('public')
  async list(@Http() request: HttpRequest): Promise<Answer> {
    const away = signInFirst(request, SECTION);
    if (away !== undefined) return away;
    const person = readerOf(request, SECTION);
    const done = new URL(request.url, 'http://own.invalid').searchParams.get('done') === '1';
    return pageAnswer(200, { title: 'Planted', session: await this.sessions.current(request), roles: person.roles, section: SECTION, body: plantedView(await this.planted.list(person.tenant), done) });
  }

  @Get('new')
  @Allow('public')
  async form(@Http() request: HttpRequest): Promise<Answer> {
    const away = signInFirst(request, request.url);
    if (away !== undefined) return away;
    const like = shaped(uuid(), new URL(request.url, 'http://own.invalid').searchParams.get('like'));
    return this.shown(200, request, like);
  }

  @Post()
  @Allow('person')
  async plant(@Http() request: HttpRequest): Promise<Answer> {
    const fields = formFields(request);
    await this.sessions.posted(request, fields);
    const person = readerOf(request, SECTION);
    const like = shaped(uuid(), fields['like']);
    const { value, fault } = argumentsIn(fields['arguments'] ?? '');
    if (fault !== undefined) return this.shown(422, request, like, { values: fields, fault });
    const { proposed } = await this.requests.show(person, like);
    if (proposed !== undefined && canonicalText(proposed) === canonicalText(value)) return this.shown(422, request, like, { values: fields, fault: 'Nothing is changed. Nobody should want to approve what you plant.' });
    await this.place(person, { like, arguments: value, ...wordsIn(fields['reasoning']) });
    return Answer.seeOther(`${SECTION}?done=1`);
  }

  private async place(person: PersonPrincipal, canary: Omit<Parameters<PlantCanary['plant']>[2], 'approvalId' | 'actionId'>): Promise<void> {
    const [approvalId, actionId] = [newId(), newId()];
    await this.store.transact({ streams: [approvalStream(person.tenant, approvalId)] }, (tx) => this.canaries.plant(tx, person, { ...canary, approvalId, actionId }));
  }

  private async shown(status: number, request: HttpRequest, like: string, sent?: SentPlanting): Promise<Answer> {
    const person = readerOf(request, SECTION);
    const session = await this.sessions.current(request);
    const { shown, proposed } = await this.requests.show(person, like);
    const body = plantView({ like, title: shown.card?.title, proposed, session, ...(sent === undefined ? {} : { sent }) });
    return pageAnswer(status, { title: sent === undefined ? 'Plant a request' : 'Not planted yet', session, roles: person.roles, section: SECTION, body });
  }
}

const wordsIn = (text = ''): { readonly reasoning?: string } => (text.trim() === '' ? {} : { reasoning: text.trim().slice(0, LONGEST_WORDS) });
