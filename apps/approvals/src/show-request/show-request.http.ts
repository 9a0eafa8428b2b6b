import { Controller, Get } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import { Allow, Answer, Caller, Describe, entityTag, problem, ShapedPath } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { requestAnswer } from '../list-requests/queue-answer.js';
import { ShowRequest } from './show-request.js';

@Controller('v1/approvals')
@Allow('person')
export class ShowRequestHttp {
  constructor(private readonly requests: ShowRequest) {}

  @Get(':id')
  @Describe({ summary: 'One request: its card, the hash of what is shown, the votes. The ETag is what If-Match names when deciding.', answers: { 200: requestAnswer }, codes: ['NOT_FOUND'] })
  async show(@Caller() caller: Principal, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    const { shown } = await this.requests.show(caller.type === 'person' ? caller : problem('FORBIDDEN'), id);
    return Answer.json(200, shown, { etag: entityTag(shown.version) });
  }
}
