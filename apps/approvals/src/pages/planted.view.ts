import type { JsonValue } from '@exequatur/kernel';
import { MOST_PLANTED, type PlantedRequest } from '../plant-canary/planted-requests.js';
import { argumentsText, LONGEST_ARGUMENTS } from './arguments-field.js';
import { described, fault as faultView } from './fields.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { csrfField } from './layout.js';
import type { PageSession } from './sessions.js';
import { shownInstant } from './shown-time.js';

const standing = ({ status, planted_noticed, decided_by }: PlantedRequest): Markup => {
  if (planted_noticed !== null) return planted_noticed ? html`<span class="pill good">Noticed by ${decided_by}</span>` : html`<span class="pill bad">Not noticed by ${decided_by}</span>`;
  return status === 'open' ? html`<span class="pill yours">Waits</span>` : html`<span class="pill">Nobody decided</span>`;
};

const listed = (planted: PlantedRequest): Markup => html`<li class="request${planted.status === 'open' ? '' : ' ended'}">
<div class="request-head"><h2><a href="/approvals/${planted.approval_id}">${planted.title}</a></h2>${standing(planted)}</div>
<p class="meta"><span>planted by ${planted.planted_by}, ${shownInstant(planted.opened_at)}</span>${planted.resolved_at !== null && html`<span>ended ${shownInstant(planted.resolved_at)}</span>`}</p>
</li>`;

/** What was planted, the newest first, and whether it was noticed. */
export const plantedView = (items: readonly PlantedRequest[], done: boolean): Markup => html`${done && html`<p class="banner good" role="status">Planted. It stands in the queue among the others.</p>`}
<div class="heading"><h1>Planted</h1><p class="muted">requests that nobody should approve</p></div>
<p class="lead">A planted request looks like any other. Nothing ever runs, whatever is decided: the first decision ends it, and counts for <a href="/queue/reviewers">its reviewer</a>. To plant one, open a request in the <a href="/queue?view=all">queue</a> and choose “Plant a request like this one”.</p>
${items.length === 0 ? html`<div class="empty"><p>Nothing was planted yet.</p></div>` : html`<ul class="requests">${items.map(listed)}</ul>`}
${items.length === MOST_PLANTED && html`<p class="more muted">The newest ${MOST_PLANTED} are shown.</p>`}`;

export interface SentPlanting {
  readonly values: Readonly<Record<string, string>>;
  /** about the arguments */
  readonly fault: string;
}

interface PlantPageContent {
  readonly like: string;
  /** absent once erased */
  readonly title: string | undefined;
  readonly proposed: JsonValue | undefined;
  readonly session: PageSession | undefined;
  readonly sent?: SentPlanting;
}

const plantForm = (like: string, text: string, session: PageSession, sent: SentPlanting | undefined): Markup => html`<form method="post" action="/queue/planted" class="panel" id="plant-form">${csrfField(session)}<input type="hidden" name="like" value="${like}">
<div class="field"><label for="arguments">Arguments, as JSON</label><textarea id="arguments" name="arguments" class="code" rows="${rowsOf(text)}" required spellcheck="false"${described('arguments', sent?.fault, true)}>\n${text}</textarea><p class="hint" id="arguments-hint">Those of the recorded request. Change them so that nobody who reads the card would approve.</p>${faultView('arguments', sent?.fault)}</div>
<div class="field"><label for="reasoning">What the agent says <span class="optional">(optional)</span></label><textarea id="reasoning" name="reasoning" rows="3" maxlength="4000"${described('reasoning', undefined, true)}>\n${sent?.values['reasoning'] ?? ''}</textarea><p class="hint" id="reasoning-hint">Empty: what the agent said then.</p></div>
<div class="buttons"><button type="submit" class="primary">Plant it</button></div></form>`;

const rowsOf = (text: string): number => Math.min(24, Math.max(6, text.split('\n').length + 1));

const formOrWhyNot = ({ like, proposed, session, sent }: PlantPageContent): HtmlValue => {
  if (proposed === undefined) return html`<p class="banner warn">The content of that action was erased, so nothing can be made to look like it.</p>`;
  const text = sent?.values['arguments'] ?? argumentsText(proposed);
  if (sent === undefined && text.length > LONGEST_ARGUMENTS) return html`<p class="banner warn">Its arguments are too long for a form. Plant it over the API.</p>`;
  return session === undefined ? html`<p class="muted">Sign in on this page to plant a request.</p>` : plantForm(like, text, session, sent);
};

/** The form that plants a request like a recorded one. */
export const plantView = (content: PlantPageContent): Markup => html`<p class="back"><a href="/queue/planted">← Planted</a></p>
${content.sent !== undefined && html`<p class="banner bad" role="alert">Nothing was planted. One field needs another look. <a href="#plant-form">Go to the form</a></p>`}
<div class="heading"><h1>Plant a request</h1><p class="muted">like <a href="/approvals/${content.like}">${content.title ?? content.like}</a></p></div>
${formOrWhyNot(content)}`;
