import { Controller, Get, Post } from '@nestjs/common';
import { Allow, Answer, Directory, Http, Page, type HttpRequest } from '@exequatur/service-kit';
import { html } from './html.js';
import { bouncePage, csrfField, pageAnswer } from './layout.js';
import { cameFromElsewhere, ownPath } from './navigation.js';
import { formFields, Sessions, type PageSession } from './sessions.js';

interface LoginForm {
  readonly next: string;
  readonly fault?: string;
}

const loginPage = (status: number, session: PageSession, { next, fault }: LoginForm, headers: Readonly<Record<string, string>>): Answer =>
  pageAnswer(
    status,
    {
      title: 'Sign in',
      body: html`<div class="narrow">
<h1>Sign in</h1>
<p>People decide here. Paste the access token that your administrator gave you.</p>
<form method="post" action="/login" class="panel">
${csrfField(session)}<input type="hidden" name="next" value="${next}">
<div class="field">
<label for="token">Access token</label>
<input id="token" name="token" type="password" autocomplete="current-password" spellcheck="false" required autofocus aria-describedby="token-hint${fault === undefined ? '' : ' token-fault'}"${fault === undefined ? undefined : html` aria-invalid="true"`}>
<p class="hint" id="token-hint">It begins with <code>exq_person_</code>.</p>
${fault === undefined ? undefined : html`<p class="fault" id="token-fault" role="alert">${fault}</p>`}
</div>
<button type="submit" class="primary">Sign in</button>
</form>
</div>`,
    },
    headers,
  );

@Controller()
@Page()
@Allow('public')
export class LoginPages {
  constructor(
    private readonly sessions: Sessions,
    private readonly directory: Directory,
  ) {}

  @Get('login')
  async show(@Http() request: HttpRequest): Promise<Answer> {
    if (cameFromElsewhere(request)) return bouncePage(ownPath(request.url));
    const next = ownPath(new URL(request.url, 'http://own.invalid').searchParams.get('next') ?? undefined);
    if (request.principal?.type === 'person') return Answer.seeOther(next);
    const session = (await this.sessions.current(request)) ?? this.sessions.begin();
    return loginPage(200, session, { next }, { 'set-cookie': await this.sessions.cookie(session) });
  }

  /** Signing in begins a new session, so a cookie or form token from before is worth nothing after. */
  @Post('login')
  async enter(@Http() request: HttpRequest): Promise<Answer> {
    const fields = formFields(request);
    const before = await this.sessions.posted(request, fields);
    const next = ownPath(fields['next']);
    const principal = await this.directory.authenticate((fields['token'] ?? '').trim());
    if (principal?.type !== 'person') {
      const fault = principal === undefined ? 'This token is not valid. It may have been replaced: ask your administrator.' : 'This is the key of an agent or a service. Only people decide.';
      return loginPage(401, before, { next, fault }, {});
    }
    const session = this.sessions.begin({ tenant: principal.tenant, person: principal.id });
    return Answer.seeOther(next, { 'set-cookie': await this.sessions.cookie(session) });
  }

  @Post('logout')
  async leave(@Http() request: HttpRequest): Promise<Answer> {
    await this.sessions.posted(request, formFields(request));
    return Answer.seeOther('/login', { 'set-cookie': this.sessions.endingCookie() });
  }
}
