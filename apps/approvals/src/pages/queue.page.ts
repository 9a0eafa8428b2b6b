import { Controller, Get, Inject, Post } from '@nestjs/common';
import { name } from '@exequatur/contracts';
import { fromInstant, type Clock } from '@exequatur/kernel';
import { Allow, Answer, CLOCK, Database, Http, Page, Problem, problem, shaped, type HttpRequest, type PersonPrincipal } from '@exequatur/service-kit';
import { ListRequests, listQuery, type QueueEntry } from '../list-requests/list-requests.js';
import { SORTINGS, type Sorting } from '../list-requests/sortings.js';
import { QueueTargets } from '../list-requests/queue-targets.js';
import { SavedViews, viewQuery as savedQuery, type SavedView } from '../list-requests/saved-views.js';
import { Viewers, type Viewer } from '../queue-view/visibility.js';
import { options } from './fields.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { bouncePage, csrfField, pageAnswer } from './layout.js';
import { cameFromElsewhere, loginPathFor } from './navigation.js';
import { formFields, Sessions, type PageSession } from './sessions.js';
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

/** Orders of what waits, as people say them. */
const ORDERS: readonly (readonly [Sorting, string])[] = [
  ['deadline', 'What expires first'],
  ['oldest', 'Oldest first'],
  ['risk', 'Highest risk first'],
  ['amount', 'Largest amount first'],
  ['agent', 'By agent'],
];

interface Filters {
  readonly kind: string;
  readonly agent: string;
  readonly view: View;
  /** '' as it stands when nothing is said */
  readonly sort: Sorting | '';
  /** name of a saved view; the other filters come on top of it */
  readonly saved: string;
  readonly cursor?: string;
}

const viewOf = (query: URLSearchParams): View => VIEWS.find(([view]) => view === query.get('view'))?.[0] ?? (query.get('include_resolved') === 'true' ? 'all' : '');

/** The usual order is said by a saved view alone, to put its own aside. */
const sortIn = (query: URLSearchParams, view: View): Sorting | '' => {
  const sort = SORTINGS.find((each) => each === query.get('sort')) ?? '';
  return view === 'all' || (sort === 'deadline' && !query.has('saved')) ? '' : sort;
};

const filtersOf = (request: HttpRequest): Filters => {
  const query = new URL(request.url, 'http://own.invalid').searchParams;
  const cursor = query.get('cursor');
  const view = viewOf(query);
  return { kind: (query.get('kind') ?? '').trim(), agent: (query.get('agent') ?? '').trim(), view, sort: sortIn(query, view), saved: (query.get('saved') ?? '').trim(), ...(cursor === null ? {} : { cursor }) };
};

const pathWith = (filters: Filters, more: { readonly cursor?: string; readonly view?: View }): string => {
  const view = more.view ?? filters.view;
  const query = new URLSearchParams({ ...(filters.kind === '' ? {} : { kind: filters.kind }), ...(filters.agent === '' ? {} : { agent: filters.agent }), ...(view === '' ? {} : { view }), ...(filters.sort === '' || view === 'all' ? {} : { sort: filters.sort }), ...(filters.saved === '' ? {} : { saved: filters.saved }), ...(more.cursor === undefined ? {} : { cursor: more.cursor }) }).toString();
  return query === '' ? '/queue' : `/queue?${query}`;
};

const viewQuery: Readonly<Record<View, object>> = { '': {}, mine: { mine: true }, sla: { sla_due: true }, review: { to_review: true }, all: { include_resolved: true } };

const current = (is: boolean): HtmlValue => is && html` aria-current="page"`;

const filterQuery = ({ kind, agent, view, sort }: Pick<Filters, 'kind' | 'agent' | 'view' | 'sort'>): object => ({ ...viewQuery[view], ...(sort === '' || view === 'all' ? {} : { sort }), ...(kind === '' ? {} : { kind }), ...(agent === '' ? {} : { agent }) });

const viewLinks = (filters: Filters, saved: readonly SavedView[]): Markup =>
  html`<nav class="views" aria-label="Views">${VIEWS.map(([view, words]) => html`<a href="${pathWith({ ...filters, saved: '' }, { view })}"${current(filters.saved === '' && view === filters.view)}>${words}</a>`)}<a href="/queue/groups">Groups</a>${saved.map((each) => html`<a href="/queue?saved=${encodeURIComponent(each.name)}"${current(each.name === filters.saved)}>${each.name}</a>`)}</nav>`;

