import { Readable } from 'node:stream';
import { Controller, HttpCode, Post, StreamableFile } from '@nestjs/common';
import { name, object, optional, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Describe, Http, principalName, problem, requireIdempotencyKey, ShapedBody } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import type { Actor } from '@exequatur/event-store';
import { whoseLog } from '../whose-log.js';
import { ExportLog } from './export-log.js';

const exportBody = object({ tenant: optional(name()) });

const actorOf = (caller: Principal): Actor => {
  if (caller.type === 'person') return { type: 'person', id: caller.id };
  return caller.type === 'root' ? { type: 'system', id: 'root' } : problem('FORBIDDEN');
};

@Controller('v1/exports')
export class ExportHttp {
  constructor(private readonly log: ExportLog) {}

  /**
   * Streams the tenant's whole log as JSON Lines. The same Idempotency-Key streams the same bytes again, whatever was logged
   * since: the key names the export, so a broken download is simply asked for again.
   */
  @Post()
  @HttpCode(200)
  @Allow('person:auditor', 'root')
  @Describe({ summary: 'Streams the log as JSON Lines (application/x-ndjson) for offline verification; ExportMade records who took it.', body: exportBody, answers: { 200: text() }, codes: ['IDEMPOTENCY_KEY_REQUIRED'] })
  async export(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedBody(exportBody) body: Shape<typeof exportBody>): Promise<StreamableFile> {
    const tenant = whoseLog(caller, body.tenant);
    const begun = await this.log.begin({ tenant, actor: actorOf(caller), principal: principalName(caller), idempotencyKey: requireIdempotencyKey(request) });
    return new StreamableFile(Readable.from(this.log.lines(tenant, begun)), { type: 'application/x-ndjson; charset=utf-8', disposition: `attachment; filename="exequatur-${tenant}-${begun.logSize}.jsonl"` });
  }
}
