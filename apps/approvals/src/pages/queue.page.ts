import { Controller, Get, Inject } from '@nestjs/common';
import { fromInstant, type Clock } from '@exequatur/kernel';
import { Allow, Answer, CLOCK, Http, Page, problem, shaped, type HttpRequest, type PersonPrincipal } from '@exequatur/service-kit';
import { ListRequests, listQuery, type QueueEntry } from '../list-requests/list-requests.js';
import { html, type Markup } from './html.js';
import { bouncePage, pageAnswer } from './layout.js';
import { cameFromElsewhere, loginPathFor } from './navigation.js';
import { Sessions } from './sessions.js';
import { shownDistance, shownInstant } from './shown-time.js';
import { standingOf } from './standing.js';

const ROWS = 25;

interface Filters {
  readonly kind: string;
  readonly agent: string;
  readonly include_resolved: boolean;
  readonly cursor?: string;
}

const filtersOf = (request: HttpRequest): Filters => {
  const query = new URL(request.url, 'http://own.invalid').searchParams;
  const cursor = query.get('cursor');
  return { kind: (query.get('kind') ?? '').trim(), agent: (query.get('agent') ?? '').trim(), include_resolved: query.get('include_resolved') === 'true', ...(cursor === null ? {} : { cursor }) };
};

const pathWith = (filters: Filters, cursor: string): string =>
  `/queue?${new URLSearchParams({ ...(filters.kind === '' ? {} : { kind: filters.kind }), ...(filters.agent === '' ? {} : { agent: filters.agent }), ...(filters.include_resolved ? { include_resolved: 'true' } : {}), cursor })}`;

const filterForm = ({ kind, agent, include_resolved }: Filters): Markup => html`<form method="get" action="/queue" class="filters" role="search" aria-label="Filter the queue">
<div class="field"><label for="kind">Action kind</label><input id="kind" name="kind" value="${kind}" maxlength="128" placeholder="payment.refund"></div>
<div class="field"><label for="agent">Agent</label><input id="agent" name="agent" value="${agent}" maxlength="128"></div>
<label class="check"><input type="checkbox" name="include_resolved" value="true"${include_resolved ? html` checked` : undefined}> Show ended requests</label>
<button type="submit">Filter</button>
</form>`;

const entryView = (entry: QueueEntry, person: PersonPrincipal, now: number): Markup => {
  const standing = standingOf(entry, person);
  const urgent = entry.status === 'open' && fromInstant(entry.expires_at) - now < 15 * 60_000;
  const stage = entry.quorum.stages[entry.quorum.stage];
  const given = entry.quorum.approvals.filter((approval) => approval.stage === entry.quorum.stage).length;
  return html`<li class="request${entry.status === 'open' ? '' : ' ended'}">
<div class="request-head"><h2><a href="/approvals/${entry.approval_id}">${entry.decision_summary.title}</a></h2><span class="pill ${standing.tone}">${standing.label}</span></div>
<p class="why">${entry.decision_summary.why}</p>
<p class="meta"><span>${entry.status === 'open' ? html`<span class="${urgent ? 'urgent' : ''}">Expires ${shownDistance(entry.expires_at, now)}</span>` : html`Ended ${shownInstant(entry.resolved_at ?? entry.expires_at)}`}</span><span>${entry.risk_points} risk points</span>${stage === undefined ? undefined : html`<span>${given} of ${stage.quorum} from ${stage.roles.join(' or ')}</span>`}<span>run ${entry.run_id}</span></p>
</li>`;
};

@Controller()
@Page()
@Allow('public')
export class QueuePages {
  constructor(
    private readonly sessions: Sessions,
    private readonly requests: ListRequests,
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
      include_resolved: filters.include_resolved,
      ...(filters.kind === '' ? {} : { kind: filters.kind }),
      ...(filters.agent === '' ? {} : { agent: filters.agent }),
      ...(filters.cursor === undefined ? {} : { cursor: filters.cursor }),
    });
    const { items, next_cursor } = await this.requests.list(person, query);
    const open = await this.requests.countOpen(person, 1_000);
    const now = this.clock.now();
    const decided = new URL(request.url, 'http://own.invalid').searchParams.get('done') === 'last';
    return pageAnswer(200, {
      title: 'Queue',
      session,
      body: html`${decided ? html`<p class="banner good" role="status">Recorded. Nothing else waits for you.</p>` : undefined}
<div class="heading"><h1>Queue</h1><p class="muted">${open >= 1_000 ? '1,000 or more' : open} open ${open === 1 ? 'request' : 'requests'}</p></div>
${filterForm(filters)}
${items.length === 0 ? html`<div class="empty"><p>Nothing waits for a decision here.</p></div>` : html`<ul class="requests">${items.map((entry) => entryView(entry, person, now))}</ul>`}
${next_cursor === null ? undefined : html`<p class="more"><a class="button" href="${pathWith(filters, next_cursor)}" rel="next">Next ${ROWS}</a></p>`}`,
    });
  }
}
