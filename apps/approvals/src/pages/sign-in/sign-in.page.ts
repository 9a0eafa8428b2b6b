import { Controller, Get, Inject } from '@nestjs/common';
import { Allow, Answer, Http, LOGGER, Page, Problem, problem, type HttpRequest, type Logger } from '@exequatur/service-kit';
import { html } from '../html.js';
import { bouncePage, pageAnswer } from '../layout.js';
import { ownPath } from '../navigation.js';
import { Sessions } from '../sessions.js';
import { PeopleSignedIn } from './people-signed-in.js';
import { ProviderSignIn, SignInRefused } from './provider-sign-in.js';
import { SignInTickets } from './sign-in-tickets.js';

const queryOf = (request: HttpRequest): URLSearchParams => new URL(request.url, 'http://own.invalid').searchParams;

/** Always the same words, whatever failed: they are for the person, the reason is in the log. */
const FAILED = 'Your identity provider did not confirm who you are. Nothing was changed.';

const failedPage = (status: number, words: string, next: string, cookie: string): Answer =>
  pageAnswer(
    status,
    { title: 'Not signed in', body: html`<div class="narrow"><h1>Not signed in</h1><p role="alert">${words}</p><p><a class="button" href="/login?next=${encodeURIComponent(next)}">Try again</a></p></div>` },
    { 'set-cookie': cookie },
  );

/** To the visitor's provider and back (OpenID Connect). */
@Controller('login')
@Page()
@Allow('public')
export class SignInPages {
  constructor(
    private readonly providers: ProviderSignIn,
    private readonly tickets: SignInTickets,
    private readonly people: PeopleSignedIn,
    private readonly sessions: Sessions,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @Get('start')
  async start(@Http() request: HttpRequest): Promise<Answer> {
    const query = queryOf(request);
    const { url, ticket } = await this.providers.leave(this.providerIn(query), ownPath(query.get('next') ?? undefined), query.get('fresh') === '1');
    return Answer.seeOther(url, { 'set-cookie': await this.tickets.cookie(ticket) });
  }

  /**
   * Coming back from another site, the new SameSite=Strict cookie would not go along on a redirect: a page of ours asks again
   * from here. A session from before is left behind, so what was in it is worth nothing after.
   */
  @Get('callback')
  async comeBack(@Http() request: HttpRequest): Promise<Answer> {
    const ticket = await this.tickets.ticketOf(request);
    const ending = this.tickets.endingCookie();
    if (ticket === undefined) return failedPage(401, FAILED, '/queue', ending);
    const next = ownPath(ticket.next);
    try {
      const who = await this.people.personOf(await this.providers.comeBack(ticket, request.url));
      const { status, body, headers } = bouncePage(next);
      return new Answer(status, body, { ...headers, 'set-cookie': await this.sessions.cookie(this.sessions.begin(who)) });
    } catch (error) {
      if (error instanceof Problem) return failedPage(error.status, `${error.document().title}: ${error.detail ?? ''}`, next, ending);
      if (!(error instanceof SignInRefused)) throw error;
      this.log.warn({ reason: error.message, request_id: request.id }, 'a sign-in failed');
      return failedPage(401, FAILED, next, ending);
    }
  }

  /** Goes on to sign out at the provider too. */
  @Get('end')
  async end(@Http() request: HttpRequest): Promise<Answer> {
    return Answer.seeOther((await this.providers.end(this.providerIn(queryOf(request)))) ?? '/login');
  }

  private providerIn(query: URLSearchParams): ProviderSignIn['providers'][number] {
    return this.providers.providers[Number(query.get('provider') ?? Number.NaN)] ?? problem('NOT_FOUND', 'no such identity provider');
  }
}
