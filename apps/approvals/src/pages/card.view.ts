import { shownDuration, WARNING_WORDS, type Card } from '@exequatur/approvals-domain';
import { html, type HtmlValue, type Markup } from './html.js';
import { reasonWords } from './rejection-words.js';
import { shownInstant } from './shown-time.js';

export const row = (name: string, value: HtmlValue): Markup | undefined => (value === '' || value === undefined ? undefined : html`<div><dt>${name}</dt><dd>${value}</dd></div>`);

export const section = (id: string, title: string, body: HtmlValue): Markup => html`<section aria-labelledby="${id}" class="part"><h2 id="${id}">${title}</h2>${body}</section>`;

export const warningsView = ({ warnings }: Pick<Card, 'warnings'>): HtmlValue =>
  warnings.length === 0
    ? undefined
    : html`<div class="banner warn" role="note"><p><strong>Look closely.</strong> This request contains text that may mislead:</p><ul>${warnings.map(({ where, found }) => html`<li><code>${where}</code>: ${WARNING_WORDS[found]}</li>`)}</ul></div>`;

export const parametersTable = (parameters: Card['parameters']): Markup => html`<div class="scroll" role="region" aria-label="Parameters" tabindex="0"><table class="parameters">
<thead><tr><th scope="col">Parameter</th><th scope="col">Value</th></tr></thead>
<tbody>${parameters.map(
  ({ pointer, type, value }) =>
    html`<tr><th scope="row"><code>${pointer === '' ? '(the whole)' : pointer}</code></th><td>${type === 'text' ? html`<span class="text">${value === '' ? html`<span class="muted">(empty text)</span>` : value}</span>` : html`<code>${type === 'empty list' ? '[ ]' : type === 'empty object' ? '{ }' : value}</code> <span class="type">${type}</span>`}</td></tr>`,
)}</tbody></table></div>`;

const parametersView = (card: Card): Markup => html`${parametersTable(card.parameters)}
${card.parameters_not_shown === 0 ? undefined : html`<p class="banner warn">${card.parameters_not_shown} more parameters are not shown here. You would be approving what you cannot see.</p>`}`;

const recipientsText = ({ more, action }: Card): HtmlValue => {
  const recipients = more?.recipients ?? [];
  if (recipients.length === 0 || (recipients.length === 1 && recipients[0] === action.target)) return '';
  return `${recipients.join(', ')}${more === undefined || more.recipients_not_shown === 0 ? '' : ` and ${more.recipients_not_shown} more`}`;
};

const editedView = (card: Card): HtmlValue => {
  const edited = card.more?.edited;
  return edited === null || edited === undefined
    ? undefined
    : html`<div class="banner note"><p><strong>${edited.by}</strong> changed what the agent proposed. What stands below would run.</p><ul>${edited.changes.map(({ pointer, before, now }) => html`<li><code>${pointer}</code> <del>${before === '' ? 'nothing' : before}</del> <ins>${now === '' ? 'nothing' : now}</ins></li>`)}</ul></div>`;
};

const pointerList = (words: string, pointers: readonly string[]): HtmlValue => pointers.length > 0 && html`<li>${words} ${pointers.map((pointer, index) => html`${index === 0 ? '' : ', '}<code>${pointer}</code>`)}</li>`;

/** Where it stands among earlier requests, and what was said about it. */
const comparisonView = ({ more }: Card): HtmlValue => {
  if (more === undefined) return undefined;
  const { similar, earlier_rejections } = more;
  const like =
    similar === null
      ? html`<p class="muted">Nothing like it was approved before: the same agent and kind of action.</p>`
      : html`<p>The last one like it was <a href="/approvals/${similar.approval_id}">approved</a> by <strong>${similar.decided_by}</strong>, ${shownInstant(similar.decided_at)}${similar.amounts === '' ? '' : `, for ${similar.amounts}`}.</p>
<ul>${pointerList('Other values:', similar.changed)}${pointerList('New here:', similar.added)}${pointerList('Not here any more:', similar.removed)}<li>${similar.unchanged === 1 ? 'One value is' : `${similar.unchanged} values are`} the same.</li></ul>`;
  const rejected = earlier_rejections.length > 0 && html`<div class="banner warn"><p>People rejected the like:</p><ul>${earlier_rejections.map(({ approval_id, at, person, reason_code }) => html`<li><a href="/approvals/${approval_id}">${shownInstant(at)}</a>, ${person}: ${reasonWords(reason_code)}</li>`)}</ul></div>`;
  return section('compared', 'Compared with earlier ones', html`${rejected}${like}`);
};

const said = ({ more }: Card): HtmlValue => {
  if (more === undefined || (more.annotations.length === 0 && more.exchanges.length === 0)) return undefined;
  const remarks = more.annotations.map(({ by, by_type, by_requester, source, score, text }) => html`<li><p><strong>${by}</strong> <span class="pill">${by_type === 'person' ? 'person' : by_requester ? 'the requesting agent' : 'agent or model'}</span>${source === by ? '' : ` ${source}`}${score === '' ? '' : `, score ${score}`}</p><blockquote>${text}</blockquote></li>`);
  const asked = more.exchanges.map(({ asked_by, question, answered_by, answer }) => html`<li><p><strong>${asked_by}</strong> asked</p><blockquote>${question}</blockquote>${answered_by === '' ? html`<p class="muted">Not answered yet.</p>` : html`<p><strong>${answered_by}</strong> answered, in its own words</p><blockquote>${answer}</blockquote>`}</li>`);
  return section('said', 'Questions and remarks', html`<p class="hint">Remarks of agents and models are no votes.</p><ul class="remarks">${asked}${remarks}</ul>`);
};

