import { parameterRows, shownAmount, visibleText } from '@exequatur/approvals-domain';
import { parseStrict } from '@exequatur/kernel';
import type { PersonPrincipal } from '@exequatur/service-kit';
import type { ListedReview, ReviewInDetail } from '../review-afterwards/review-afterwards.js';
import { parametersTable, row, section, warningsView } from './card.view.js';
import { described, fault, options } from './fields.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { csrfField } from './layout.js';
import type { PageSession } from './sessions.js';
import { shownInstant } from './shown-time.js';

/** As many as a list gives. */
const MOST = 200;
const SHOWN = { rows: 200, text: 20_000 };
const MOST_WORDS = 20_000;
/** Canonical bytes of what was accepted: no larger than the contract lets a proposal be, in bytes of UTF-8. */
const ARGUMENT_BYTES = 3 * 262_144;

const TIER = { AUTO: 'Ran without asking', LOG: 'Ran without asking, and was noted' } as const;
const FINDING = { right: ['Right to allow', 'good'], wrong: ['Wrong to allow', 'bad'] } as const;

const pill = (judgement: 'right' | 'wrong' | null): Markup => (judgement === null ? html`<span class="pill yours">To review</span>` : html`<span class="pill ${FINDING[judgement][1]}">${FINDING[judgement][0]}</span>`);

const listed = ({ action_id, action_kind, agent, tier, rule_id, opened_at, judgement, reviewed_by }: ListedReview): Markup => html`<li class="request${judgement === null ? '' : ' ended'}">
<div class="request-head"><h2><a href="/queue/reviews/${action_id}">${action_kind} by ${agent}</a></h2>${pill(judgement)}</div>
<p class="meta"><span>${TIER[tier]}</span><span>rule ${rule_id}</span><span>${shownInstant(opened_at)}</span>${reviewed_by !== null && html`<span>reviewed by ${reviewed_by}</span>`}</p>
</li>`;

/** Allowed actions that were drawn, the oldest first. */
export const reviewsView = (items: readonly ListedReview[], { withReviewed, done }: { readonly withReviewed: boolean; readonly done: boolean }): Markup => html`${done && html`<p class="banner good" role="status">Recorded. Nothing else waits for a review.</p>`}
<div class="heading"><h1>After the fact</h1><p class="muted">actions that ran without asking, drawn by policy</p></div>
<nav class="views" aria-label="Views"><a href="/queue/reviews"${!withReviewed && html` aria-current="page"`}>To review</a><a href="/queue/reviews?view=all"${withReviewed && html` aria-current="page"`}>With reviewed</a></nav>
${items.length === 0 ? html`<div class="empty"><p>${withReviewed ? 'Policy has drawn nothing yet. A rule that says sample draws some of what it allows.' : 'Nothing waits for a review.'}</p></div>` : html`<ul class="requests">${items.map(listed)}</ul>`}
${items.length === MOST && html`<p class="more muted">The oldest ${MOST} are shown.</p>`}`;

export interface SentFinding {
  readonly values: Readonly<Record<string, string>>;
  readonly faults: Readonly<Record<string, string>>;
}

interface ReviewPageContent {
  readonly title: string;
  readonly id: string;
  readonly review: ReviewInDetail;
  readonly person: PersonPrincipal;
  readonly session: PageSession | undefined;
  /** what a redirect came from; looked up, never shown as it is */
  readonly done: string;
  readonly sent?: SentFinding;
}

const DONE = new Map([
  ['1', 'Your finding is recorded.'],
  ['next', 'Recorded. This is the next action to review.'],
]);
const words = (text: string): string => visibleText(text, MOST_WORDS).text;

