import { Controller, Get } from '@nestjs/common';
import { Allow, Caller, Describe, problem, ShapedQuery, type ListPage } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { ListRequests, listQuery, type ListQuery, type QueueCounts, type QueueEntry, type QueueGroup } from './list-requests.js';
import { countsAnswer, groupsAnswer, queueAnswer } from './queue-answer.js';

@Controller('v1/approvals')
@Allow('person')
export class ListRequestsHttp {
  constructor(private readonly requests: ListRequests) {}

  @Get()
  @Describe({ summary: 'The queue: open requests, what expires first stands first, unless `sort` says otherwise; with include_resolved also the ended ones.', query: listQuery, answers: { 200: queueAnswer } })
  list(@Caller() caller: Principal, @ShapedQuery(listQuery) query: ListQuery): Promise<ListPage<QueueEntry>> {
    return this.requests.list(caller.type === 'person' ? caller : problem('FORBIDDEN'), query);
  }

  @Get('groups')
  @Describe({ summary: 'Open requests in groups that differ in their arguments alone, with a number each; takes the filters of the list.', query: listQuery, answers: { 200: groupsAnswer } })
  async groups(@Caller() caller: Principal, @ShapedQuery(listQuery) query: ListQuery): Promise<{ readonly items: readonly QueueGroup[] }> {
    return { items: await this.requests.groups(caller.type === 'person' ? caller : problem('FORBIDDEN'), query) };
  }

  @Get('counts')
  @Describe({ summary: 'What waits, in numbers; takes the filters of the list.', query: listQuery, answers: { 200: countsAnswer } })
  counts(@Caller() caller: Principal, @ShapedQuery(listQuery) query: ListQuery): Promise<QueueCounts> {
    return this.requests.counts(caller.type === 'person' ? caller : problem('FORBIDDEN'), query);
  }
}