const whatView = (card: Card): Markup => html`<dl class="facts">
${row('Action', html`<code>${card.action.kind}</code>`)}
${row('Tool', html`<code>${card.action.tool.name} ${card.action.tool.version}</code>`)}
${row('Target', card.action.target)}
${row('Recipients', recipientsText(card))}
${row('Environment', card.action.environment)}
${row('Amount', card.amounts.map(({ shown }) => shown).join(', '))}
${row('Runs', card.action.execution_mode === 'managed' ? 'by Exequatur; the agent never holds the credential' : 'in the agent’s own process')}
</dl>
${parametersView(card)}
${card.narrowed_by_policy.length === 0 ? undefined : html`<p>Policy already narrows this:</p><ul>${card.narrowed_by_policy.map(({ pointer, value }) => html`<li><code>${pointer}</code> becomes <code>${value}</code></li>`)}</ul>`}
${card.limits.length === 0 ? undefined : html`<dl class="facts">${card.limits.map(({ limit, value }) => row(limit, value))}</dl>`}`;

const linkTo = (url: string): HtmlValue => (/^https?:\/\/[^\s"<>]+$/.test(url) ? html`<a href="${url}" rel="noopener noreferrer nofollow" target="_blank">${url}</a>` : html`<code>${url}</code>`);

const evidenceView = (card: Card): HtmlValue =>
  card.evidence.length === 0
    ? html`<p class="muted">It gave none.</p>`
    : html`<ul class="evidence">${card.evidence.map(({ title, url }) => html`<li>${title}<br>${linkTo(url)}</li>`)}</ul>${card.evidence_not_shown === 0 ? undefined : html`<p class="muted">${card.evidence_not_shown} more are not shown.</p>`}`;

const reversalView = ({ reversal }: Card): Markup =>
  reversal.possible ? html`<p>Yes: <code>${reversal.words}</code></p>` : html`<p>No${reversal.words === '' ? '; it gave no reason.' : ', because:'}</p>${reversal.words === '' ? undefined : html`<blockquote>${reversal.words}</blockquote>`}`;

/** The card as a page shows it. Layout only: every word comes from the card that was hashed. */
export const cardView = (card: Card): Markup => html`${warningsView(card)}
${section('what', 'What exactly', html`${editedView(card)}${whatView(card)}`)}
${section('why-approval', 'Why a person must decide', html`<p>${card.why_approval.reason}</p><p class="hint">Rule <code>${card.why_approval.rule_id}</code>, ${card.action.risk_points} risk points${card.action.risk_tags.length === 0 ? '' : `, tagged ${card.action.risk_tags.join(', ')}`}.</p>`)}
${section('agent-says', 'What the agent says', html`<p class="hint">In its own words; nobody has checked them.${card.action.confidence === '' ? undefined : ` It is ${card.action.confidence} sure (0 to 1).`}</p>
<h3>Why</h3>${card.agent_words === '' ? html`<p class="muted">It gave no reason.</p>` : html`<blockquote>${card.agent_words}</blockquote>`}
<h3>Business impact</h3>${card.business_impact === '' ? html`<p class="muted">It named none.</p>` : html`<blockquote>${card.business_impact}</blockquote>`}
<h3>Evidence</h3>${evidenceView(card)}
<h3>Can it be undone?</h3>${reversalView(card)}`)}
${comparisonView(card)}
${said(card)}
${section('outcomes', 'What happens next', html`<dl class="outcomes"><div><dt>If approved</dt><dd>${card.if_approved} ${card.next_effect}</dd></div><div><dt>If rejected</dt><dd>${card.if_rejected}</dd></div><div><dt>If nobody answers</dt><dd>${card.if_nobody_answers}</dd></div></dl>`)}
${section('origin', 'Where it comes from', html`<dl class="facts">
${row('Agent', html`<code>${card.agent.id}</code>`)}
${row('Owner', card.agent.owner)}
${row('Scope', html`<code>${card.agent.scope_path}</code>`)}
${row('Run', html`<code>${card.agent.run_id}</code>`)}
${row('Thread', card.agent.thread_id === '' ? '' : html`<code>${card.agent.thread_id}</code>`)}
${row('Decide by', shownInstant(card.window.decide_by))}
${row('A grant is valid', shownDuration(card.window.grant_valid_ms))}
</dl>`)}`;

/** Numbers for auditors, below the card. */
export const finePrint = (card: Card, viewHash: string): Markup => html`<details class="fine"><summary>Fine print</summary><dl class="facts">
${row('Policy', html`version ${card.policy.version}<br><code>${card.policy.hash}</code>`)}
${row('Arguments', html`<code>${card.arguments_hash}</code>`)}
${row('This view', html`<code>${viewHash}</code>`)}
${row('Renderer', html`<code>${card.renderer}</code>`)}
${row('Request', html`<code>${card.approval_id}</code>`)}
${row('Action', html`<code>${card.action_id}</code>`)}
</dl></details>`;
