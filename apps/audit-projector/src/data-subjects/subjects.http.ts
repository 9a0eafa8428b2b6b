import { Controller, HttpCode, Post } from '@nestjs/common';
import { list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, decodeCursor, Describe, pageFields, pageOf, pageSize, shaped, ShapedBody } from '@exequatur/service-kit';
import type { ListPage, Principal } from '@exequatur/service-kit';
import { whoseLog } from '../whose-log.js';
import { IndexSubjects } from './index-subjects.js';

const subjectBody = object({ ...pageFields, tenant: optional(name()), /** an address, a customer number, a target: as the action says it */ subject: text(320) });
const subjectPage = object({ items: list(object({ action_id: uuid(), status: oneOf('readable', 'held') }), 200), next_cursor: optional(text(500)) });

/** From a person to the actions that name them. In a body, since addresses and paths are logged. */
@Controller('v1/log/subjects')
export class SubjectsHttp {
  constructor(
    private readonly database: Database,
    private readonly index: IndexSubjects,
  ) {}

  @Post()
  @HttpCode(200)
  @Allow('person:admin', 'root')
  @Describe({ summary: 'Actions whose arguments or target name this person and that are not erased; a legal hold is said.', body: subjectBody, keyless: true, answers: { 200: subjectPage } })
  async search(@Caller() principal: Principal, @ShapedBody(subjectBody) body: Shape<typeof subjectBody>): Promise<ListPage<unknown>> {
    const tenant = whoseLog(principal, body.tenant);
    const size = pageSize(body.limit);
    const after = body.cursor === undefined ? '00000000-0000-0000-0000-000000000000' : shaped(uuid(), decodeCursor(body.cursor));
    await this.index.catchUp(tenant);
    const text = `
      SELECT action_id, EXISTS (SELECT FROM legal_hold h WHERE h.tenant = s.tenant AND h.action_id = s.action_id) AS held FROM data_subject s
      WHERE tenant = $1 AND token = $2 AND action_id > $3 AND NOT EXISTS (SELECT FROM erased_action e WHERE e.tenant = s.tenant AND e.action_id = s.action_id)
      ORDER BY action_id LIMIT $4`;
    const { rows } = await this.database.query<{ action_id: string; held: boolean }>(text, [tenant, this.index.tokensOf(tenant)(body.subject), after, size + 1]);
    return pageOf(rows, size, ({ action_id: id }) => id, ({ action_id: id, held }) => ({ action_id: id, status: held ? 'held' : 'readable' }));
  }
}
