import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { canonicalBytes, newId, saltedHash } from '@exequatur/kernel';
import { startHttpTool, startSmtpSink } from '@exequatur/local-servers';
import type { HttpTool, SmtpSink } from '@exequatur/local-servers';
import { AGENT_TOKEN, ExecutorBed, OPERATOR_TOKEN, OTHER_AGENT_TOKEN, THIRD_AGENT_TOKEN } from '../spec/executor-bed.js';

const HTTP_TOOL = { name: 'billing.refund', version: '1' };
const SLOW_TOOL = { name: 'slow.tool', version: '1' };
const MAIL_TOOL = { name: 'mailer.send', version: '1' };

describe('a managed grant is executed', () => {
  let bed: ExecutorBed;
  let origin: string;
  let tool: HttpTool;
  let sink: SmtpSink;

  beforeAll(async () => {
    bed = await ExecutorBed.start();
    tool = await startHttpTool();
    sink = await startSmtpSink();
    ({ origin } = await bed.executor());
    await bed.connect(origin, HTTP_TOOL, { type: 'http', settings: { url: `${tool.url}/refunds?x=1`, headers: { 'x-team': 'sales' } }, credential: { bearer_token: 'canary-bearer' } });
    await bed.connect(origin, MAIL_TOOL, { type: 'smtp', settings: { host: '127.0.0.1', port: sink.port, from: 'agent@acme.example' } });
  });
  afterAll(async () => {
    await bed.stop();
    await tool.stop();
    await sink.stop();
  });
  beforeEach(() => {
    tool.behave(() => ({}));
    sink.behave(() => ({}));
    bed.door.pass(() => 'through');
  });

  const effectsOf = (key: string) => tool.effects.filter((effect) => effect.key === key);

  test('from the allowance to the commit, with the effect key, and nothing more when the event comes again', async () => {
    tool.behave(() => ({ headers: { 'x-request-id': 'req-7' } }));
    const allowed = await bed.allow({ account: 'a-1', amount: '42.00' }, { tool: HTTP_TOOL });
    const events = await bed.ended(allowed.executionId);
    expect(events.map(({ name }) => name)).toEqual(['ExecutionRequested', 'ExecutionStarted', 'ExecutionSucceeded']);
    const [claim] = await bed.claims(allowed.executionId);
    expect(events[2]?.data).toEqual({
      execution_id: allowed.executionId, action_id: allowed.actionId, grant_id: allowed.actionId, use_no: 1, reservation_id: claim?.['reservation_id'], provider_request_id: 'req-7',
      actual: [{ unit: 'RISK_POINTS', amount: '1' }], executed_arguments_hash: allowed.hash,
    });
    expect(tool.received.at(-1)).toMatchObject({ method: 'POST', path: '/refunds?x=1', headers: { 'idempotency-key': allowed.executionId, 'content-type': 'application/json', 'x-team': 'sales', authorization: 'Bearer canary-bearer' } });
    expect(await bed.opened(events[2])).toEqual({ result: 'HTTP 200\n{"ok":true}' });
    await bed.until('the hold is committed', async () => (await bed.events('reservations', String(claim?.['reservation_id']))).some(({ name }) => name === 'ReservationCommitted'));
    await bed.redeliver(allowed.actionId);
    await bed.caughtUp();
    expect(await bed.names(allowed.executionId)).toHaveLength(3);
    expect(effectsOf(allowed.executionId)).toHaveLength(1);
  });

  test('R10: under a delegation that the proposal names, a use is charged to it and all above it; revoked above, nothing runs', async () => {
    const handed = async (parent: object, to: string, token: string, authority = {}): Promise<string> => {
      const { status, text, body } = await bed.post(bed.reservationsOrigin, '/v1/delegations', { parent, to_agent: to, authority }, token);
      expect([status, text]).toEqual([201, text]);
      return String(body['delegation_id']);
    };
    await bed.until('the agents are known', async () => (await bed.admin.query("SELECT FROM reservations.directory_agent_key WHERE agent IN ('mailer', 'other', 'third')")).rowCount === 3);
    const run = 'run-handed-on';
    const above = await handed({ type: 'run', id: run }, 'third', OTHER_AGENT_TOKEN);
    const below = await handed({ type: 'delegation', id: above }, 'mailer', THIRD_AGENT_TOKEN, { max_uses: 2 });
    const under = (delegation_id: string) => bed.allow({ account: 'a-7' }, { tool: HTTP_TOOL, run_id: run, facts: { ...bed.facts(HTTP_TOOL), run_id: run, delegation_id } });
    const first = await under(below);
    // Claimed; that it also ran in the seconds it had is what the other tests show.
    await bed.ended(first.executionId);
    expect(await bed.claims(first.executionId)).toMatchObject([{ agent: 'mailer', delegations: [below, above], delegated_by: ['third', 'other'] }]);
    const chargedTo = async (): Promise<unknown> => (await bed.admin.query('SELECT uses FROM reservations.delegation WHERE delegation_id = ANY($1::uuid[]) ORDER BY depth', [[above, below]])).rows;
    expect(await chargedTo()).toEqual([{ uses: 1 }, { uses: 1 }]);
    expect((await bed.post(bed.reservationsOrigin, `/v1/delegations/${above}/revoke`, { reason: 'enough' }, OTHER_AGENT_TOKEN)).status).toBe(200);
    const second = await under(below);
    expect((await bed.ended(second.executionId)).at(-1)).toMatchObject({ data: { code: 'GRANT_REVOKED' } });
    expect(effectsOf(second.executionId)).toEqual([]);
    expect(await chargedTo()).toEqual([{ uses: 1 }, { uses: 1 }]);
  });

  describe('R10: a child uses its parent’s managed grant under what was handed on', () => {
    const handOn = async (parent: object, to: string, token: string, authority = {}): Promise<string> => {
      const { status, text, body } = await bed.post(bed.reservationsOrigin, '/v1/delegations', { parent, to_agent: to, authority }, token);
      expect([status, text]).toEqual([201, text]);
      return String(body['delegation_id']);
    };
    const use = (actionId: string, delegation_id: string | undefined, token: string, key?: string) => bed.post(origin, `/v1/actions/${actionId}/executions`, delegation_id === undefined ? undefined : { delegation_id }, token, key);
    const lastOf = async (executionId: unknown) => (await bed.ended(String(executionId))).at(-1);
    const granted = async (changes: Parameters<ExecutorBed['allow']>[1] = {}) => {
      const allowed = await bed.allow({ account: 'a-8', to: 'kim@customer.example' }, { tool: HTTP_TOOL, max_uses: 5, ...changes });
      await bed.ended(allowed.executionId);
      return allowed;
    };
    beforeAll(() => bed.until('the agents are known', async () => (await bed.admin.query("SELECT FROM reservations.directory_agent_key WHERE agent IN ('mailer', 'other', 'third')")).rowCount === 3));

    test('it is run as the child’s, charged to every delegation above, and ends when one of them is revoked', async () => {
      const { actionId, bytes } = await granted();
      const above = await handOn({ type: 'grant', id: actionId }, 'other', AGENT_TOKEN, { max_uses: 3 });
      const below = await handOn({ type: 'delegation', id: above }, 'third', OTHER_AGENT_TOKEN, { max_uses: 1 });
      const asked = await use(actionId, below, THIRD_AGENT_TOKEN, 'by-third');
      expect(asked).toMatchObject({ status: 201, body: { use_no: 2, agent: 'third', granted_to: 'mailer', delegation_id: below } });
      const id = String(asked.body['execution_id']);
      const events = await bed.ended(id);
      expect(events[0]).toMatchObject({ name: 'ExecutionRequested', data: { child_agent: 'third', delegation_id: below } });
      expect(events.at(-1)?.name).toBe('ExecutionSucceeded');
      expect(effectsOf(id).map(({ request }) => request.body)).toEqual([bytes]);
      expect(await bed.claims(id)).toMatchObject([{ agent: 'third', use_no: 2, delegations: [below, above], delegated_by: ['other', 'mailer'] }]);
      const uses = async (): Promise<unknown> => (await bed.admin.query('SELECT uses FROM reservations.delegation WHERE delegation_id = ANY($1::uuid[]) ORDER BY depth', [[above, below]])).rows;
      expect(await uses()).toEqual([{ uses: 1 }, { uses: 1 }]);
      // The child, the agent whose grant it is, and nobody else, sees it.
      for (const [token, status] of [[THIRD_AGENT_TOKEN, 200], [AGENT_TOKEN, 200], [OTHER_AGENT_TOKEN, 404]] as const) expect((await bed.call('GET', `${origin}/v1/executions/${id}`, token)).status).toBe(status);
      // No more than was handed on, and nothing is queued for it.
      expect(await use(actionId, below, THIRD_AGENT_TOKEN)).toMatchObject({ status: 409, body: { code: 'GRANT_EXHAUSTED' } });
      const third = (await use(actionId, above, OTHER_AGENT_TOKEN)).body;
      expect(third).toMatchObject({ use_no: 3, agent: 'other' });
      await lastOf(third['execution_id']);
      expect(await uses()).toEqual([{ uses: 2 }, { uses: 1 }]);
      expect((await bed.post(bed.reservationsOrigin, `/v1/delegations/${above}/revoke`, { reason: 'enough' }, AGENT_TOKEN)).status).toBe(200);
      expect(await use(actionId, above, OTHER_AGENT_TOKEN)).toMatchObject({ status: 403, body: { code: 'GRANT_REVOKED' } });
      // The first answer, whatever became of the delegation since.
      expect((await use(actionId, below, THIRD_AGENT_TOKEN, 'by-third')).text).toBe(asked.text);
      const fourth = (await use(actionId, undefined, AGENT_TOKEN)).body;
      expect(fourth).toMatchObject({ use_no: 4, agent: 'mailer' });
      await lastOf(fourth['execution_id']);
    });

    test('nobody else gets a use out of it: not without a delegation, nor by another’s, nor of another grant; none is used up', async () => {
      const [one, another] = [await granted(), await granted()];
      const id = await handOn({ type: 'grant', id: one.actionId }, 'other', AGENT_TOKEN);
      expect((await use(one.actionId, undefined, OTHER_AGENT_TOKEN)).status).toBe(404);
      expect(await use(one.actionId, id, THIRD_AGENT_TOKEN)).toMatchObject({ status: 403, body: { code: 'AGENT_MISMATCH' } });
      expect(await use(another.actionId, id, OTHER_AGENT_TOKEN)).toMatchObject({ status: 403, body: { code: 'AGENT_MISMATCH' } });
      expect(await use(one.actionId, newId(), OTHER_AGENT_TOKEN)).toMatchObject({ status: 403, body: { code: 'GRANT_UNKNOWN' } });
      expect(await use(one.actionId, id, OPERATOR_TOKEN)).toMatchObject({ status: 422, body: { code: 'INVALID' } });
      expect((await bed.post(origin, `/v1/actions/${one.actionId}/executions`, { delegation_id: 'x' }, OTHER_AGENT_TOKEN)).status).toBe(422);
      bed.door.pass(() => 'never arrives');
      expect(await use(one.actionId, id, OTHER_AGENT_TOKEN)).toMatchObject({ status: 503, body: { code: 'DEPENDENCY_DOWN' } });
      bed.door.pass(() => 'through');
      expect((await bed.admin.query('SELECT FROM execution WHERE grant_id = ANY($1::uuid[])', [[one.actionId, another.actionId]])).rowCount).toBe(2);
      const own = (await use(one.actionId, id, OTHER_AGENT_TOKEN)).body;
      expect(own).toMatchObject({ use_no: 2 });
      await lastOf(own['execution_id']);
    });

    test('invariant 17: what was handed on narrower is kept narrower at the tool, and revoked between the question and the claim nothing runs', async () => {
      const { actionId } = await granted();
      const narrow = await handOn({ type: 'grant', id: actionId }, 'other', AGENT_TOKEN, { caps: { allowed_recipients: ['lee@customer.example'] } });
      const refused = await use(actionId, narrow, OTHER_AGENT_TOKEN);
      expect(refused.status).toBe(201);
      expect(await lastOf(refused.body['execution_id'])).toMatchObject({ name: 'ExecutionFailed', data: { code: 'CAP_EXCEEDED' } });
      const wide = await handOn({ type: 'grant', id: actionId }, 'other', AGENT_TOKEN);
      const question = bed.door.asks.length + 1;
      // The claim waits before the door until the delegation is gone.
      let revoked = (): void => undefined;
      const gone = new Promise<void>((resolve) => (revoked = resolve));
      bed.door.pass(async (nth) => {
        if (nth !== question) await gone;
        return 'through' as const;
      });
      const late = await use(actionId, wide, OTHER_AGENT_TOKEN);
      expect(late.status).toBe(201);
      await bed.post(bed.reservationsOrigin, `/v1/delegations/${wide}/revoke`, { reason: 'enough' }, AGENT_TOKEN);
      revoked();
      expect(await lastOf(late.body['execution_id'])).toMatchObject({ name: 'ExecutionSkipped', data: { code: 'GRANT_REVOKED' } });
      for (const { body } of [refused, late]) expect(effectsOf(String(body['execution_id']))).toEqual([]);
    });

    test('a grant that was asked for under a delegation itself is not handed on past it', async () => {
      const run = 'run-not-past';
      const own = await handOn({ type: 'run', id: run }, 'mailer', OTHER_AGENT_TOKEN);
      const { actionId } = await granted({ run_id: run, facts: { ...bed.facts(HTTP_TOOL), run_id: run, delegation_id: own } });
      expect(await bed.post(bed.reservationsOrigin, '/v1/delegations', { parent: { type: 'grant', id: actionId }, to_agent: 'third' }, AGENT_TOKEN)).toMatchObject({ status: 422, body: { code: 'WIDENS_AUTHORITY' } });
    });
  });

  test('invariant 3: the tool gets exactly the granted bytes', async () => {
    // Members that a parser would put in another order than the canonical form.
    const allowed = await bed.allow({ '10': 'ten', '9': 'nine', amount: 1e21, text: 'é\u2028' }, { tool: HTTP_TOOL });
    const events = await bed.ended(allowed.executionId);
    const [effect] = effectsOf(allowed.executionId);
    expect(effect?.request.body).toEqual(allowed.bytes);
    expect(events.at(-1)?.data['executed_arguments_hash']).toBe(allowed.hash);
    expect(saltedHash(allowed.salt, effect?.request.body ?? Buffer.alloc(0))).toBe(allowed.hash);
  });

  /** Short only where it is to run out: a loaded machine takes more than a moment for any call. */
  const runtimeFor = (code: string) => ({ max_runtime_sec: code === 'TIMED_OUT_UNKNOWN' ? 3 : 30 });

  test.each([
    [{ status: 400, body: { no: 1 } }, 'ExecutionFailed', 'CONNECTOR_REFUSED'],
    [{ status: 429 }, 'ExecutionFailed', 'CONNECTOR_REFUSED'],
    [{ status: 302, headers: { location: '/elsewhere' } }, 'ExecutionUnknown', 'CONNECTION_LOST_UNKNOWN'],
    [{ status: 500, effect: true }, 'ExecutionUnknown', 'CONNECTION_LOST_UNKNOWN'],
    [{ status: 504, effect: true }, 'ExecutionUnknown', 'TIMED_OUT_UNKNOWN'],
    [{ hangUp: true }, 'ExecutionUnknown', 'CONNECTION_LOST_UNKNOWN'],
    [{ answerAfterMs: 10_000 }, 'ExecutionUnknown', 'TIMED_OUT_UNKNOWN'],
  ])('invariant 6: %j is %s %s, and is not tried again', async (behaviour, name, code) => {
    tool.behave(() => behaviour);
    const allowed = await bed.allow({ amount: '1' }, { tool: HTTP_TOOL, caps: runtimeFor(code) });
    const events = await bed.ended(allowed.executionId);
    expect(events.at(-1)).toMatchObject({ name, data: { code } });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(tool.received.filter(({ headers }) => headers['idempotency-key'] === allowed.executionId)).toHaveLength(1);
    expect(await bed.names(allowed.executionId)).toEqual(['ExecutionRequested', 'ExecutionStarted', name]);
  });

  test('nobody listens: provably not sent, and the hold is released', async () => {
    const gone = await startHttpTool();
    await gone.stop();
    await bed.connect(origin, SLOW_TOOL, { type: 'http', settings: { url: gone.url } });
    const allowed = await bed.allow({}, { tool: SLOW_TOOL });
    const events = await bed.ended(allowed.executionId);
    expect(events.at(-1)).toMatchObject({ name: 'ExecutionFailed', data: { code: 'PROVABLY_NOT_SENT' } });
    const [claim] = await bed.claims(allowed.executionId);
    await bed.until('the hold is released', async () => (await bed.events('reservations', String(claim?.['reservation_id']))).some(({ name }) => name === 'ReservationReleased'));
  });

  test.each([
    [{ network_allowlist: ['elsewhere.example'] }, 'EGRESS_NOT_ALLOWED'],
    [{ allowed_recipients: ['x@a.example'] }, 'CAP_EXCEEDED'],
  ])('invariant 17: caps %j refuse at the last moment', async (caps, code) => {
    const allowed = await bed.allow({ to: 'y@a.example' }, { tool: HTTP_TOOL, caps });
    const last = (await bed.ended(allowed.executionId)).at(-1);
    expect([last?.name, last?.data['code']]).toEqual(expect.arrayContaining([code]));
    expect(effectsOf(allowed.executionId)).toHaveLength(0);
  });

  test('a mail carries the effect key as its Message-ID', async () => {
    const args = { to: 'kim@customer.example', cc: ['lee@customer.example'], subject: 'Grüße', body: 'Hello\n.\nthere' };
    const allowed = await bed.allow(args, { tool: MAIL_TOOL, caps: { allowed_recipients: ['*@customer.example'], network_allowlist: ['127.0.0.1'] } });
    const events = await bed.ended(allowed.executionId);
    const id = `<${allowed.executionId}@acme.example>`;
    expect(events.at(-1)).toMatchObject({ name: 'ExecutionSucceeded', data: { provider_request_id: id, executed_arguments_hash: saltedHash(allowed.salt, canonicalBytes(args)) } });
    const mail = sink.messages.find(({ headers }) => headers['message-id'] === id);
    expect(mail).toMatchObject({ from: 'agent@acme.example', to: ['kim@customer.example', 'lee@customer.example'], subject: 'Grüße' });
    expect(mail?.text.replaceAll('\r', '').trimEnd()).toBe('Hello\n.\nthere');
  });

  test.each([
    [{ refuseWith: 550 }, 'ExecutionFailed', 'CONNECTOR_REFUSED', 0],
    [{ refuseWith: 451 }, 'ExecutionFailed', 'CONNECTOR_REFUSED', 0],
    [{ hangUp: 'after' as const }, 'ExecutionUnknown', 'CONNECTION_LOST_UNKNOWN', 1],
    [{ hangUp: 'before' as const }, 'ExecutionUnknown', 'CONNECTION_LOST_UNKNOWN', 0],
    [{ answerAfterMs: 10_000 }, 'ExecutionUnknown', 'TIMED_OUT_UNKNOWN', 1],
  ])('invariant 6: a mail server that does %j: %s %s', async (behaviour, name, code, taken) => {
    sink.behave(() => behaviour);
    const allowed = await bed.allow({ to: 'kim@customer.example', subject: 's', text: 't' }, { tool: MAIL_TOOL, caps: runtimeFor(code) });
    expect((await bed.ended(allowed.executionId)).at(-1)).toMatchObject({ name, data: { code } });
    expect(sink.messages.filter(({ headers }) => headers['message-id']?.includes(allowed.executionId))).toHaveLength(taken);
  });

  test('a mail to somebody the caps do not allow is not sent', async () => {
    const allowed = await bed.allow({ to: 'kim@customer.example', bcc: 'eve@evil.example', text: 't' }, { tool: MAIL_TOOL, caps: { allowed_recipients: ['*@customer.example'] } });
    expect(['CAP_EXCEEDED']).toContain((await bed.ended(allowed.executionId)).at(-1)?.data['code']);
    expect(sink.messages.filter(({ to }) => to.includes('eve@evil.example'))).toHaveLength(0);
  });

  test('what a mail cannot carry is refused, not left out', async () => {
    const allowed = await bed.allow({ to: 'kim@customer.example', attachment: 'x' }, { tool: MAIL_TOOL });
    const last = (await bed.ended(allowed.executionId)).at(-1);
    expect(last).toMatchObject({ name: 'ExecutionFailed', data: { code: 'CONNECTOR_REFUSED' } });
    expect(await bed.opened(last)).toEqual({ result: 'a mail cannot carry the argument "attachment"' });
  });

  test('a tool without a connector, and an erased action, are skipped', async () => {
    const orphan = await bed.allow({}, { tool: { name: 'no.such', version: '1' } });
    expect((await bed.ended(orphan.executionId)).at(-1)).toMatchObject({ name: 'ExecutionSkipped', data: { code: 'CONNECTOR_UNKNOWN' } });
    const erased = await bed.allow({}, { tool: HTTP_TOOL }, { erased: true });
    expect((await bed.ended(erased.executionId)).at(-1)).toMatchObject({ name: 'ExecutionSkipped', data: { code: 'CONTENT_ERASED' } });
  });

  test('what people approved is executed as they granted it, narrowed arguments included', async () => {
    const approved = await bed.allow({ amount: '30.00' }, { tool: HTTP_TOOL, arguments_hash: `sha256:${'1'.repeat(64)}` }, { approved: true });
    const events = await bed.ended(approved.executionId);
    expect(events.at(-1)).toMatchObject({ name: 'ExecutionSucceeded', data: { executed_arguments_hash: approved.hash, action_id: approved.actionId } });
    expect(effectsOf(approved.executionId).map(({ request }) => request.body)).toEqual([approved.bytes]);
  });

  test('an outcome is kept until the database takes it', async () => {
    tool.behave(() => ({ answerAfterMs: 500 }));
    const allowed = await bed.allow({ n: 10 }, { tool: HTTP_TOOL });
    await bed.until('the tool has the request', async () => tool.received.at(-1)?.headers['idempotency-key'] === allowed.executionId);
    const client = await bed.admin.connect();
    await client.query('BEGIN');
    await client.query('LOCK TABLE event IN ACCESS EXCLUSIVE MODE');
    // Longer than a transaction waits for a lock.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await client.query('ROLLBACK');
    client.release();
    expect((await bed.ended(allowed.executionId)).map(({ name }) => name)).toEqual(['ExecutionRequested', 'ExecutionStarted', 'ExecutionSucceeded']);
    expect(effectsOf(allowed.executionId)).toHaveLength(1);
  });

  test('invariant 1: a grant that its owner did not sign is set aside, whoever brings it', async () => {
    const forged = await bed.allow({ n: 11 }, { tool: HTTP_TOOL }, { signedBy: 'executor' });
    await bed.until('it is a dead letter', async () => (await bed.admin.query("SELECT FROM inbox_dead_letter WHERE stream_key LIKE '%' || $1 AND reason LIKE '%GRANT_NOT_GENUINE%'", [forged.actionId])).rowCount === 1);
    expect(await bed.names(forged.executionId)).toEqual([]);
  });

  test('a grant that the agent executes itself is not ours', async () => {
    const own = await bed.allow({ n: 12 }, { tool: HTTP_TOOL, execution_mode: 'self' });
    await bed.caughtUp();
    expect(await bed.row(own.executionId)).toEqual({});
  });

  describe('asking reservations', () => {
    test('a lost answer is asked for again and gives the same claim: one effect', async () => {
      const first = bed.door.asks.length + 1;
      bed.door.pass((nth) => (nth === first ? 'answer is lost' : 'through'));
      const allowed = await bed.allow({ n: 1 }, { tool: HTTP_TOOL });
      expect((await bed.ended(allowed.executionId)).at(-1)?.name).toBe('ExecutionSucceeded');
      expect(bed.door.asks.slice(first - 1)).toEqual([`${allowed.executionId}/1`, `${allowed.executionId}/1`]);
      expect(await bed.claims(allowed.executionId)).toHaveLength(1);
      expect(effectsOf(allowed.executionId)).toHaveLength(1);
    });

    test('invariant 27: while reservations is away nothing runs', async () => {
      bed.door.pass(() => 'never arrives');
      const allowed = await bed.allow({ n: 2 }, { tool: HTTP_TOOL });
      await bed.until('it was asked', async () => Number((await bed.row(allowed.executionId))['waits']) >= 2);
      expect(await bed.names(allowed.executionId)).toEqual(['ExecutionRequested']);
      expect(effectsOf(allowed.executionId)).toHaveLength(0);
      bed.door.pass(() => 'through');
      expect((await bed.ended(allowed.executionId)).at(-1)?.name).toBe('ExecutionSucceeded');
    });

    test('invariant 2: an answer that comes after execute_by starts nothing', async () => {
      const first = bed.door.asks.length + 1;
      bed.door.pass((nth) => (nth === first ? { answered: () => new Promise((resolve) => setTimeout(resolve, 11_000)) } : 'through'));
      const allowed = await bed.allow({ n: 9 }, { tool: HTTP_TOOL });
      const events = await bed.ended(allowed.executionId, /Failed/);
      expect(events.at(-1)).toMatchObject({ name: 'ExecutionFailed', data: { code: 'EXECUTE_BY_PASSED' } });
      expect(effectsOf(allowed.executionId)).toHaveLength(0);
      const [claim] = await bed.claims(allowed.executionId);
      await bed.until('the hold is released', async () => (await bed.events('reservations', String(claim?.['reservation_id']))).some(({ name }) => name === 'ReservationReleased'));
    });

    test('a refusal for good skips it', async () => {
      const allowed = await bed.allow({ n: 3 }, { tool: HTTP_TOOL, amounts: [{ unit: 'USD_MICROCENTS', amount: '5' }] });
      expect((await bed.ended(allowed.executionId)).at(-1)).toMatchObject({ name: 'ExecutionSkipped', data: { code: 'BUDGET_UNKNOWN' } });
      expect(effectsOf(allowed.executionId)).toHaveLength(0);
    });

    test('after a refusal that may pass the next attempt has the next number', async () => {
      const first = bed.door.asks.length + 1;
      bed.door.pass((nth) => (nth === first ? { status: 423, body: { code: 'FROZEN' } } : nth === first + 1 ? { status: 429, body: { code: 'BUSY' } } : 'through'));
      const allowed = await bed.allow({ n: 4 }, { tool: HTTP_TOOL });
      expect((await bed.ended(allowed.executionId)).at(-1)?.name).toBe('ExecutionSucceeded');
      expect(bed.door.asks.slice(first - 1)).toEqual([1, 2, 2].map((attempt) => `${allowed.executionId}/${attempt}`));
    });

    test('when the grant expires meanwhile it is skipped', async () => {
      bed.door.pass(() => ({ status: 503, body: { code: 'POLICY_NOT_YET_KNOWN' } }));
      const allowed = await bed.allow({ n: 5 }, { tool: HTTP_TOOL, expires_at: new Date(Date.now() + 1_500).toISOString() });
      expect((await bed.ended(allowed.executionId)).at(-1)).toMatchObject({ name: 'ExecutionSkipped', data: { code: 'GRANT_EXPIRED' } });
    });
  });

  describe('further uses', () => {
    test('invariants 4 and 5: one after the other, each with its own effect key, to max_uses', async () => {
      const allowed = await bed.allow({ n: 6 }, { tool: HTTP_TOOL, max_uses: 2 });
      await bed.ended(allowed.executionId);
      const path = `/v1/actions/${allowed.actionId}/executions`;
      expect((await bed.post(origin, path, undefined, OTHER_AGENT_TOKEN)).status).toBe(404);
      const second = await bed.post(origin, path, undefined, AGENT_TOKEN, 'use-2');
      expect(second).toMatchObject({ status: 201, body: { use_no: 2, status: 'requested' } });
      expect((await bed.post(origin, path, undefined, AGENT_TOKEN, 'use-2')).text).toBe(second.text);
      expect(await bed.post(origin, path, undefined, OPERATOR_TOKEN)).toMatchObject({ status: 409, body: { code: 'GRANT_EXHAUSTED' } });
      const id = String(second.body['execution_id']);
      expect((await bed.ended(id)).at(-1)?.name).toBe('ExecutionSucceeded');
      expect([effectsOf(allowed.executionId).length, effectsOf(id).length]).toEqual([1, 1]);
    });
  });

  describe('what people and agents see', () => {
    test('invariant 18: an agent sees its own executions, a person its tenant’s', async () => {
      const allowed = await bed.allow({ n: 7 }, { tool: HTTP_TOOL });
      await bed.ended(allowed.executionId);
      const path = `${origin}/v1/executions/${allowed.executionId}`;
      expect(await bed.call('GET', path, AGENT_TOKEN)).toMatchObject({ status: 200, body: { status: 'succeeded', tool: HTTP_TOOL } });
      expect((await bed.call('GET', path, OTHER_AGENT_TOKEN)).status).toBe(404);
      const list = await bed.call('GET', `${origin}/v1/executions?limit=1`, OPERATOR_TOKEN);
      expect(list).toMatchObject({ status: 200, body: { items: [{ execution_id: allowed.executionId }] } });
      expect(list.body['next_cursor']).toEqual(expect.any(String));
      for (const odd of ['2026-02-30T10:00:00Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999999Z']) expect((await bed.call('GET', `${origin}/v1/executions?ended_before=${odd}`, OPERATOR_TOKEN)).status).toBe(200);
      for (const bad of ['ended_before=2026-02-30T99:00:00Z', 'code=%00', 'tool=%00', 'reconciled_as=maybe']) expect((await bed.call('GET', `${origin}/v1/executions?${bad}`, OPERATOR_TOKEN)).status).toBe(422);
      expect((await bed.call('GET', `${origin}/v1/executions?action_id=${allowed.actionId}`, OTHER_AGENT_TOKEN)).body['items']).toEqual([]);
      expect((await bed.call('GET', `${origin}/v1/executions?tenant=globex`, OPERATOR_TOKEN)).status).toBe(403);
      expect((await bed.call('GET', `${origin}/v1/executions?tenant=globex`, bed.secrets.adminToken)).body['items']).toEqual([]);
      expect((await bed.call('GET', `${path}?tenant=globex`, bed.secrets.adminToken)).status).toBe(404);
    });
  });

  describe('reconciling', () => {
    test('a person with evidence settles it; "not executed" only when nothing can still run', async () => {
      tool.behave(() => ({ hangUp: true }));
      const allowed = await bed.allow({ n: 8 }, { tool: HTTP_TOOL, caps: { max_runtime_sec: 60 } });
      await bed.ended(allowed.executionId, /Unknown/);
      const path = `/v1/executions/${allowed.executionId}/reconcile`;
      expect((await bed.post(origin, path, { result: 'executed', evidence: 'x', reason: 'y' }, AGENT_TOKEN)).status).toBe(403);
      expect(await bed.post(origin, path, { result: 'not_executed', evidence: 'x', reason: 'y' })).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
      expect(await bed.post(origin, path, { result: 'executed', evidence: '', reason: 'y' })).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED', errors: [{ pointer: '/evidence' }] } });
      expect(await bed.post(origin, path, { result: 'executed', evidence: 'x', reason: ' ' })).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED', errors: [{ pointer: '/reason' }] } });
      expect(await bed.post(origin, path, { result: 'executed', evidence: 'x' })).toMatchObject({ status: 422, body: { code: 'INVALID' } });
      const references = [{ uri: 'https://billing.example/ledger/9', hash: `sha256:${'a'.repeat(64)}` }];
      const settled = { result: 'executed', evidence: 'the refund stands in the ledger', reason: 'one entry with our effect key', references, provider_request_id: 'l-9' };
      expect(await bed.post(origin, path, settled)).toMatchObject({ status: 200, body: { status: 'reconciled', reconciled_as: 'executed' } });
      const last = (await bed.events('executor', allowed.executionId)).at(-1);
      expect(last).toMatchObject({ name: 'ExecutionReconciled', data: { by: 'person', person: 'olga', provider_request_id: 'l-9' } });
      expect(await bed.opened(last)).toEqual({ evidence: 'the refund stands in the ledger', reason: 'one entry with our effect key', references });
    });
  });
});
