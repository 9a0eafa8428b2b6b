import { Controller, Get } from '@nestjs/common';
import { Allow, Caller, Describe, problem, ShapedQuery, type ListPage } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { ListRequests, listQuery, type ListQuery, type QueueEntry } from './list-requests.js';
import { queueAnswer } from './queue-answer.js';

@Controller('v1/approvals')
@Allow('person')
export class ListRequestsHttp {
  constructor(private readonly requests: ListRequests) {}

  @Get()
  @Describe({ summary: 'The queue: open requests, what expires first stands first; with include_resolved also the ended ones.', query: listQuery, answers: { 200: queueAnswer } })
  list(@Caller() caller: Principal, @ShapedQuery(listQuery) query: ListQuery): Promise<ListPage<QueueEntry>> {
    return this.requests.list(caller.type === 'person' ? caller : problem('FORBIDDEN'), query);
  }
}
