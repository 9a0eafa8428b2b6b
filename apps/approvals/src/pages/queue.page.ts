import { Controller, Get, Inject } from '@nestjs/common';
import { fromInstant, type Clock } from '@exequatur/kernel';
import { Allow, Answer, CLOCK, Http, Page, problem, shaped, type HttpRequest } from '@exequatur/service-kit';
import { ListRequests, listQuery, type QueueEntry } from '../list-requests/list-requests.js';
import { QueueTargets } from '../list-requests/queue-targets.js';
import { Viewers, type Viewer } from '../queue-view/visibility.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { bouncePage, pageAnswer } from './layout.js';
import { cameFromElsewhere, loginPathFor } from './navigation.js';
import { Sessions } from './sessions.js';
import { shownDistance, shownInstant } from './shown-time.js';
import { standingOf } from './standing.js';

const ROWS = 25;

/** What the queue shows of all there is, as links above it. */
const VIEWS = [
  ['', 'Open'],
  ['mine', 'Mine'],
  ['sla', 'Late'],
  ['review', 'To review'],
  ['all', 'With ended'],
] as const;
type View = (typeof VIEWS)[number][0];

interface Filters {
  readonly kind: string;
  readonly agent: string;
  readonly view: View;
  readonly cursor?: string;
}

const viewOf = (query: URLSearchParams): View => VIEWS.find(([view]) => view === query.get('view'))?.[0] ?? (query.get('include_resolved') === 'true' ? 'all' : '');

const filtersOf = (request: HttpRequest): Filters => {
  const query = new URL(request.url, 'http://own.invalid').searchParams;
  const cursor = query.get('cursor');
  return { kind: (query.get('kind') ?? '').trim(), agent: (query.get('agent') ?? '').trim(), view: viewOf(query), ...(cursor === null ? {} : { cursor }) };
};

const pathWith = (filters: Filters, more: { readonly cursor?: string; readonly view?: View }): string => {
  const view = more.view ?? filters.view;
  const query = new URLSearchParams({ ...(filters.kind === '' ? {} : { kind: filters.kind }), ...(filters.agent === '' ? {} : { agent: filters.agent }), ...(view === '' ? {} : { view }), ...(more.cursor === undefined ? {} : { cursor: more.cursor }) }).toString();
  return query === '' ? '/queue' : `/queue?${query}`;
};

const viewQuery: Readonly<Record<View, object>> = { '': {}, mine: { mine: true }, sla: { sla_due: true }, review: { to_review: true }, all: { include_resolved: true } };

const viewLinks = (filters: Filters): Markup =>
  html`<nav class="views" aria-label="Views">${VIEWS.map(([view, words]) => html`<a href="${pathWith(filters, { view })}"${view === filters.view ? html` aria-current="page"` : undefined}>${words}</a>`)}</nav>`;

const filterForm = ({ kind, agent, view }: Filters): Markup => html`<form method="get" action="/queue" class="filters" role="search" aria-label="Filter the queue">
${view === '' ? undefined : html`<input type="hidden" name="view" value="${view}">`}
<div class="field"><label for="kind">Action kind</label><input id="kind" name="kind" value="${kind}" maxlength="128" placeholder="payment.refund"></div>
<div class="field"><label for="agent">Agent</label><input id="agent" name="agent" value="${agent}" maxlength="128"></div>
<button type="submit">Filter</button>
</form>`;

/** What people have said about it since it was opened. */
const signs = (entry: QueueEntry, now: number): HtmlValue => {
  if (entry.status !== 'open') return entry.emergency === 'to_review' && html`<span class="urgent">Emergency, not reviewed</span>`;
  const after = (instant: string | null): boolean => instant !== null && fromInstant(instant) > now;
  return html`${after(entry.assigned_until) && html`<span>${entry.assigned_to} looks at it</span>`}${after(entry.deferred_until) && html`<span>put off until ${shownInstant(entry.deferred_until ?? '')}</span>`}${entry.sla_due_at !== null && !after(entry.sla_due_at) && html`<span class="urgent">late</span>`}${entry.open_questions > 0 && html`<span>waits for the agent’s answer</span>`}${entry.edited_by !== null && html`<span>changed by ${entry.edited_by}</span>`}`;
};

