import { visibleText } from '@exequatur/approvals-domain';
import type { Answer, PersonPrincipal } from '@exequatur/service-kit';
import type { RequestInDetail, ShownRequest } from '../show-request/show-request.js';
import { cardView, finePrint } from './card.view.js';
import type { SentForm } from './decision-form.js';
import { revokeForm, voteForms, type DecisionForms } from './decision.view.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { pageAnswer } from './layout.js';
import type { PageSession } from './sessions.js';
import { shownDistance, shownInstant } from './shown-time.js';
import { standingOf, type Standing } from './standing.js';
import { instructionWords, reasonWords } from './rejection-words.js';

export interface RequestPageContent {
  readonly person: PersonPrincipal;
  readonly session: PageSession | undefined;
  readonly detail: RequestInDetail;
  readonly sent: SentForm | undefined;
  /** what a redirect came from; looked up, never shown as it is */
  readonly done: string;
  readonly now: number;
}

const DONE = new Map(Object.entries({
  approve: 'Your approval is recorded.',
  narrow: 'Your approval is recorded, with the narrower limits.',
  reject: 'Rejected. The agent is told why.',
  respond: 'Your answer is on its way to the agent. Nothing runs.',
  revoke: 'Revoked. Nothing more starts under this grant.',
  next: 'Recorded. This is the next request that waits for you.',
}));

/** Roles with which a person may take a grant back, as the decider judges it. */
const mayRevoke = (person: PersonPrincipal, shown: ShownRequest): boolean => person.roles.some((role) => ['operator', 'admin', ...shown.quorum.stages.flatMap(({ roles }) => roles)].includes(role));

/** What people wrote, with nothing hidden in it either. */
const words = (text: string): string => visibleText(text, MOST_WORDS).text;
/** As long as the longest answer may be. */
const MOST_WORDS = 20_000;

const resolutionView = ({ status, resolution }: ShownRequest): HtmlValue => {
  if (resolution === null) return undefined;
  const who = resolution.person === undefined ? undefined : html` by <strong>${resolution.person}</strong>`;
  const sentences: Readonly<Record<string, HtmlValue>> = {
    granted: html`<p>Granted${who}, ${shownInstant(resolution.at)}.${resolution.grant_expires_at === undefined ? undefined : html` Valid until ${shownInstant(resolution.grant_expires_at)}.`}</p>`,
    rejected: html`<p>Rejected${who}, ${shownInstant(resolution.at)}: ${reasonWords(resolution.reason_code)}. The agent is told: ${instructionWords(resolution.instruction)}.</p>`,
    answered: html`<p>Answered${who}, ${shownInstant(resolution.at)}. Nothing runs.</p>`,
    revoked: html`<p>The grant was revoked${who}, ${shownInstant(resolution.at)}.</p>`,
    expired: html`<p>Nobody decided in time; it expired ${shownInstant(resolution.at)}. Nothing runs.</p>`,
    cancelled: html`<p>The agent side withdrew it, ${shownInstant(resolution.at)}. Nothing runs.</p>`,
  };
  return html`${sentences[status]}${resolution.text === undefined ? undefined : html`<blockquote>${words(resolution.text)}</blockquote>`}`;
};

const votesView = ({ votes, quorum }: ShownRequest): Markup => html`<ol class="stages">${quorum.stages.map(({ roles, quorum: needed }, stage) => {
  const given = quorum.approvals.filter((approval) => approval.stage === stage).length;
  return html`<li class="${stage === quorum.stage ? 'current' : given >= needed ? 'met' : ''}"><span>${roles.join(' or ')}</span><span>${given} of ${needed}</span></li>`;
})}</ol>
${votes.length === 0 ? undefined : html`<ul class="votes">${votes.map(({ person, role, vote, at, rationale }) => html`<li><strong>${person}</strong> (${role}) ${{ approve: 'approved', reject: 'rejected', respond: 'answered' }[vote]}, ${shownInstant(at)}${rationale === undefined ? undefined : html`<blockquote>${words(rationale)}</blockquote>`}</li>`)}</ul>`}`;

const narrowedView = ({ narrowed, status }: ShownRequest): HtmlValue =>
  narrowed.length === 0
    ? undefined
    : html`<div class="banner note"><p>${status === 'open' ? 'Votes so far narrow this; approving accepts it so:' : 'Narrowed by the votes:'}</p><ul>${narrowed.map(({ pointer, proposed, accepted }) => html`<li><code>${pointer}</code> <del>${proposed}</del> <ins>${accepted}</ins></li>`)}</ul></div>`;

const decisionPanel = ({ person, session, detail, sent }: RequestPageContent, standing: Standing): Markup => {
  const { shown, request, proposed } = detail;
  const forms: DecisionForms | undefined = session === undefined ? undefined : { session, shown, request, proposed, sent };
  const body: HtmlValue =
    forms === undefined
      ? html`<p class="muted">Sign in on this page to decide.</p>`
      : shown.status === 'granted'
        ? mayRevoke(person, shown) && revokeForm(forms)
        : shown.status === 'open' && (standing.mayVote || sent !== undefined) && shown.card !== null
          ? voteForms(forms)
          : shown.status === 'open' && html`<p class="muted">${waiting(standing)}</p>`;
  return html`<aside class="decision" aria-labelledby="decide"><h2 id="decide">${shown.status === 'open' ? 'Decide' : 'Decision'}</h2>${resolutionView(shown)}${votesView(shown)}${narrowedView(shown)}${body}</aside>`;
};

const waiting = ({ label }: Standing): string => (label === 'Your own agent' ? 'You are the owner of this agent, so somebody else decides.' : label === 'You voted' ? 'You have voted. Others still have to.' : `${label}.`);

/** One request: the card on the left, the decision on the right; on a small screen one below the other. */
export const requestPage = (status: number, content: RequestPageContent): Answer => {
  const { person, session, detail, now, done, sent } = content;
  const { shown, request } = detail;
  const standing = standingOf({ status: shown.status, quorum: shown.quorum, agent_owner: request.agent_owner ?? null }, person, request.demand.distinct);
  const title = shown.card?.title ?? request.facts.action_kind;
  return pageAnswer(status, {
    title: sent === undefined ? title : `Not recorded yet: ${title}`,
    session,
    body: html`<p class="back"><a href="/queue">← Queue</a></p>
${!DONE.has(done) || sent !== undefined ? undefined : html`<div class="banner good" role="status"><p>${DONE.get(done)}</p>${done === 'next' ? undefined : html`<p><a href="/queue">Back to the queue</a></p>`}</div>`}
${sent === undefined ? undefined : html`<p class="banner bad" role="alert">Nothing was recorded. ${sent.faults[''] ?? 'One field needs another look.'} <a href="#${sent.form}-form">Go to the form</a></p>`}
<div class="heading"><h1>${title}</h1><p><span class="pill ${standing.tone}">${standing.label}</span> ${shown.status === 'open' ? html`<span class="muted">Expires ${shownDistance(shown.expires_at, now)}</span> <a class="jump" href="#decide">Decide ↓</a>` : undefined}</p></div>
<div class="columns"><div class="card">${shown.card === null ? html`<p class="banner warn">The content of this action was erased.</p>` : html`${cardView(shown.card)}${finePrint(shown.card, shown.view_hash)}`}</div>
${decisionPanel(content, standing)}</div>`,
  });
};
