import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ErasureCompleted, instant, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { ACTION_KEY_CACHE_MS } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Allow, Answer, Caller, Describe, Http, IdempotentRequests, KEY_STORE, problem, requireIdempotencyKey, ShapedBody } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { whoseLog } from '../whose-log.js';
import { actorOf, appendFact, assertKnownAction, erasureStream, streamsOf } from './keeping.js';

const erasureBody = object({ tenant: optional(name()), action_id: uuid(), reason: text(1_000) });
const erasureAnswer = object({ action_id: uuid(), status: oneOf('erased'), erased_at: instant(), /** by then no process remembers the key */ unreadable_from: instant() });

/** Destroys the data key of an action: everything that was sealed for it, wherever a copy lies, can be opened by nobody. */
@Controller('v1/log/erasures')
export class ErasureHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly store: PgEventStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  @Post()
  @HttpCode(200)
  @Allow('person:admin', 'root')
  @Describe({ summary: 'Erase what was sealed for an action: its key is destroyed for ever, every hash and proof stays valid. Refused under a legal hold.', body: erasureBody, answers: { 200: erasureAnswer }, codes: ['REASON_REQUIRED', 'LEGAL_HOLD'] })
  erase(@Http() request: HttpRequest, @Caller() principal: Principal, @ShapedBody(erasureBody) body: Shape<typeof erasureBody>): Promise<Answer> {
    const tenant = whoseLog(principal, body.tenant);
    const { action_id: actionId, reason } = body;
    requireIdempotencyKey(request);
    if (reason.trim() === '') return problem('REASON_REQUIRED');
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'erase-action',
      locks: { streams: streamsOf(tenant, actionId) },
      work: async (tx) => {
        await assertKnownAction(tx, tenant, actionId);
        const held = await tx.query('SELECT FROM legal_hold WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
        if ((held.rowCount ?? 0) > 0) problem('LEGAL_HOLD');
        const { rowCount } = await tx.query('INSERT INTO erased_action (tenant, action_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [tenant, actionId]);
        // In this transaction: the key is gone exactly when the event says so.
        await this.keys.destroyActionKey(tenant, actionId, tx);
        if (rowCount === 1) await appendFact(this.store, tx, erasureStream(tenant, actionId), actionId, ErasureCompleted, { action_id: actionId, reason }, actorOf(principal));
        const { rows } = await tx.query<{ erased_at: Date }>('SELECT erased_at FROM erased_action WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
        const erasedAt = rows[0]?.erased_at ?? new Date(0);
        return { status: 200, body: { action_id: actionId, status: 'erased', erased_at: erasedAt.toISOString(), unreadable_from: new Date(erasedAt.getTime() + ACTION_KEY_CACHE_MS).toISOString() } };
      },
    });
  }
}
