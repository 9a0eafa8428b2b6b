import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Get, Res } from '@nestjs/common';
import { count, list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Admission, Allow, Caller, Describe, Http, problem, ShapedQuery } from '@exequatur/service-kit';
import type { HttpReply, HttpRequest, Principal } from '@exequatur/service-kit';
import { operatedTenant } from '../authority/operator.js';
import { FreezeChanges, positionOf } from './freeze-changes.js';
import type { FreezeChange, Position } from './freeze-changes.js';
import { freezeScope } from './freeze.http.js';

const LOOK_EVERY_MS = 500;
const HEARTBEAT_MS = 15_000;
/** Rights are asked for again by whoever comes back. */
const MOST_MS = 10 * 60_000;
const RETRY_MS = 1_000;
const BUFFERED_BYTES = 256 * 1024;

const query = object({ tenant: optional(name()) });
const change = object({ freeze_id: uuid(), status: oneOf('fenced', 'quiesced', 'lifted'), scope: freezeScope(), value: text(300), version: count() });
const batch = object({ items: list(change, 200), last_event_id: text(50) });

const idOf = ({ xid, position }: Position): string => `${xid}-${position}`;
const lines = ({ at, data }: FreezeChange): string => `id: ${idOf(at)}\nevent: ${data.status}\ndata: ${JSON.stringify(data)}\n\n`;

/** Server-sent events (WHATWG HTML, section 9.2): who waits for `quiesced` need not ask again and again. */
@Controller('v1/freezes/stream')
export class StreamFreezesHttp {
  constructor(
    private readonly changes: FreezeChanges,
    private readonly admission: Admission,
  ) {}

  @Get()
  @Allow('person:operator', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'What becomes of freezes, as server-sent events; with Last-Event-ID everything since that one. Without `Accept: text/event-stream` one batch at once, as JSON.', query, answers: { 200: batch }, codes: ['BUSY'] })
  async open(@ShapedQuery(query) asked: Shape<typeof query>, @Http() request: HttpRequest, @Caller() principal: Principal, @Res() reply: HttpReply): Promise<void> {
    const tenant = operatedTenant(principal, asked.tenant);
    const lastId = request.headers['last-event-id'];
    const from = typeof lastId === 'string' ? (positionOf(lastId) ?? problem('INVALID', 'Last-Event-ID is none of ours')) : await this.changes.end();
    if (request.headers.accept?.includes('text/event-stream') !== true) {
      const items = await this.changes.after(tenant, from);
      await reply.type('application/json').send(JSON.stringify({ items: items.map(({ data }) => data), last_event_id: idOf(items.at(-1)?.at ?? from) }));
      return;
    }
    this.admission.beginLongPoll(request);
    reply.hijack();
    reply.raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
    reply.raw.write(`retry: ${RETRY_MS}\n\n`);
    await this.send(tenant, reply.raw, from);
  }

  /** A reader that does not read is cut off, and comes back with Last-Event-ID; so is everyone when the database cannot be read. */
  private async send(tenant: string, raw: HttpReply['raw'], start: Position): Promise<void> {
    const until = performance.now() + MOST_MS;
    let [position, wroteAt] = [start, performance.now()];
    try {
      while (!raw.destroyed && !this.admission.shutdown.aborted && performance.now() < until) {
        const changes = await this.changes.after(tenant, position);
        const quiet = performance.now() - wroteAt > HEARTBEAT_MS;
        if (changes.length > 0 || quiet) {
          raw.write(changes.length === 0 ? ': still here\n\n' : changes.map(lines).join(''));
          [position, wroteAt] = [changes.at(-1)?.at ?? position, performance.now()];
          if (raw.writableLength > BUFFERED_BYTES) break;
        }
        await delay(LOOK_EVERY_MS, undefined, { signal: this.admission.shutdown }).catch(() => undefined);
      }
    } catch {
      // The connection ends, and its reader asks again.
    } finally {
      raw.end();
    }
  }
}
