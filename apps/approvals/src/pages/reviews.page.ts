import { Controller, Get, Post } from '@nestjs/common';
import { oneOf, uuid } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import { Allow, Answer, Http, Page, Problem, shaped, ShapedPath, type HttpRequest } from '@exequatur/service-kit';
import { ReviewAfterwards } from '../review-afterwards/review-afterwards.js';
import { reviewStream } from '../review-afterwards/review-rows.js';
import { pageAnswer } from './layout.js';
import { reviewsView, reviewView, type SentFinding } from './reviews.view.js';
import { readerOf, signInFirst } from './section.js';
import { formFields, Sessions } from './sessions.js';

const SECTION = '/queue/reviews';
const LONGEST_WORDS = 4_000;
const judgement = oneOf('right', 'wrong');

type Fields = Readonly<Record<string, string>>;

/** Actions that ran without asking and were drawn: people say afterwards whether that was right. */
@Controller('queue/reviews')
@Page()
export class ReviewPages {
  constructor(
    private readonly sessions: Sessions,
    private readonly reviews: ReviewAfterwards,
    private readonly store: PgEventStore,
  ) {}

  @Get()
  @Allow('public')
  async list(@Http() request: HttpRequest): Promise<Answer> {
    const away = signInFirst(request, request.url);
    if (away !== undefined) return away;
    const person = readerOf(request, SECTION);
    const query = new URL(request.url, 'http://own.invalid').searchParams;
    const withReviewed = query.get('view') === 'all';
    const body = reviewsView(await this.reviews.list(person, withReviewed), { withReviewed, done: query.get('done') === 'last' });
    return pageAnswer(200, { title: 'After the fact', session: await this.sessions.current(request), roles: person.roles, section: SECTION, body });
  }

  @Get(':id')
  @Allow('public')
  async show(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    return signInFirst(request, `${SECTION}/${id}`) ?? this.shown(200, request, id);
  }

  @Post(':id')
  @Allow('person')
  async judge(@Http() request: HttpRequest, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    const fields = formFields(request);
    await this.sessions.posted(request, fields);
    const person = readerOf(request, SECTION);
    const faults = faultsIn(fields);
    if (Object.keys(faults).length > 0) return this.shown(422, request, id, { values: fields, faults });
    const found = shaped(judgement, fields['judgement']);
    try {
      await this.store.transact({ streams: [reviewStream(person.tenant, id)] }, (tx) => this.reviews.judge(tx, person, id, found, fields['words'] ?? ''));
    } catch (error) {
      if (!(error instanceof Problem) || error.code === 'NOT_FOUND') throw error;
      return this.shown(error.status, request, id, { values: fields, faults: { '': error.code === 'ALREADY_DECIDED' ? 'Somebody else reviewed it after you opened it.' : `${error.document().title}.` } });
    }
    if (fields['then'] !== 'next') return Answer.seeOther(`${SECTION}/${id}?done=1`);
    const next = (await this.reviews.list(person, false))[0];
    return Answer.seeOther(next === undefined ? `${SECTION}?done=last` : `${SECTION}/${next.action_id}?done=next`);
  }

  private async shown(status: number, request: HttpRequest, id: string, sent?: SentFinding): Promise<Answer> {
    const person = readerOf(request, SECTION);
    const session = await this.sessions.current(request);
    const review = await this.reviews.read(person, id);
    const done = new URL(request.url, 'http://own.invalid').searchParams.get('done') ?? '';
    const title = `${review.opened.facts.action_kind} by ${review.opened.facts.agent}`;
    return pageAnswer(status, { title: sent === undefined ? title : `Not recorded yet: ${title}`, session, roles: person.roles, section: SECTION, body: reviewView({ title, id, review, person, session, done, ...(sent === undefined ? {} : { sent }) }) });
  }
}

const faultsIn = (fields: Fields): Fields => ({
  ...(fields['judgement'] === 'right' || fields['judgement'] === 'wrong' ? {} : { judgement: 'Say which of the two.' }),
  ...wordsFault((fields['words'] ?? '').trim()),
});

const wordsFault = (words: string): Fields => {
  if (words === '') return { words: 'Say why.' };
  return words.length > LONGEST_WORDS ? { words: `Use at most ${LONGEST_WORDS} characters.` } : {};
};
