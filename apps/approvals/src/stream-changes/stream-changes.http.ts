import { Controller, Get, Res } from '@nestjs/common';
import { count, instant, list, object, text, uuid } from '@exequatur/contracts';
import { Admission, Allow, Caller, Describe, Directory, Http, problem } from '@exequatur/service-kit';
import type { HttpReply, HttpRequest, PersonPrincipal, Principal } from '@exequatur/service-kit';
import { APPROVAL_LIMITS } from '../limits.js';
import { positionOf, StreamChanges, type Change } from './stream-changes.js';
import type { Position } from './changes-hub.js';

const batchAnswer = object({ items: list(object({ id: text(50), event: text(50), data: object({ approval_id: uuid(), status: text(20), version: count(), at: instant() }) }), 500), last_event_id: text(50) });

const lines = ({ id, event, data }: Change): string => `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Server-sent events (WHATWG HTML, section 9.2). A reader that does not read is cut off, and comes back with Last-Event-ID. */
@Controller('v1/stream')
@Allow('person')
export class StreamChangesHttp {
  constructor(
    private readonly stream: StreamChanges,
    private readonly admission: Admission,
    private readonly directory: Directory,
  ) {}

  @Get()
  @Describe({ summary: 'Changes of the requests that whoever asks may see, as server-sent events; with Last-Event-ID everything since that one. Without `Accept: text/event-stream` one batch of them at once, as JSON.', answers: { 200: batchAnswer }, codes: ['BUSY'] })
  async open(@Http() request: HttpRequest, @Caller() caller: Principal, @Res() reply: HttpReply): Promise<void> {
    const person = caller.type === 'person' ? caller : problem('FORBIDDEN');
    const asked = request.headers['last-event-id'];
    const from = positionOf(typeof asked === 'string' ? asked : undefined);
    if (asked !== undefined && from === undefined) problem('INVALID', 'Last-Event-ID is none of ours');
    const start = await this.stream.start(from);
    if (request.headers.accept?.includes('text/event-stream') !== true) {
      const { changes, position } = await this.stream.after(await this.stream.viewer(person), start);
      await reply.type('application/json').send(JSON.stringify({ items: changes, last_event_id: `${position.xid}-${position.position}` }));
      return;
    }
    this.admission.beginLongPoll(request);
    reply.hijack();
    reply.raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
    reply.raw.write(`retry: ${APPROVAL_LIMITS.streamRetryMs}\n\n`);
    await this.send(person, reply, start);
  }

  private async send(person: PersonPrincipal, reply: HttpReply, start: Position): Promise<void> {
    const { raw } = reply;
    let position = start;
    const until = performance.now() + APPROVAL_LIMITS.streamMs;
    try {
      while (!raw.destroyed && !this.admission.shutdown.aborted && performance.now() < until) {
        // Listens before it looks, so that nothing falls between the two.
        const woken = this.next(raw);
        // Roles may have changed, and the person may be gone, since the stream began.
        const now = await this.directory.person(person.tenant, person.id);
        if (now === undefined) break;
        const { changes, position: seen, full } = await this.stream.after(await this.stream.viewer(now), position);
        position = seen;
        if (changes.length > 0 && !raw.write(changes.map(lines).join('')) && raw.writableLength > APPROVAL_LIMITS.streamBufferBytes) break;
        if (full) {
          woken.stop();
          continue;
        }
        if ((await woken.done) === 'quiet') raw.write(': still here\n\n');
      }
    } finally {
      raw.end();
    }
  }

  private next(raw: HttpReply['raw']): { readonly done: Promise<'changed' | 'quiet'>; readonly stop: () => void } {
    let stop = (): void => undefined;
    const done = new Promise<'changed' | 'quiet'>((resolve) => {
      const finish = (why: 'changed' | 'quiet'): void => {
        clearTimeout(timer);
        unlisten();
        raw.off('close', woken);
        this.admission.shutdown.removeEventListener('abort', woken);
        resolve(why);
      };
      const woken = (): void => finish('changed');
      const timer = setTimeout(() => finish('quiet'), APPROVAL_LIMITS.streamHeartbeatMs);
      const unlisten = this.stream.listen(woken);
      raw.once('close', woken);
      this.admission.shutdown.addEventListener('abort', woken);
      stop = woken;
    });
    return { done, stop };
  }
}
