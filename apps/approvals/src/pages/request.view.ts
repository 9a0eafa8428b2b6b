import { visibleText } from '@exequatur/approvals-domain';
import { fromInstant } from '@exequatur/kernel';
import type { Answer } from '@exequatur/service-kit';
import type { Viewer } from '../queue-view/visibility.js';
import type { LinkedRequest, LinkedRequests } from '../show-request/linked-requests.js';
import type { RequestInDetail, ShownRequest } from '../show-request/show-request.js';
import { cardView, finePrint } from './card.view.js';
import type { SentForm } from './decision-form.js';
import { revokeForm, voteForms, type DecisionForms } from './decision.view.js';
import { breakGlassForm, reviewForm, steeringForms } from './steering.view.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { mayOpen, pageAnswer } from './layout.js';
import type { PageSession } from './sessions.js';
import { shownDistance, shownInstant } from './shown-time.js';
import { standingOf, type Standing } from './standing.js';
import { instructionWords, reasonWords } from './rejection-words.js';

export interface RequestPageContent {
  readonly person: Viewer;
  /** their own, without lent ones */
  readonly roles: readonly string[];
  readonly session: PageSession | undefined;
  readonly detail: RequestInDetail;
  readonly linked: LinkedRequests;
  readonly sent: SentForm | undefined;
  /** what a redirect came from; looked up, never shown as it is */
  readonly done: string;
  readonly now: number;
  /** where to sign in again before approving; absent where the sign-in is recent enough */
  readonly signInAgain?: string;
}

const DONE = new Map(Object.entries({
  approve: 'Your approval is recorded.',
  narrow: 'Your approval is recorded, with the narrower limits.',
  reject: 'Rejected. The agent is told why.',
  respond: 'Your answer is on its way to the agent. Nothing runs.',
  revoke: 'Revoked. Nothing more starts under this grant.',
  edit: 'Your change is recorded.',
  'new-action': 'Your arguments are on their way to policy. This request has ended.',
  'break-glass': 'Approved in an emergency. Somebody else will review it.',
  review: 'Your review is recorded.',
  defer: 'Put off. You are reminded when it is due.',
  assign: 'Recorded. Others see it.',
  escalate: 'Escalated.',
  ask: 'Your question is on its way to the agent.',
  next: 'Recorded. This is the next request that waits for you.',
}));

/** Roles with which a person may take a grant back, as the decider judges it. */
const mayRevoke = (person: Viewer, shown: ShownRequest): boolean => person.roles.some((role) => ['operator', 'admin', ...shown.quorum.stages.flatMap(({ roles }) => roles)].includes(role));

/** What people wrote, with nothing hidden in it either. */
const words = (text: string): string => visibleText(text, MOST_WORDS).text;
/** As long as the longest answer may be. */
const MOST_WORDS = 20_000;

const cancelled = ({ person, canary }: NonNullable<ShownRequest['resolution']>): HtmlValue => {
  if (canary !== undefined) return html`This was a planted request, to see whether it is noticed; <strong>${person}</strong> ${canary.noticed ? 'noticed' : 'did not notice'}`;
  return person === undefined ? 'The agent side withdrew it' : html`<strong>${person}</strong> changed the arguments beyond what was asked for; policy decides on them as an action of its own`;
};

const resolutionView = ({ status, resolution, emergency }: ShownRequest): HtmlValue => {
  if (resolution === null) return undefined;
  const who = resolution.person === undefined ? undefined : html` by <strong>${resolution.person}</strong>`;
  const sentences: Readonly<Record<string, HtmlValue>> = {
    granted: html`<p>${emergency === null ? 'Granted' : 'Granted in an emergency'}${who}, ${shownInstant(resolution.at)}.${resolution.grant_expires_at === undefined ? undefined : html` Valid until ${shownInstant(resolution.grant_expires_at)}.`}</p>`,
    rejected: html`<p>Rejected${who}, ${shownInstant(resolution.at)}: ${reasonWords(resolution.reason_code)}. The agent is told: ${instructionWords(resolution.instruction)}.</p>`,
    answered: html`<p>Answered${who}, ${shownInstant(resolution.at)}. Nothing runs.</p>`,
    revoked: html`<p>The grant was revoked${who}, ${shownInstant(resolution.at)}. ${resolution.effective_at === undefined ? 'It is not confirmed yet that nothing can use it.' : html`Since ${shownInstant(resolution.effective_at)} nothing can use it.`}</p>`,
    expired: html`<p>Nobody decided in time; it expired ${shownInstant(resolution.at)}. Nothing runs.</p>`,
    cancelled: html`<p>${cancelled(resolution)}, ${shownInstant(resolution.at)}. Nothing runs.</p>`,
  };
  return html`${sentences[status]}${resolution.text === undefined ? undefined : html`<blockquote>${words(resolution.text)}</blockquote>`}`;
};

