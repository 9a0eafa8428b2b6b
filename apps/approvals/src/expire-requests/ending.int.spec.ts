import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { RebuildQueue } from '../queue-view/rebuild-queue.js';
import { Installation, type Asked } from '../spec/installation.js';
import { ExpirySweep } from './expiry-sweep.js';

describe('how requests end without a vote, and grants by revocation', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const statusOf = async (asked: Asked): Promise<unknown> => (await here.show(asked)).body['status'];
  const revoke = (asked: Asked, person: string, reason: string, ifMatch?: string) =>
    here.call('POST', `/v1/approvals/${asked.request.approval_id}/revoke`, here.personToken(person), { body: { reason }, ...(ifMatch === undefined ? {} : { ifMatch }) });

  test('invariant 27: silence expires it by the database’s clock; that is no refusal by a person, and no yes', async () => {
    const asked = await here.ask({ expiresInMs: 300 });
    await here.until('it expires', async () => (await statusOf(asked)) === 'expired');
    expect((await here.events(asked)).at(-1)).toMatchObject({ name: 'ApprovalExpired', actortype: 'system', data: { on_timeout: 'deny' } });
    expect(await here.names(asked)).toEqual(['ApprovalOpened', 'ApprovalExpired']);
    expect(await here.decide(asked, 'approve', 'fiona')).toMatchObject({ status: 410, body: { code: 'APPROVAL_EXPIRED' } });
  });

  test('a vote after the deadline is refused although no sweep came yet, and ends the request', async () => {
    // None comes from here on, so the vote itself meets the deadline.
    await here.service.app.get(ExpirySweep).beforeApplicationShutdown();
    const asked = await here.ask({ expiresInMs: 300 });
    await here.until('it is late by the database’s clock', async () => (await here.rows('SELECT FROM approval_request WHERE approval_id = $1 AND expires_at < clock_timestamp()', [asked.request.approval_id])).length === 1);
    const seen = await here.show(asked);
    const answer = await here.call('POST', `/v1/approvals/${asked.request.approval_id}/approve`, here.personToken('fiona'), { body: { view_hash: seen.body['view_hash'] }, ifMatch: seen.etag });
    expect(answer).toMatchObject({ status: 410, body: { code: 'APPROVAL_EXPIRED' } });
    expect(await here.names(asked)).toEqual(['ApprovalOpened', 'ApprovalExpired', 'VoteRefused']);
    expect(await statusOf(asked)).toBe('expired');
  });

  test('a withdrawn action cancels its open request', async () => {
    const asked = await here.ask();
    await here.withdraw(asked);
    await here.until('it is cancelled', async () => (await statusOf(asked)) === 'cancelled');
    expect(await here.names(asked)).toEqual(['ApprovalOpened', 'ApprovalCancelled']);
    expect(await here.decide(asked, 'approve', 'fiona')).toMatchObject({ status: 409, body: { code: 'ALREADY_DECIDED' } });
  });

  test('a withdrawal after the grant changes nothing here: reservations ends the grant', async () => {
    const asked = await here.ask();
    await here.decide(asked, 'approve', 'fiona');
    await here.withdraw(asked);
    const later = await here.ask();
    await here.withdraw(later);
    await here.until('the later withdrawal was taken', async () => (await statusOf(later)) === 'cancelled');
    expect(await statusOf(asked)).toBe('granted');
  });

  test('a grant is taken back once, by somebody who may, with a reason', async () => {
    const asked = await here.ask();
    expect(await revoke(asked, 'fiona', 'too early')).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    await here.decide(asked, 'approve', 'fiona');
    expect(await revoke(asked, 'pia', 'I only read')).toMatchObject({ status: 403, body: { code: 'NOT_ELIGIBLE' } });
    expect(await revoke(asked, 'georg', ' ')).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    expect(await revoke(asked, 'georg', 'called back', '"1"')).toMatchObject({ status: 412, body: { code: 'STALE' } });
    expect(await revoke(asked, 'georg', 'called back')).toMatchObject({ status: 200, body: { status: 'revoked' } });
    expect(await revoke(asked, 'georg', 'called back')).toMatchObject({ status: 409, body: { code: 'ALREADY_DECIDED' } });
    expect((await here.events(asked)).filter(({ name }) => name === 'GrantRevoked')).toMatchObject([{ actorid: 'georg', data: { grant_id: asked.request.approval_id, person: 'georg' } }]);
    expect((await here.show(asked)).body).toMatchObject({ status: 'revoked', resolution: { person: 'georg', text: 'called back' } });
  });

  test('invariant 29: after erasure nobody can approve what nobody can see; a grant can still be taken back', async () => {
    const keys = here.service.app.get<KeyStore>(KEY_STORE, { strict: false });
    const [open, granted] = [await here.ask(), await here.ask()];
    await here.decide(granted, 'approve', 'fiona', { rationale: 'seen' });
    for (const { request } of [open, granted]) await keys.destroyActionKey('acme', request.action_id);
    expect((await here.show(open)).body).toMatchObject({ card: null, status: 'open', narrowed: [] });
    expect((await here.show(granted)).bytes).not.toContain('seen');
    expect(await here.decide(open, 'approve', 'fiona')).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    expect(await here.decide(open, 'reject', 'fiona', { reason: 'gone' })).toMatchObject({ status: 200, body: { status: 'rejected' } });
    expect(await revoke(granted, 'fiona', 'gone')).toMatchObject({ status: 200, body: { status: 'revoked' } });
  });

  test('what policy sealed under another hash opens nothing and goes to the dead letters', async () => {
    await here.ask({ more: { arguments_hash: `sha256:${'0'.repeat(64)}` }, expectOpen: false });
    await here.until('it is set aside', async () => (await here.rows("SELECT FROM inbox_dead_letter WHERE reason LIKE 'ARGUMENTS_MISMATCH%'")).length === 1);
  });

  test('the list shows what is open, by deadline, in pages; filters and roles narrow it', async () => {
    const tenant = 'globex';
    const asked = [];
    for (const minutes of [30, 10, 20]) asked.push(await here.ask({ tenant, expiresInMs: minutes * 60_000, more: minutes === 20 ? { demand: { stages: [{ roles: ['finance-lead'], quorum: 1 }], distinct: true, ttl_ms: 1, on_timeout: 'deny' } } : {} }));
    const list = async (query: string, person = 'fiona'): Promise<{ ids: string[]; next: string | null; items: Record<string, unknown>[] }> => {
      const { body } = await here.call('GET', `/v1/approvals${query}`, here.personToken(person, tenant));
      const items = body['items'] as Record<string, unknown>[];
      return { ids: items.map((item) => item['approval_id'] as string), next: body['next_cursor'] as string | null, items };
    };
    const [half, ten, twenty] = asked.map(({ request }) => request.approval_id);
    expect((await list('')).ids).toEqual([ten, twenty, half]);
    const first = await list('?limit=2');
    expect(first.ids).toEqual([ten, twenty]);
    expect(await list(`?limit=2&cursor=${first.next ?? ''}`)).toMatchObject({ ids: [half], next: null });
    expect((await list('?role=finance-lead')).ids).toEqual([twenty]);
    expect((await list('', 'lea')).ids).toEqual([twenty]);
    expect((await list('?kind=other.kind')).ids).toEqual([]);
    expect((await list('?agent=support-bot&run=run-1&class=financial')).ids).toHaveLength(3);
    expect((await list('')).items[0]).toMatchObject({
      status: 'open',
      decision_summary: { title: 'payment.refund by support-bot for 100.00 USD', why: 'Refunds above 50 USD need a person' },
      policy_rule_id: 'refund-large',
      on_timeout: 'deny',
      quorum: { stage: 0, stages: [{ roles: ['finance'], quorum: 1 }], approvals: [] },
    });
    const decided = asked[1];
    if (decided === undefined) throw new Error('asked three');
    await here.decide(decided, 'reject', 'fiona', { reason: 'no' });
    expect((await list('')).ids).toEqual([twenty, half]);
    expect((await list('?include_resolved=true')).ids).toEqual([ten, twenty, half]);
    for (const bad of ['?limit=201', '?limit=x', '?cursor=%7B%7D', '?include_resolved=maybe', '?unknown=1']) {
      expect(await here.call('GET', `/v1/approvals${bad}`, here.personToken('fiona', tenant))).toMatchObject({ status: 422, body: { code: 'INVALID' } });
    }
  });

  test('invariant 22: the queue rebuilt from the streams equals the live one', async () => {
    const snapshot = (): Promise<unknown[]> => here.rows('SELECT * FROM approval_request ORDER BY tenant, approval_id');
    const live = await snapshot();
    expect(live.length).toBeGreaterThan(4);
    await here.rows('DELETE FROM approval_request');
    await here.service.app.get(RebuildQueue).rebuild();
    expect(await snapshot()).toEqual(live);
  });
});