const entryView = (entry: QueueEntry, target: string | undefined, person: Viewer, now: number): Markup => {
  const standing = standingOf(entry, person);
  const urgent = entry.status === 'open' && fromInstant(entry.expires_at) - now < 15 * 60_000;
  const stage = entry.quorum.stages[entry.quorum.stage];
  const given = entry.quorum.approvals.filter((approval) => approval.stage === entry.quorum.stage).length;
  return html`<li class="request${entry.status === 'open' ? '' : ' ended'}">
<div class="request-head"><h2><a href="/approvals/${entry.approval_id}">${entry.decision_summary.title}${target === undefined ? undefined : html` <span class="target">→ ${target}</span>`}</a></h2><span class="pill ${standing.tone}">${standing.label}</span></div>
<p class="why">${entry.decision_summary.why}</p>
<p class="meta"><span>${entry.status === 'open' ? html`<span class="${urgent ? 'urgent' : ''}">Expires ${shownDistance(entry.expires_at, now)}</span>` : html`Ended ${shownInstant(entry.resolved_at ?? entry.expires_at)}`}</span><span>${entry.risk_points} risk points</span>${stage === undefined ? undefined : html`<span>${given} of ${stage.quorum} from ${stage.roles.join(' or ')}</span>`}<span>run ${entry.run_id}</span>${signs(entry, now)}</p>
</li>`;
};

@Controller()
@Page()
@Allow('public')
export class QueuePages {
  constructor(
    private readonly sessions: Sessions,
    private readonly requests: ListRequests,
    private readonly targets: QueueTargets,
    private readonly viewers: Viewers,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  home(): Answer {
    return Answer.seeOther('/queue');
  }

  @Get('queue')
  async show(@Http() request: HttpRequest): Promise<Answer> {
    if (request.principal === undefined) return cameFromElsewhere(request) ? bouncePage('/queue') : Answer.seeOther(loginPathFor(request.url));
    const person = request.principal.type === 'person' ? request.principal : problem('FORBIDDEN', 'only people have a queue');
    const session = await this.sessions.current(request);
    const filters = filtersOf(request);
    const query = shaped(listQuery, {
      limit: ROWS,
      ...viewQuery[filters.view],
      ...(filters.kind === '' ? {} : { kind: filters.kind }),
      ...(filters.agent === '' ? {} : { agent: filters.agent }),
      ...(filters.cursor === undefined ? {} : { cursor: filters.cursor }),
    });
    const { items, next_cursor } = await this.requests.list(person, query);
    const viewer = await this.viewers.viewer(person);
    const targets = await this.targets.of(person.tenant, items.map(({ approval_id }) => approval_id));
    const open = await this.requests.countOpen(person, 1_000);
    const now = this.clock.now();
    const decided = new URL(request.url, 'http://own.invalid').searchParams.get('done') === 'last';
    return pageAnswer(200, {
      title: 'Queue',
      session,
      body: html`${decided ? html`<p class="banner good" role="status">Recorded. Nothing else waits for you.</p>` : undefined}
<div class="heading"><h1>Queue</h1><p class="muted">${open >= 1_000 ? '1,000 or more' : open} open ${open === 1 ? 'request' : 'requests'}</p></div>
${viewLinks(filters)}
${filterForm(filters)}
${items.length === 0 ? html`<div class="empty"><p>Nothing waits for a decision here.</p></div>` : html`<ul class="requests">${items.map((entry) => entryView(entry, targets.get(entry.approval_id), viewer, now))}</ul>`}
${next_cursor === null ? undefined : html`<p class="more"><a class="button" href="${pathWith(filters, { cursor: next_cursor })}" rel="next">Next ${ROWS}</a></p>`}`,
    });
  }
}