const whatView = ({ opened, content }: ReviewInDetail): Markup => {
  const { facts } = opened;
  const parameters = content === undefined ? undefined : parameterRows(parseStrict(content.arguments, { maxBytes: ARGUMENT_BYTES }), SHOWN);
  return html`${parameters !== undefined && warningsView({ warnings: parameters.warnings })}
${section('what', 'What exactly', html`<dl class="facts">
${row('Action', html`<code>${facts.action_kind}</code>`)}
${row('Tool', html`<code>${facts.tool.name} ${facts.tool.version}</code>`)}
${row('Target', content?.target === undefined ? '' : words(content.target))}
${row('Environment', facts.environment)}
${row('Amount', facts.amounts.map(({ unit, amount }) => shownAmount(unit, BigInt(amount))).join(', '))}
${row('Run', html`<code>${facts.run_id}</code>`)}
</dl>
${parameters === undefined ? html`<p class="banner warn">The content of this action was erased.</p>` : parametersTable(parameters.rows)}
${parameters !== undefined && parameters.not_shown > 0 && html`<p class="muted">${parameters.not_shown} more parameters are not shown.</p>`}`)}
${section('why-allowed', 'Why nobody was asked', html`<p>${opened.reason}</p><p class="hint">Rule <code>${opened.rule_id}</code>, ${facts.risk_points} risk points.</p>`)}
${content?.reasoning !== undefined && section('agent-says', 'What the agent says', html`<p class="hint">In its own words; nobody has checked them.</p><blockquote>${words(content.reasoning)}</blockquote>`)}`;
};

const findingForm = (id: string, session: PageSession, { values = {}, faults = {} }: Partial<SentFinding>): Markup => html`<form id="finding-form" method="post" action="/queue/reviews/${id}">${csrfField(session)}
<div class="field"><label for="judgement">Letting it run was</label><select id="judgement" name="judgement" required${described('judgement', faults['judgement'])}>${options([['', 'Choose…'], ['right', 'right'], ['wrong', 'wrong']], values['judgement'] ?? '')}</select>${fault('judgement', faults['judgement'])}</div>
<div class="field"><label for="words">Why</label><textarea id="words" name="words" rows="4" maxlength="4000" required${described('words', faults['words'])}>\n${values['words'] ?? ''}</textarea>${fault('words', faults['words'])}</div>
<div class="buttons"><button type="submit" class="primary">Record the finding</button><button type="submit" name="then" value="next" class="second">Record the finding, then the next</button></div></form>`;

const panel = ({ id, review, person, session, sent }: ReviewPageContent): HtmlValue => {
  const { finding, opened } = review;
  if (finding !== undefined) return html`<p>${pill(finding.judgement)}</p><p><strong>${finding.person}</strong>, ${shownInstant(finding.at)}</p>${finding.words !== undefined && html`<blockquote>${words(finding.words)}</blockquote>`}`;
  if (opened.agent_owner === person.id) return html`<p class="muted">You are the owner of this agent, so somebody else reviews it.</p>`;
  return session === undefined ? html`<p class="muted">Sign in on this page to review.</p>` : findingForm(id, session, sent ?? {});
};

/** One action that ran, and the form that records what a person makes of it. */
export const reviewView = (content: ReviewPageContent): Markup => {
  const { title, review, done, sent } = content;
  return html`<p class="back"><a href="/queue/reviews">← After the fact</a></p>
${DONE.has(done) && sent === undefined && html`<p class="banner good" role="status">${DONE.get(done)}</p>`}
${sent !== undefined && html`<p class="banner bad" role="alert">Nothing was recorded. ${sent.faults[''] ?? 'One field needs another look.'} ${review.finding === undefined && html`<a href="#finding-form">Go to the form</a>`}</p>`}
<div class="heading"><h1>${title}</h1><p><span class="muted">${TIER[review.opened.tier]}, ${shownInstant(review.openedAt)}</span> <a class="jump" href="#finding">Review ↓</a></p></div>
<div class="columns"><div class="card">${whatView(review)}</div>
<aside class="decision" aria-labelledby="finding"><h2 id="finding">${review.finding === undefined ? 'Review' : 'Finding'}</h2>${panel(content)}</aside></div>`;
};