/** From a request whose arguments a person changed into an action of its own to that one, and back. */
const linkedView = (shown: ShownRequest, { before, after }: LinkedRequests): HtmlValue => [
  before !== undefined && html`<p class="muted">Follows <a href="/approvals/${before.approval_id}">an earlier request</a>, whose arguments a person changed into these.</p>`,
  shown.status === 'cancelled' && followerView(shown, after),
];

const followerView = ({ resolution, approval_id }: ShownRequest, after: LinkedRequest | undefined): HtmlValue => {
  if (after !== undefined) return html`<div class="banner note"><p>The new action ${after.status === 'open' ? 'waits for approval' : 'was asked about'}: <a href="/approvals/${after.approval_id}">${after.title}</a>${after.status === 'open' ? '' : ` (${after.status})`}</p></div>`;
  if (resolution?.person === undefined || resolution.canary !== undefined) return undefined;
  return html`<p class="muted">Nobody is asked about the new action so far: policy may still be deciding, or it has allowed or refused it by itself. <a href="/approvals/${approval_id}">Look again</a></p>`;
};

const votesView = ({ votes, quorum }: ShownRequest): Markup => html`<ol class="stages">${quorum.stages.map(({ roles, quorum: needed }, stage) => {
  const given = quorum.approvals.filter((approval) => approval.stage === stage).length;
  return html`<li class="${stage === quorum.stage ? 'current' : given >= needed ? 'met' : ''}"><span>${roles.join(' or ')}</span><span>${given} of ${needed}</span></li>`;
})}</ol>
${votes.length === 0 ? undefined : html`<ul class="votes">${votes.map(({ person, role, vote, at, rationale, on_behalf_of, void: isVoid }) => html`<li${isVoid === true ? html` class="void"` : undefined}><strong>${person}</strong> (${role}${on_behalf_of === undefined ? undefined : `, lent by ${on_behalf_of}`}) ${{ approve: 'approved', reject: 'rejected', respond: 'answered' }[vote]}, ${shownInstant(at)}${isVoid === true ? html` <span class="pill">no longer counts</span>` : undefined}${rationale === undefined ? undefined : html`<blockquote>${words(rationale)}</blockquote>`}</li>`)}</ul>`}`;

const narrowedView = ({ narrowed, status }: ShownRequest): HtmlValue =>
  narrowed.length === 0
    ? undefined
    : html`<div class="banner note"><p>${status === 'open' ? 'Votes so far narrow this; approving accepts it so:' : 'Narrowed by the votes:'}</p><ul>${narrowed.map(({ pointer, proposed, accepted }) => html`<li><code>${pointer}</code> <del>${proposed}</del> <ins>${accepted}</ins></li>`)}</ul></div>`;

const attendance = ({ assigned, deferred, escalated_to, questions, status }: ShownRequest, now: number): HtmlValue => {
  if (status !== 'open') return undefined;
  const open = questions.filter(({ answer }) => answer === undefined);
  const rows: HtmlValue[] = [
    assigned !== null && fromInstant(assigned.until) > now ? html`<li><strong>${assigned.person}</strong> looks at it until ${shownInstant(assigned.until)}.</li>` : undefined,
    deferred !== null && fromInstant(deferred.until) > now ? html`<li>Put off by <strong>${deferred.person}</strong> until ${shownInstant(deferred.until)}.</li>` : undefined,
    escalated_to.roles.length === 0 ? undefined : html`<li>Escalated: ${escalated_to.roles.join(', ')} may answer too.</li>`,
    escalated_to.people.length === 0 ? undefined : html`<li>Asked by name: ${escalated_to.people.join(', ')}.</li>`,
    ...open.map(({ asked_by, question }) => html`<li><strong>${asked_by}</strong> asked, and the agent has not answered yet:<blockquote>${words(question)}</blockquote></li>`),
  ];
  return rows.some((row) => row !== undefined) ? html`<ul class="attendance">${rows}</ul>` : undefined;
};

const emergencyView = ({ emergency }: ShownRequest): HtmlValue => {
  if (emergency === null) return undefined;
  if (!emergency.reviewed) return html`<p class="banner warn"><strong>${emergency.person}</strong> approved alone, outside the quorum. Nobody has reviewed it yet.</p>`;
  return html`<div class="banner note"><p>Approved alone by <strong>${emergency.person}</strong>; reviewed by <strong>${emergency.reviewed_by}</strong>: ${emergency.judgement === 'justified' ? 'justified' : 'not justified'}.</p>${emergency.words === undefined ? undefined : html`<blockquote>${words(emergency.words)}</blockquote>`}</div>`;
};