/** Keeps what is filtered now under a name, or forgets the view that is shown. */
const saveForm = ({ kind, agent, view, sort, saved }: Filters, session: PageSession | undefined): HtmlValue => {
  if (session === undefined) return undefined;
  if (saved !== '') return html`<form method="post" action="/queue/views" class="filters">${csrfField(session)}<input type="hidden" name="name" value="${saved}"><button type="submit" name="do" value="remove" class="quiet">Forget the view ${saved}</button></form>`;
  if (kind === '' && agent === '' && view === '' && sort === '') return undefined;
  return html`<form method="post" action="/queue/views" class="filters" aria-label="Save this view">${csrfField(session)}<input type="hidden" name="kind" value="${kind}"><input type="hidden" name="agent" value="${agent}"><input type="hidden" name="view" value="${view}"><input type="hidden" name="sort" value="${sort}">
<div class="field"><label for="view-name">Save this view as</label><input id="view-name" name="name" required maxlength="128" pattern="[A-Za-z0-9][A-Za-z0-9._:@+\\-]*"></div><button type="submit" name="do" value="save">Save</button></form>`;
};

const filterForm = ({ kind, agent, view, sort, saved }: Filters): Markup => html`<form method="get" action="/queue" class="filters" role="search" aria-label="Filter and sort the queue">
${view === '' ? undefined : html`<input type="hidden" name="view" value="${view}">`}${saved === '' ? undefined : html`<input type="hidden" name="saved" value="${saved}">`}
<div class="field"><label for="kind">Action kind</label><input id="kind" name="kind" value="${kind}" maxlength="128" placeholder="payment.refund"></div>
<div class="field"><label for="agent">Agent</label><input id="agent" name="agent" value="${agent}" maxlength="128"></div>
${view !== 'all' && html`<div class="field"><label for="sort">Order</label><select id="sort" name="sort">${saved !== '' && html`<option value="">As saved</option>`}${options(ORDERS, sort === '' && saved === '' ? 'deadline' : sort)}</select></div>`}
<button type="submit">Show</button>
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
    private readonly views: SavedViews,
    private readonly database: Database,
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
      ...filterQuery(filters),
      ...(filters.saved === '' ? {} : { view: filters.saved }),
      ...(filters.cursor === undefined ? {} : { cursor: filters.cursor }),
    });
    const { items, next_cursor } = await this.requests.list(person, query);
    const viewer = await this.viewers.viewer(person);
    const targets = await this.targets.of(person.tenant, items.map(({ approval_id }) => approval_id));
    const open = await this.requests.countOpen(person, 1_000);
    const saved = await this.views.list(person);
    const now = this.clock.now();
    const decided = new URL(request.url, 'http://own.invalid').searchParams.get('done') === 'last';
    return pageAnswer(200, {
      title: 'Queue',
      session,
      roles: person.roles,
      section: '/queue',
      body: html`${decided ? html`<p class="banner good" role="status">Recorded. Nothing else waits for you.</p>` : undefined}
<div class="heading"><h1>Queue</h1><p class="muted">${open >= 1_000 ? '1,000 or more' : open} open ${open === 1 ? 'request' : 'requests'}</p></div>
${viewLinks(filters, saved)}
${filterForm(filters)}
${saveForm(filters, session)}
${items.length === 0 ? html`<div class="empty"><p>Nothing waits for a decision here.</p></div>` : html`<ul class="requests">${items.map((entry) => entryView(entry, targets.get(entry.approval_id), viewer, now))}</ul>`}
${next_cursor === null ? undefined : html`<p class="more"><a class="button" href="${pathWith(filters, { cursor: next_cursor })}" rel="next">Next ${ROWS}</a></p>`}`,
    });
  }

  @Post('queue/views')
  @Allow('person')
  async saveView(@Http() request: HttpRequest): Promise<Answer> {
    const fields = formFields(request);
    await this.sessions.posted(request, fields);
    const person = request.principal?.type === 'person' ? request.principal : problem('FORBIDDEN');
    const viewName = shaped(name(), (fields['name'] ?? '').trim());
    if (fields['do'] === 'remove') {
      await this.forget(person, viewName);
      return Answer.seeOther('/queue');
    }
    const view = VIEWS.find(([each]) => each === (fields['view'] ?? ''))?.[0] ?? '';
    await this.views.save(this.database, person, { name: viewName, query: shaped(savedQuery, filterQuery({ kind: (fields['kind'] ?? '').trim(), agent: (fields['agent'] ?? '').trim(), view, sort: SORTINGS.find((each) => each === fields['sort']) ?? '' })) });
    return Answer.seeOther(`/queue?saved=${encodeURIComponent(viewName)}`);
  }

  /** Twice is as good as once. */
  private async forget(person: PersonPrincipal, viewName: string): Promise<void> {
    try {
      await this.views.remove(this.database, person, viewName);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'NOT_FOUND') throw error;
    }
  }
}
