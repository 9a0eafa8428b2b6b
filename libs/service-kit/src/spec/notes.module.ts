import { Controller, Get, Inject, Module, Post } from '@nestjs/common';
import { object, optional, text, uuid, type Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Database } from '../database/database.js';
import { Answer } from '../http/answer.js';
import { Http, type HttpRequest } from '../http/http-request.js';
import { pageFields } from '../http/paging.js';
import { entityTag, requireIfMatch } from '../http/preconditions.js';
import { ShapedBody, ShapedPath, ShapedQuery } from '../http/shaped.js';
import { IdempotentRequests } from '../idempotency/run-idempotent.js';
import { Allow, Caller } from '../identity/allow.js';
import type { Principal } from '../identity/principal.js';
import { Describe } from '../openapi/describe.js';
import { problem } from '../problem/problem.js';

const note = object({ id: uuid(), text: text(100), action_id: optional(uuid()) });
const kept = object({ id: uuid(), text: text(100) });
const query = object({ ...pageFields });

/** Lets a spec hold a request inside its transaction. */
export class Gate {
  entered = 0;
  private open: Promise<void> = Promise.resolve();
  release: () => void = () => undefined;

  shut(): void {
    this.open = new Promise((resolve) => {
      this.release = resolve;
    });
  }

  pass(): Promise<void> {
    this.entered += 1;
    return this.open;
  }
}

/** The smallest service there is: it keeps notes. */
@Controller('v1/notes')
export class NotesController {
  constructor(
    @Inject(IdempotentRequests) private readonly requests: IdempotentRequests<PgTransaction>,
    @Inject(Database) private readonly database: Database,
    @Inject(Gate) private readonly gate: Gate,
  ) {}

  @Post()
  @Allow('agent', 'root')
  @Describe({ summary: 'Keeps a note.', body: note, answers: { 201: kept }, codes: ['CONFLICT'] })
  keep(@Http() request: HttpRequest, @Caller() principal: Principal, @ShapedBody(note) body: Shape<typeof note>): Promise<Answer> {
    const tenant = 'tenant' in principal ? principal.tenant : 'acme';
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'keep-note',
      locks: { streams: [] },
      work: async (tx) => {
        await this.gate.pass();
        if (body.text === 'refuse me') return problem('CONFLICT', 'as asked');
        await tx.query('INSERT INTO note (id, tenant, text) VALUES ($1, $2, $3)', [body.id, tenant, body.text]);
        // The time makes two executions differ: a replay that ran the work again would show.
        const answer = { id: body.id, text: body.text, at: performance.now() };
        return { status: 201, body: answer, ...(body.action_id === undefined ? {} : { actionId: body.action_id }) };
      },
    });
  }

  @Get()
  @Allow('person', 'agent', 'service:executor')
  @Describe({ summary: 'Lists notes.', query, answers: { 200: kept } })
  async list(@ShapedQuery(query) { limit }: Shape<typeof query>): Promise<unknown> {
    const { rows } = await this.database.query('SELECT id, text FROM note ORDER BY id LIMIT $1', [limit ?? 50]);
    return { items: rows, next_cursor: null };
  }

  @Get('broken')
  @Allow('person:auditor')
  @Describe({ summary: 'Asks the database what it refuses.', answers: { 200: kept } })
  broken(): Promise<unknown> {
    return this.database.query("SELECT secret_column FROM note WHERE text = 'canary-4711'");
  }

  @Get(':id')
  @Allow('person:approver')
  @Describe({ summary: 'One note.', answers: { 200: kept } })
  async one(@ShapedPath('id', uuid()) id: string): Promise<Answer> {
    const { rows } = await this.database.query<{ id: string; text: string }>('SELECT id, text FROM note WHERE id = $1', [id]);
    return Answer.json(200, rows[0] ?? problem('NOT_FOUND'), { etag: entityTag(1) });
  }

  @Post(':id/seal')
  @Allow('person:approver')
  @Describe({ summary: 'Wants If-Match.', keyless: true, answers: { 204: 'empty' }, codes: ['IF_MATCH_REQUIRED', 'STALE'] })
  seal(@Http() request: HttpRequest): Answer {
    requireIfMatch(request, entityTag(1));
    return new Answer(204, Buffer.alloc(0));
  }
}

@Module({ controllers: [NotesController], providers: [Gate] })
export class NotesModule {}
