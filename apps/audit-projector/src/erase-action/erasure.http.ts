import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ErasureCompleted, instant, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { ACTION_KEY_CACHE_MS } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Allow, Answer, Caller, Describe, Http, KEY_STORE, problem, ShapedBody } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { AboutAction } from './about-action.js';
import { ForgetIntake } from './forget-intake.js';
import { agentOf, erasureStream } from './keeping.js';

const erasureBody = object({ tenant: optional(name()), action_id: uuid(), reason: text(1_000) });
const erasureAnswer = object({ action_id: uuid(), status: oneOf('erased'), erased_at: instant(), /** by then no process remembers the key */ unreadable_from: instant() });

/** Destroys the data key of an action: everything that was sealed for it, wherever a copy lies, can be opened by nobody. */
@Controller('v1/log/erasures')
export class ErasureHttp {
  constructor(
    private readonly orders: AboutAction,
    private readonly intake: ForgetIntake,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  @Post()
  @HttpCode(200)
  @Allow('person:admin', 'root')
  @Describe({ summary: 'Erase what was sealed for an action: its key is destroyed for ever, every hash and proof stays valid. Refused under a legal hold.', body: erasureBody, answers: { 200: erasureAnswer }, codes: ['REASON_REQUIRED', 'LEGAL_HOLD'] })
  erase(@Http() request: HttpRequest, @Caller() principal: Principal, @ShapedBody(erasureBody) { tenant: named, action_id: actionId, reason }: Shape<typeof erasureBody>): Promise<Answer> {
    return this.orders.carryOut({ request, principal, named, actionId, reason, operation: 'erase-action' }, 200, async ({ tx, tenant, append }) => {
      const held = await tx.query('SELECT FROM legal_hold WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
      if ((held.rowCount ?? 0) > 0) problem('LEGAL_HOLD');
      await this.intake.all();
      const { rowCount } = await tx.query('INSERT INTO erased_action (tenant, action_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [tenant, actionId]);
      // In this transaction: the key is gone exactly when the event says so.
      await this.keys.destroyActionKey(tenant, actionId, tx);
      await tx.query('DELETE FROM data_subject WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
      // What the agent sent in clear over the intake topic, and what was refused of it. The key of its messages is the agent.
      const agent = await agentOf(tx, tenant, actionId);
      if (agent !== undefined) await tx.query(`SELECT bus.empty_taken($1, '0')`, [`${tenant}/${agent}`]);
      if (rowCount === 1) await append(erasureStream(tenant, actionId), ErasureCompleted, { action_id: actionId, reason });
      const { rows } = await tx.query<{ erased_at: Date }>('SELECT erased_at FROM erased_action WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
      const erasedAt = rows[0]?.erased_at ?? new Date(0);
      return { action_id: actionId, status: 'erased', erased_at: erasedAt.toISOString(), unreadable_from: new Date(erasedAt.getTime() + ACTION_KEY_CACHE_MS).toISOString() };
    });
  }
}