const mayReview = (person: Viewer, { emergency, quorum }: ShownRequest, owner: string | undefined): boolean =>
  emergency !== null && !emergency.reviewed && emergency.person !== person.id && owner !== person.id && person.roles.some((role) => ['auditor', 'admin', ...quorum.stages.flatMap(({ roles }) => roles)].includes(role));

const takesPart = (person: Viewer, { quorum, escalated_to }: ShownRequest, owner: string | undefined): boolean => owner !== person.id && person.roles.some((role) => [...escalated_to.roles, ...quorum.stages.flatMap(({ roles }) => roles)].includes(role));

/** The forms this person gets, by how the request stands and who they are. */
const formsFor = (forms: DecisionForms, { person, sent }: RequestPageContent, standing: Standing): HtmlValue => {
  const { shown, request } = forms;
  if (shown.status === 'granted' || shown.status === 'revoked') return html`${mayReview(person, shown, request.agent_owner) && reviewForm(forms)}${shown.status === 'granted' && mayRevoke(person, shown) && revokeForm(forms)}`;
  if (shown.status !== 'open') return undefined;
  const voting = (standing.mayVote || sent !== undefined) && shown.card !== null;
  return html`${voting ? voteForms(forms) : html`<p class="muted">${waiting(standing)}</p>`}${shown.card !== null && request.agent_owner !== person.id && breakGlassForm(forms, person.roles)}${takesPart(person, shown, request.agent_owner) && steeringForms(forms, person.id)}`;
};

const decisionPanel = (content: RequestPageContent, standing: Standing): Markup => {
  const { session, detail, linked, sent, now } = content;
  const { shown, request, proposed, reasonCodes } = detail;
  const forms: DecisionForms | undefined = session === undefined ? undefined : { session, shown, request, proposed, reasonCodes, sent };
  const body = forms === undefined ? html`<p class="muted">Sign in on this page to decide.</p>` : formsFor(forms, content, standing);
  return html`<aside class="decision" aria-labelledby="decide"><h2 id="decide">${shown.status === 'open' ? 'Decide' : 'Decision'}</h2>${resolutionView(shown)}${linkedView(shown, linked)}${emergencyView(shown)}${votesView(shown)}${attendance(shown, now)}${narrowedView(shown)}${body}</aside>`;
};

const PROPOSED_IT: Standing = { mayVote: false, label: 'You proposed it', tone: 'waits' };
const waiting = ({ label }: Standing): string => (label === PROPOSED_IT.label ? 'You proposed these arguments, so somebody else decides.' : label === 'Your own agent' ? 'You are the owner of this agent, so somebody else decides.' : label === 'You voted' ? 'You have voted. Others still have to.' : `${label}.`);

/** One request: the card on the left, the decision on the right; on a small screen one below the other. */
export const requestPage = (status: number, content: RequestPageContent): Answer => {
  const { person, session, detail, now, done, sent, signInAgain } = content;
  const { shown, request } = detail;
  const standing = shown.edited_by === person.id && shown.status === 'open' ? PROPOSED_IT : standingOf({ status: shown.status, quorum: shown.quorum, agent_owner: request.agent_owner ?? null, current_roles: shown.current_roles }, person, request.demand.distinct);
  const title = shown.card?.title ?? request.facts.action_kind;
  return pageAnswer(status, {
    title: sent === undefined ? title : `Not recorded yet: ${title}`,
    session,
    roles: content.roles,
    body: html`<p class="back"><a href="/queue">← Queue</a></p>
${!DONE.has(done) || sent !== undefined ? undefined : html`<div class="banner good" role="status"><p>${DONE.get(done)}</p>${done === 'next' ? undefined : html`<p><a href="/queue">Back to the queue</a></p>`}</div>`}
${sent === undefined ? undefined : html`<p class="banner bad" role="alert">Nothing was recorded. ${sent.faults[''] ?? 'One field needs another look.'} <a href="#${sent.form}-form">Go to the form</a></p>`}
${signInAgain === undefined || shown.status !== 'open' || !standing.mayVote ? undefined : html`<p class="banner warn" role="note">Approving this needs a recent sign-in. <a class="button" href="${signInAgain}">Sign in again</a></p>`}
<div class="heading"><h1>${title}</h1><p><span class="pill ${standing.tone}">${standing.label}</span> ${shown.status === 'open' ? html`<span class="muted">Expires ${shownDistance(shown.expires_at, now)}</span> <a class="jump" href="#decide">Decide ↓</a>` : undefined}</p></div>
<div class="columns"><div class="card">${shown.card === null ? html`<p class="banner warn">The content of this action was erased.</p>` : html`${cardView(shown.card)}${finePrint(shown.card, shown.view_hash)}${mayOpen('/queue/planted', content.roles) && html`<p class="hint"><a href="/queue/planted/new?like=${shown.approval_id}">Plant a request like this one</a></p>`}`}</div>
${decisionPanel(content, standing)}</div>`,
  });
};
