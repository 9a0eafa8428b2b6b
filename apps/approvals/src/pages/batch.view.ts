import { BATCH_LIMIT, type Preview, type Result } from '../decide-batch/decide-batch.js';
import type { QueueGroup } from '../list-requests/list-requests.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { csrfField } from './layout.js';
import { INSTRUCTIONS, reasonWords } from './rejection-words.js';
import type { PageSession } from './sessions.js';
import { shownDistance } from './shown-time.js';

/** Groups of open requests, the largest first. */
export const groupsView = (groups: readonly QueueGroup[], now: number): Markup => html`<div class="heading"><h1>Groups</h1><p class="muted">open requests that differ in their arguments alone</p></div>
<nav class="views" aria-label="Views"><a href="/queue">Queue</a><a href="/queue/groups" aria-current="page">Groups</a></nav>
${groups.length === 0 ? html`<div class="empty"><p>Nothing waits for a decision here.</p></div>` : html`<ul class="requests">${groups.map((group) => groupView(group, now))}</ul>`}`;

const groupView = ({ group_key, requests, action_kind, agent, environment, policy_rule_id, first_expires_at, all_reversible }: QueueGroup, now: number): Markup => html`<li class="request">
<div class="request-head"><h2><a href="/queue/groups/${group_key}">${requests} × ${action_kind} by ${agent}</a></h2>${all_reversible ? undefined : html`<span class="pill bad">Cannot all be undone</span>`}</div>
<p class="meta"><span>First expires ${shownDistance(first_expires_at, now)}</span>${environment === null ? undefined : html`<span>${environment}</span>`}<span>rule ${policy_rule_id}</span></p>
</li>`;

export interface PreviewPage {
  readonly preview: Preview;
  readonly targets: ReadonlyMap<string, string>;
  readonly session: PageSession;
  /** what the tenant rejects with */
  readonly reasonCodes: readonly string[];
  readonly now: number;
  readonly sent?: { readonly fault: string; readonly values: Readonly<Record<string, string>> };
}

/** What would be decided, each with a link to its card, and the forms that decide exactly this. */
export const previewView = ({ preview, targets, session, reasonCodes, now, sent }: PreviewPage): Markup => {
  const { items } = preview;
  const final = items.filter(({ has_reversal }) => !has_reversal).length;
  return html`<div class="heading"><h1>Decide together</h1><p class="muted">${items.length} ${items.length === 1 ? 'request' : 'requests'} that you may decide${items.length === BATCH_LIMIT ? `, the first ${BATCH_LIMIT}` : ''}</p></div>
${sent === undefined ? undefined : html`<p class="banner bad" role="alert">${sent.fault}</p>`}
${items.length === 0 ? html`<div class="empty"><p>Nothing here waits for your decision. <a href="/queue/groups">Groups</a></p></div>` : html`<ul class="requests">${items.map((item) => html`<li class="request"><div class="request-head"><h2><a href="/approvals/${item.approval_id}">${item.title}${targets.has(item.approval_id) ? html` <span class="target">→ ${targets.get(item.approval_id)}</span>` : undefined}</a></h2>${item.has_reversal ? undefined : html`<span class="pill bad">Cannot be undone</span>`}</div><p class="meta"><span>Expires ${shownDistance(item.expires_at, now)}</span></p></li>`)}</ul>
<div class="columns">${approveForm(preview, session, final)}${rejectForm(preview, session, reasonCodes, sent?.values ?? {})}</div>`}`;
};

const hidden = ({ items, expected_count, set_hash }: Preview, session: PageSession, decision: 'approve' | 'reject'): Markup =>
  html`${csrfField(session)}<input type="hidden" name="decision" value="${decision}"><input type="hidden" name="items" value="${JSON.stringify(items.map(({ approval_id, version, view_hash }) => ({ approval_id, version, view_hash })))}"><input type="hidden" name="expected_count" value="${expected_count}"><input type="hidden" name="set_hash" value="${set_hash}">`;

const approveForm = (preview: Preview, session: PageSession, final: number): Markup =>
  final > 0
    ? html`<section class="decision" aria-labelledby="approve-all"><h2 id="approve-all">Approve</h2><p>${final === 1 ? 'One of these cannot be undone' : `${final} of these cannot be undone`}, so they are approved one by one: open each, and decide on its card.</p></section>`
    : html`<section class="decision" aria-labelledby="approve-all"><h2 id="approve-all">Approve</h2><form method="post" action="/queue/groups/${preview.group}">${hidden(preview, session, 'approve')}
<div class="field"><label for="rationale">Why (optional)</label><textarea id="rationale" name="rationale" maxlength="4000" rows="2"></textarea></div>
<button type="submit" class="primary">Approve all ${preview.expected_count}</button></form></section>`;

const option = ([code, words]: readonly [string, string], chosen: string | undefined): Markup => html`<option value="${code}"${code === chosen ? html` selected` : undefined}>${words}</option>`;

const rejectForm = (preview: Preview, session: PageSession, reasonCodes: readonly string[], values: Readonly<Record<string, string>>): Markup => html`<section class="decision" aria-labelledby="reject-all"><h2 id="reject-all">Reject</h2><form method="post" action="/queue/groups/${preview.group}">${hidden(preview, session, 'reject')}
<div class="field"><label for="reason_code">Reason</label><select id="reason_code" name="reason_code">${reasonCodes.map((code) => option([code, reasonWords(code)], values['reason_code']))}</select></div>
<div class="field"><label for="reason">Why; the agents are told</label><textarea id="reason" name="reason" maxlength="4000" rows="2" required>${values['reason'] ?? ''}</textarea></div>
<div class="field"><label for="instruction">The agents should</label><select id="instruction" name="instruction">${INSTRUCTIONS.map((instruction) => option(instruction, values['instruction']))}</select></div>
<button type="submit" class="danger">Reject all ${preview.expected_count}</button></form></section>`;

/** Each request by itself: one that could not be decided left the others. */
export const decidedView = (decision: 'approve' | 'reject', { decided, refused, results }: { readonly decided: number; readonly refused: number; readonly results: readonly Result[] }): Markup => html`<div class="heading"><h1>${decision === 'approve' ? 'Approved' : 'Rejected'}</h1></div>
<p class="banner ${refused === 0 ? 'good' : 'warn'}" role="status">${decided} decided${refused === 0 ? '' : `, ${refused} not`}.</p>
<ul class="requests">${results.map((result) => html`<li class="request"><p><a href="/approvals/${result.approval_id}">${result.approval_id}</a>: ${outcomeWords(result)}</p></li>`)}</ul>
<p class="more"><a class="button" href="/queue/groups">Groups</a></p>`;

const outcomeWords = ({ status, code, detail }: Result): HtmlValue => (code === undefined ? status : html`<strong>${code}</strong>${detail === undefined ? '' : ` ${detail}`}`);
