import { Controller, Get, Inject, Post } from '@nestjs/common';
import type { Clock } from '@exequatur/kernel';
import { Allow, Answer, CLOCK, Directory, Http, Page, type HttpRequest } from '@exequatur/service-kit';
import { html, type HtmlValue, type Markup } from './html.js';
import { bouncePage, csrfField, pageAnswer } from './layout.js';
import { cameFromElsewhere, ownPath } from './navigation.js';
import { formFields, Sessions, type PageSession } from './sessions.js';
import { ProviderSignIn } from './sign-in/provider-sign-in.js';

interface LoginForm {
  readonly next: string;
  readonly fault?: string;
  /** asked to sign in again, for a decision that needs it */
  readonly fresh?: boolean;
  /** the provider somebody just came from, who signed out here */
  readonly leftFrom?: number;
}

const tokenForm = (session: PageSession, { next, fault }: LoginForm): Markup => html`<form method="post" action="/login" class="panel">
${csrfField(session)}<input type="hidden" name="next" value="${next}">
<div class="field">
<label for="token">Access token</label>
<input id="token" name="token" type="password" autocomplete="current-password" spellcheck="false" required autofocus aria-describedby="token-hint${fault === undefined ? '' : ' token-fault'}"${fault === undefined ? undefined : html` aria-invalid="true"`}>
<p class="hint" id="token-hint">It begins with <code>exq_person_</code>.</p>
${fault === undefined ? undefined : html`<p class="fault" id="token-fault" role="alert">${fault}</p>`}
</div>
<button type="submit" class="primary">Sign in</button>
</form>`;

/** With providers, a token of our own is the way for emergencies. */
const waysIn = (session: PageSession, form: LoginForm, providers: readonly { readonly name: string }[]): HtmlValue => {
  if (providers.length === 0) return [html`<p>People decide here. Paste the access token that your administrator gave you.</p>`, tokenForm(session, form)];
  const query = `&next=${encodeURIComponent(form.next)}${form.fresh === true ? '&fresh=1' : ''}`;
  return [
    html`<p>People decide here. Sign in where you work.</p>`,
    providers.map(({ name }, index) => html`<p><a class="button primary" href="/login/start?provider=${index}${query}">Sign in with ${name}</a></p>`),
    html`<details${form.fault === undefined ? undefined : html` open`}><summary>Use an access token</summary>${tokenForm(session, form)}</details>`,
  ];
};

const noticeOf = ({ fresh, leftFrom }: LoginForm, providers: readonly { readonly name: string }[]): HtmlValue => {
  const left = leftFrom === undefined ? undefined : providers[leftFrom];
  if (left !== undefined) return html`<p role="status">You are signed out here. <a href="/login/end?provider=${leftFrom}">Sign out of ${left.name} too</a></p>`;
  return fresh === true ? html`<p role="status">This decision needs a recent sign-in. Sign in again, and you come back to the request.</p>` : undefined;
};

const loginPage = (status: number, session: PageSession, form: LoginForm, providers: readonly { readonly name: string }[], headers: Readonly<Record<string, string>>): Answer =>
  pageAnswer(status, { title: 'Sign in', body: html`<div class="narrow">
<h1>Sign in</h1>
${noticeOf(form, providers)}${waysIn(session, form, providers)}
</div>` }, headers);

@Controller()
@Page()
@Allow('public')
export class LoginPages {
  constructor(
    private readonly sessions: Sessions,
    private readonly directory: Directory,
    private readonly signIn: ProviderSignIn,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get('login')
  async show(@Http() request: HttpRequest): Promise<Answer> {
    if (cameFromElsewhere(request)) return bouncePage(ownPath(request.url));
    const query = new URL(request.url, 'http://own.invalid').searchParams;
    const next = ownPath(query.get('next') ?? undefined);
    const fresh = query.get('fresh') === '1';
    if (request.principal?.type === 'person' && !fresh) return Answer.seeOther(next);
    const session = (await this.sessions.current(request)) ?? this.sessions.begin();
    const left = query.get('left');
    return loginPage(200, session, { next, fresh, ...(left === null ? {} : { leftFrom: Number(left) }) }, this.signIn.providers, { 'set-cookie': await this.sessions.cookie(session) });
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
      return loginPage(401, before, { next, fault }, this.signIn.providers, {});
    }
    const session = this.sessions.begin({ tenant: principal.tenant, person: principal.id, authTime: Math.floor(this.clock.now() / 1_000) });
    return Answer.seeOther(next, { 'set-cookie': await this.sessions.cookie(session) });
  }

  @Post('logout')
  async leave(@Http() request: HttpRequest): Promise<Answer> {
    const { issuer } = await this.sessions.posted(request, formFields(request));
    const provider = this.signIn.providers.findIndex((each) => each.issuer === issuer);
    return Answer.seeOther(provider < 0 ? '/login' : `/login?left=${provider}`, { 'set-cookie': this.sessions.endingCookie() });
  }
}
