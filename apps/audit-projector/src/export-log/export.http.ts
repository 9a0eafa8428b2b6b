import { Readable } from 'node:stream';
import { Controller, HttpCode, Post, StreamableFile } from '@nestjs/common';
import { count, instant, name, object, oneOf, optional, text, truth, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Describe, Http, principalName, problem, requireIdempotencyKey, ShapedBody } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import type { Actor } from '@exequatur/event-store';
import { whoseLog } from '../whose-log.js';
import { ExportArchive } from './export-archive.js';
import { ExportLog } from './export-log.js';
import type { ExportFormat } from './export-log.js';
import type { EventFilter } from './shown-event.js';

const exportBody = object({
  tenant: optional(name()),
  /** jsonl: the log itself, to be verified; archive: a tar file of it with receipts, policies, schemas, keys and a README; csv and ocsf: reviews of its open data */
  format: optional(oneOf('jsonl', 'csv', 'ocsf', 'archive')),
  /** of csv, ocsf and the receipts of an archive: from ≤ time < to */
  from: optional(instant()),
  to: optional(instant()),
  action_id: optional(uuid()),
  action_kind: optional(name()),
  /** of csv and ocsf: goes on behind this sequence, the last one that arrived */
  after: optional(count()),
  /** of an archive: goes on at this byte of the same one */
  from_byte: optional(count()),
  /** of an archive: with arguments and cards in its receipts */
  content: optional(truth()),
});

const TYPES: Readonly<Record<ExportFormat, readonly [type: string, extension: string]>> = {
  jsonl: ['application/x-ndjson; charset=utf-8', 'jsonl'],
  csv: ['text/csv; charset=utf-8', 'csv'],
  ocsf: ['application/x-ndjson; charset=utf-8', 'ocsf.jsonl'],
  archive: ['application/x-tar', 'tar'],
};

const filterOf = ({ from, to, action_id: actionId, action_kind: kind }: Shape<typeof exportBody>): EventFilter => ({
  ...(from === undefined ? {} : { from }),
  ...(to === undefined ? {} : { to }),
  ...(actionId === undefined ? {} : { action_id: actionId }),
  ...(kind === undefined ? {} : { action_kind: kind }),
});

const actorOf = (caller: Principal): Actor => {
  if (caller.type === 'person') return { type: 'person', id: caller.id };
  return caller.type === 'root' ? { type: 'system', id: 'root' } : problem('FORBIDDEN');
};

@Controller('v1/exports')
export class ExportHttp {
  constructor(
    private readonly log: ExportLog,
    private readonly archive: ExportArchive,
  ) {}

  /**
   * Streams the tenant's whole log as JSON Lines. The same Idempotency-Key streams the same bytes again, whatever was logged
   * since: the key names the export, so a broken download is simply asked for again.
   */
  @Post()
  @HttpCode(200)
  @Allow('person:auditor', 'root')
  @Describe({ summary: 'Streams the log as JSON Lines (application/x-ndjson) for offline verification, an archive (application/x-tar) of all that an auditor needs, or a review of it as CSV or OCSF 1.8 events; ExportMade records who took it.', body: exportBody, answers: { 200: text() }, codes: ['IDEMPOTENCY_KEY_REQUIRED'] })
  async export(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedBody(exportBody) body: Shape<typeof exportBody>): Promise<StreamableFile> {
    const tenant = whoseLog(caller, body.tenant);
    const idempotencyKey = requireIdempotencyKey(request);
    const { format = 'jsonl', after, from_byte: fromByte, content } = body;
    if (format !== 'archive' && (fromByte !== undefined || content !== undefined)) return problem('INVALID', undefined, [{ pointer: '/format', expected: 'archive, for from_byte and content' }]);
    const filter = filterOf(body);
    // A log with holes would verify as nothing.
    if (format === 'jsonl' && (after !== undefined || Object.keys(filter).length > 0)) return problem('INVALID', undefined, [{ pointer: '/format', expected: 'csv or ocsf, where only a part is asked for' }]);
    const what = { format, filter, ...(content === true ? { content } : {}) };
    const begun = await this.log.begin({ tenant, actor: actorOf(caller), principal: principalName(caller), idempotencyKey, what });
    const chunks = format === 'archive' ? this.archive.bytes(tenant, begun, what, fromByte ?? 0) : format === 'jsonl' ? this.log.lines(tenant, begun) : this.log.review(tenant, begun, what, after);
    const [type, extension] = TYPES[format];
    return new StreamableFile(Readable.from(chunks), { type, disposition: `attachment; filename="exequatur-${tenant}-${begun.logSize}.${extension}"` });
  }
}
