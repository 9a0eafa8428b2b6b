import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { QuiesceFreezes } from '../sweeps/quiesce-freezes.js';
import { Installation } from '../spec/installation.js';

describe('freezes', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('100000');
  });
  afterAll(() => here.stop());
  // What a spec leaves standing, a freeze of everything in the next would wait for.
  afterEach(async () => {
    const { rows } = await here.pool.query<{ reservation_id: string }>("SELECT reservation_id FROM reservation WHERE status IN ('Held', 'Started')");
    for (const { reservation_id } of rows) await here.post(`/v1/reservations/${reservation_id}/release`, {});
  });

  const freeze = (scope: string, value: string, reason = 'odd mails') => here.post('/v1/freezes', { scope, value, reason }, here.personToken('acme'));
  const lift = (id: unknown, reason = 'checked') => here.post(`/v1/freezes/${id as string}/lift`, { reason }, here.personToken('acme'));
  const standing = async (id: unknown) => ((await here.call('GET', '/v1/freezes?include_lifted=true', here.personToken('acme'))).body['items'] as Record<string, unknown>[]).find(({ freeze_id }) => freeze_id === id);

  /** One grant that every scope below covers, approved by a person before anything is frozen. */
  const approved = () => here.grant({ source: 'approval', action_kind: 'pay.refund', rule_id: 'class:pay', scope_path: 'tenant:acme/workspace:sales/app:outreach', run_id: 'run-9', approvers: [{ person: 'ada', role: 'approver', stage: 0, vote_event_id: newId() }] });
  const SCOPES: [string, (grantId: string) => string][] = [
    ['tenant', () => 'acme'],
    ['agent', () => 'mailer'],
    ['kind', () => 'pay.refund'],
    ['tool', () => 'mailer.send'],
    ['tool', () => 'mailer.send@1'],
    ['toolset', () => 'mailer'],
    ['workflow', () => 'tenant:acme/workspace:sales'],
    ['workflow', () => 'tenant:acme/workspace:sales/app:outreach'],
    ['run', () => 'run-9'],
    ['grant', (grantId) => grantId],
  ];

  test.each(SCOPES)('invariant 15: what was approved before a freeze of the %s is not claimed under it, and again after it is lifted', async (scope, value) => {
    const grant = approved();
    const applied = await freeze(scope, value(grant.grant_id));
    expect(applied).toMatchObject({ status: 201, body: { status: 'fenced', scope } });
    expect(await here.reserve(grant)).toMatchObject({ status: 423, body: { code: 'FROZEN' } });
    expect(await lift(applied.body['freeze_id'])).toMatchObject({ status: 200, body: { status: 'lifted' } });
    expect((await here.reserve(grant)).status).toBe(201);
  });

  test.each(SCOPES)('invariant 16: a freeze of the %s stops what was claimed but not started, and quiesces once it has ended', async (scope, value) => {
    const grant = approved();
    const id = (await here.reserve(grant)).body['reservation_id'] as string;
    const applied = await freeze(scope, value(grant.grant_id));
    const freezeId = applied.body['freeze_id'] as string;
    expect(await here.post(`/v1/reservations/${id}/start`, undefined)).toMatchObject({ status: 423, body: { code: 'FROZEN' } });
    expect(await here.post(`/v1/reservations/${id}/extend`, { by_ms: 300_000 })).toMatchObject({ status: 423, body: { code: 'FROZEN' } });
    await here.service.app.get(QuiesceFreezes).sweep();
    expect(await standing(freezeId)).toMatchObject({ status: 'fenced' });
    await here.post(`/v1/reservations/${id}/release`, {});
    await here.service.app.get(QuiesceFreezes).sweep();
    expect(await standing(freezeId)).toMatchObject({ status: 'quiesced', unknown_reservations: [] });
    await lift(freezeId);
  });

  test.each([
    ['agent', 'other'],
    ['toolset', 'mail'],
    ['workflow', 'tenant:acme/workspace:sale'],
    ['run', 'run-90'],
    ['grant', newId()],
  ])('a freeze of another %s leaves the rest alone, and waits for none of it', async (scope, value) => {
    const id = (await here.reserve(approved())).body['reservation_id'] as string;
    const freezeId = (await freeze(scope, value)).body['freeze_id'] as string;
    expect((await here.reserve(approved())).status).toBe(201);
    await here.service.app.get(QuiesceFreezes).sweep();
    expect(await standing(freezeId)).toMatchObject({ status: 'quiesced' });
    expect((await here.post(`/v1/reservations/${id}/start`, undefined)).status).toBe(200);
    await lift(freezeId);
  });

  test('a freeze that could cover nothing is refused', async () => {
    for (const value of ['tenant:globex/app:x', 'workspace:sales', 'tenant:acme/']) expect(await freeze('workflow', value)).toMatchObject({ status: 422, body: { code: 'INVALID' } });
    expect(await freeze('tenant', 'globex')).toMatchObject({ status: 422 });
    expect((await here.call('GET', '/v1/freezes/preview?scope=workflow&value=tenant:globex', here.personToken('acme'))).status).toBe(422);
  });

  test('what is outside the scope goes on', async () => {
    const applied = await freeze('agent', 'other');
    expect((await here.reserve(here.grant())).status).toBe(201);
    await lift(applied.body['freeze_id']);
  });

  test('under a freeze an agent neither starts nor extends what it held before, but may report', async () => {
    const id = (await here.reserve(here.grant())).body['reservation_id'] as string;
    const applied = await freeze('kind', 'mail.send');
    expect(await here.post(`/v1/reservations/${id}/start`, undefined)).toMatchObject({ status: 423, body: { code: 'FROZEN' } });
    expect(await here.post(`/v1/reservations/${id}/extend`, { by_ms: 300_000 })).toMatchObject({ status: 423, body: { code: 'FROZEN' } });
    expect(await here.post(`/v1/reservations/${id}/release`, {})).toMatchObject({ status: 200 });
    await lift(applied.body['freeze_id']);
  });

  test('a preview tells what stands in the scope, and changes nothing', async () => {
    const tool = { name: 'previewed', version: '1' };
    const grant = here.grant({ tool, run_id: 'run-7', max_uses: 2 });
    const id = (await here.reserve(grant)).body['reservation_id'] as string;
    const other = (await here.reserve(here.grant({ tool, run_id: 'run-8' }))).body['reservation_id'] as string;
    for (const [scope, value, grants, claims] of [['run', 'run-7', 1, 1], ['workflow', 'tenant:acme', 1, 2], ['grant', grant.grant_id, 1, 1], ['run', 'run-8', 0, 1]] as const) {
      const { body } = await here.call('GET', `/v1/freezes/preview?scope=${scope}&value=${value}`, here.personToken('acme'));
      if (scope === 'workflow') expect({ grants: Number(body['open_grants']) >= grants, claims: Number(body['live_claims']) >= claims }).toEqual({ grants: true, claims: true });
      else expect(body).toMatchObject({ open_grants: grants, live_claims: claims, runs: [grant.grant_id === value ? 'run-7' : value] });
    }
    await here.post(`/v1/reservations/${(await here.reserve(here.grant({ tool, run_id: 'run-8' }))).body['reservation_id'] as string}/release`, {});
    // Until when they may execute is 10 s away, which a loaded machine passes.
    await here.pool.query("UPDATE reservation SET execute_by = execute_by + interval '1 hour' WHERE reservation_id = ANY ($1)", [[id, other]]);
    const preview = () => here.call('GET', '/v1/freezes/preview?scope=tool&value=previewed', here.personToken('acme'));
    expect(await preview()).toMatchObject({ status: 200, body: { open_grants: 1, standing_claims: 2, live_claims: 2, may_still_execute: 2, unknown: 0, agents: ['mailer'], action_kinds: ['mail.send'], at_least: false } });
    await here.post(`/v1/reservations/${id}/outcome`, { status: 'UNKNOWN', reason: 'Ada Lovelace did not answer' });
    expect((await preview()).body).toMatchObject({ standing_claims: 2, may_still_execute: 1, unknown: 1 });
    expect((await here.call('GET', '/v1/freezes/preview?scope=tool&value=previewed', here.agentToken('acme'))).status).toBe(403);
    expect(JSON.stringify(await here.events('ReservationMarkedUnknown'))).not.toContain('Lovelace');
  });

  test('invariant 16: quiesced comes when every earlier claim has ended or is listed unknown', async () => {
    const ended = (await here.reserve(here.grant({ agent_identity: 'mailer', action_kind: 'mail.read' }))).body['reservation_id'] as string;
    const unknown = (await here.reserve(here.grant({ action_kind: 'mail.read' }))).body['reservation_id'] as string;
    const applied = await freeze('kind', 'mail.read');
    const id = applied.body['freeze_id'];
    await here.post(`/v1/reservations/${unknown}/outcome`, { status: 'UNKNOWN' });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await standing(id)).toMatchObject({ status: 'fenced' });
    await here.post(`/v1/reservations/${ended}/release`, {});
    await here.until('quiesced', async () => (await standing(id))?.['status'] === 'quiesced');
    expect(await standing(id)).toMatchObject({ unknown_reservations: [unknown] });
    const { rows } = await here.pool.query<{ late: boolean }>('SELECT execute_by < clock_timestamp() AS late FROM reservation WHERE reservation_id = $1', [unknown]);
    expect(rows[0]?.late).toBe(true);
    await lift(id);
  });

  test('a freeze and its lifting say why; another tenant sees neither', async () => {
    expect(await freeze('agent', 'mailer', ' ')).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    const applied = await freeze('agent', 'nobody');
    expect(await lift(applied.body['freeze_id'], '')).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    expect(await here.post(`/v1/freezes/${applied.body['freeze_id'] as string}/lift`, { reason: 'mine' }, here.personToken('globex'))).toMatchObject({ status: 404 });
    expect(await here.post(`/v1/freezes/${applied.body['freeze_id'] as string}/lift`, { reason: 'mine' }, here.secrets.adminToken)).toMatchObject({ status: 403 });
    expect((await here.call('GET', '/v1/freezes?include_lifted=true', here.personToken('globex'))).body['items']).toEqual([]);
  });

  test('epochs rise with every freeze, lifting and policy', async () => {
    await here.publishPolicy('acme', { version: 1, classes: { mail: { kinds: ['mail.send', 'mail.read'], default: 'allow', tier: 'log' } } });
    const epochs = [...(await here.events('FreezeApplied')), ...(await here.events('FreezeLifted')), ...(await here.events('PolicyInForce'))].map(({ data }) => data['fence_epoch'] as number).sort((a, b) => a - b);
    expect(epochs).toEqual(epochs.map((_, index) => index + 1));
    const held = await here.reserve(here.grant());
    expect((await here.call('GET', `/v1/reservations/${held.body['reservation_id'] as string}`, here.agentToken('acme'))).body['fence_epoch']).toBe(epochs.at(-1));
  });

  test('invariant 21: the same freeze request twice is one freeze', async () => {
    const key = newId();
    const body = { scope: 'agent', value: 'nobody', reason: 'twice' };
    const first = await here.post('/v1/freezes', body, here.personToken('acme'), key);
    expect((await here.post('/v1/freezes', body, here.personToken('acme'), key)).bytes).toBe(first.bytes);
  });

  describe('as server-sent events', () => {
    const open = (token: string, lastEventId?: string, signal?: AbortSignal) => fetch(`${here.origin}/v1/freezes/stream`, { headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) }, ...(signal === undefined ? {} : { signal }) });
    /** Reads until so many changes of a freeze have come, and closes. Other specs' freezes may still quiesce. */
    const read = async (of: () => string, count: number, lastEventId?: string, whileOpen: () => Promise<unknown> = async () => undefined) => {
      const closing = new AbortController();
      const answer = await open(here.personToken('acme'), lastEventId, closing.signal);
      expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      await whileOpen();
      const seen: { id: string; event: string; data: Record<string, unknown> }[] = [];
      let rest = '';
      for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const parts = `${rest}${chunk}`.split('\n\n');
        rest = parts.pop() ?? '';
        for (const part of parts) {
          const [, id, event, data] = /^id: (.+)\nevent: (.+)\ndata: (.+)$/.exec(part) ?? [];
          if (id !== undefined && event !== undefined && data?.includes(of()) === true) seen.push({ id, event, data: JSON.parse(data) as Record<string, unknown> });
        }
        if (seen.length >= count) break;
      }
      closing.abort();
      return seen;
    };

    test('who waits hears fenced, quiesced and lifted of its own tenant, in order, and what it missed when it comes back', async () => {
      let id = '';
      const seen = await read(() => id, 3, undefined, async () => {
        id = (await freeze('run', 'run-streamed')).body['freeze_id'] as string;
        await here.service.app.get(QuiesceFreezes).sweep();
        await lift(id);
      });
      expect(seen.map(({ event, data }) => [event, data['freeze_id'], data['scope'], data['version']])).toEqual([['fenced', id, 'run', 1], ['quiesced', id, 'run', 2], ['lifted', id, 'run', 3]]);
      expect((await read(() => id, 2, seen[0]?.id)).map(({ event }) => event)).toEqual(['quiesced', 'lifted']);
      const missed = await fetch(`${here.origin}/v1/freezes/stream`, { headers: { authorization: `Bearer ${here.personToken('acme')}`, 'last-event-id': seen[0]?.id ?? '' } });
      const { items } = (await missed.json()) as { items: readonly { freeze_id: string; status: string }[] };
      expect(items.filter(({ freeze_id }) => freeze_id === id).map(({ status }) => status)).toEqual(['quiesced', 'lifted']);
      const foreign = await fetch(`${here.origin}/v1/freezes/stream`, { headers: { authorization: `Bearer ${here.personToken('globex')}`, 'last-event-id': '0-0' } });
      expect(await foreign.json()).toMatchObject({ items: [] });
    });

    test('not for agents, and not from a place that is none', async () => {
      expect((await open(here.agentToken('acme'))).status).toBe(403);
      expect((await open(here.personToken('acme'), 'yesterday')).status).toBe(422);
    });
  });
});
