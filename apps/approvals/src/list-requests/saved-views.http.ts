import { Controller, Get, Post } from '@nestjs/common';
import { list, name, object } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Allow, Caller, Describe, Http, IdempotentRequests, problem, ShapedBody, ShapedPath, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, PersonPrincipal, Principal } from '@exequatur/service-kit';
import { MOST_VIEWS, saveBody, SavedViews, type SavedView } from './saved-views.js';

const personOf = (caller: Principal): PersonPrincipal => (caller.type === 'person' ? caller : problem('FORBIDDEN'));

/** A person's own views of the queue; nobody else's can be seen or changed. */
@Controller('v1/approvals/views')
@Allow('person')
export class SavedViewsHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly views: SavedViews,
  ) {}

  @Get()
  @Describe({ summary: 'The filters that whoever asks has saved, by name; `GET /v1/approvals?view=…` uses one.', answers: { 200: object({ items: list(saveBody, MOST_VIEWS) }) } })
  async list(@Caller() caller: Principal): Promise<{ readonly items: readonly SavedView[] }> {
    return { items: await this.views.list(personOf(caller)) };
  }

  @Post()
  @Describe({ summary: 'Save filters under a name, or replace them.', body: saveBody, answers: { 200: saveBody }, codes: ['CONFLICT', 'INVALID'] })
  save(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedBody(saveBody) body: Shape<typeof saveBody>): Promise<Answer> {
    const person = personOf(caller);
    return this.requests.run({ request, principal: person, operation: 'save-view', locks: { streams: [] }, work: async (tx) => ({ status: 200, body: await this.views.save(tx, person, body).then(() => body) }) });
  }

  @Post(':name/remove')
  @Describe({ summary: 'Forget a saved view.', answers: { 200: object({ name: name() }) }, codes: ['NOT_FOUND'] })
  remove(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('name', name()) viewName: string): Promise<Answer> {
    const person = personOf(caller);
    return this.requests.run({ request, principal: person, operation: 'remove-view', locks: { streams: [] }, work: async (tx) => ({ status: 200, body: await this.views.remove(tx, person, viewName).then(() => ({ name: viewName })) }) });
  }
}
