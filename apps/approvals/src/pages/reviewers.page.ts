import { Controller, Get } from '@nestjs/common';
import { Allow, Answer, Http, Page, problem, shaped, type HttpRequest } from '@exequatur/service-kit';
import { DEFAULT_DAYS, qualityQuery, ReviewQuality, SEES_ALL_REVIEWERS } from '../review-quality/review-quality.http.js';
import { pageAnswer } from './layout.js';
import { reviewersView } from './reviewers.view.js';
import { signInFirst } from './section.js';
import { Sessions } from './sessions.js';

/** How people review: everybody for those whom it concerns, everybody else themselves. */
@Controller('queue/reviewers')
@Page()
@Allow('public')
export class ReviewersPage {
  constructor(
    private readonly sessions: Sessions,
    private readonly quality: ReviewQuality,
  ) {}

  @Get()
  async show(@Http() request: HttpRequest): Promise<Answer> {
    const away = signInFirst(request, request.url);
    if (away !== undefined) return away;
    const person = request.principal?.type === 'person' ? request.principal : problem('FORBIDDEN', 'only people review');
    const query = queryOf(request);
    const everybody = person.roles.some((role) => SEES_ALL_REVIEWERS.includes(role));
    const body = reviewersView({ rows: await this.quality.rows(person, query), query: { by: 'reviewer', days: DEFAULT_DAYS, ...query }, everybody });
    return pageAnswer(200, { title: everybody ? 'Reviewers' : 'How you review', session: await this.sessions.current(request), roles: person.roles, section: '/queue/reviewers', body });
  }
}

/** @throws Problem INVALID */
const queryOf = (request: HttpRequest) => {
  const { days, ...given } = Object.fromEntries([...new URL(request.url, 'http://own.invalid').searchParams].filter(([, text]) => text !== ''));
  return shaped(qualityQuery, { ...given, ...(days === undefined ? {} : { days: Number(days) }) });
};
