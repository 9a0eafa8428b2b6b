import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PrivateJwk } from '@exequatur/audit-chain';
import { AgentKeyIssued, AgentRegistered } from '@exequatur/contracts';
import type { Grant, ReserveRequest } from '@exequatur/contracts';
import { newId, sha256Text, toInstant } from '@exequatur/kernel';
import type { AuthorityCommand } from '../authority/authority-command.js';
import { Installation } from '../spec/installation.js';
import type { Answered } from '../spec/installation.js';
import { startRacers } from '../spec/racers.js';
import { QuiesceFreezes } from '../sweeps/quiesce-freezes.js';

/** mailer → other → third → fourth → fifth */
const NEW_AGENTS = ['third', 'fourth', 'fifth'];
const BELOW = 'tenant:acme/workspace:sales/app:outreach';

describe('delegations', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('100000');
    for (const agent of NEW_AGENTS) {
      await here.neighbours.policy.publish(
        { tenant: 'acme', aggregate: 'agent', id: agent },
        { definition: AgentRegistered, data: { agent, display_name: agent, scope_prefix: 'tenant:acme' }, actor: { type: 'system', id: 'root' } },
        { definition: AgentKeyIssued, data: { agent, key_id: 'k1', key_hash: sha256Text(Buffer.from(here.agentToken('acme', agent))) }, actor: { type: 'system', id: 'root' } },
      );
    }
    await here.until('the agents', async () => (await here.count('SELECT FROM directory_agent_key WHERE agent = ANY($1)', [NEW_AGENTS])) === NEW_AGENTS.length);
  });
  afterAll(() => here.stop());

  const as = (agent: string): string => here.agentToken('acme', agent);
  const grantOf = (changes: Partial<Grant> = {}): Grant => here.grant({ max_uses: 10, scope_path: BELOW, ...changes });
  /** The mailer hands a grant on. */
  const handOn = (grant: Grant, to = 'other', authority: object = {}, from = 'mailer'): Promise<Answered> => here.post('/v1/delegations', { parent: { type: 'grant', id: grant.grant_id }, grant: here.sign(grant), to_agent: to, authority }, as(from));
  const handFurther = (id: unknown, from: string, to: string, authority: object = {}): Promise<Answered> => here.post('/v1/delegations', { parent: { type: 'delegation', id }, to_agent: to, authority }, as(from));
  const claim = (grant: Grant, id: unknown, useNo: number, agent = 'other', changes: Partial<ReserveRequest> = {}): Promise<Answered> => here.reserve(grant, { agent, use_no: useNo, delegation_id: id as string, ...changes }, as(agent));
  const revoke = (id: unknown, token: string, reason = 'no longer needed') => here.post(`/v1/delegations/${id as string}/revoke`, { reason }, token);
  const listed = async (id: unknown, token = here.personToken('acme')) => ((await here.call('GET', '/v1/delegations?limit=200', token)).body['items'] as Record<string, unknown>[]).find(({ delegation_id }) => delegation_id === id);

  test('a child claims its parent’s grant under what it was handed, charged to every ancestor and every budget on the path', async () => {
    const workspace = await here.budget('1000', 'tenant:acme/workspace:sales');
    const grant = grantOf();
    const first = await handOn(grant, 'other', { max_uses: 3 });
    expect(first).toMatchObject({ status: 201, body: { from_agent: 'mailer', to_agent: 'other', run_id: 'run-1', depth: 1, authority: { max_uses: 3, total_points: 10, kinds: ['mail.send'], tools: ['mailer.send@1'], scope_path: BELOW } } });
    const { delegation_id: id } = first.body;
    const second = await handFurther(id, 'other', 'third', { max_uses: 2 });
    expect(second).toMatchObject({ status: 201, body: { depth: 2, authority: { max_uses: 2 } } });
    const below = second.body['delegation_id'];
    expect((await claim(grant, below, 1, 'third')).status).toBe(201);
    expect((await claim(grant, id, 2)).status).toBe(201);
    expect((await here.events('ReservationHeld')).map(({ data }) => data).slice(-2)).toMatchObject([{ agent: 'third', delegations: [below, id], delegated_by: ['other', 'mailer'] }, { agent: 'other', delegations: [id], delegated_by: ['mailer'] }]);
    expect(await listed(id)).toMatchObject({ uses: 2, amounts: [{ unit: 'RISK_POINTS', amount: '2' }], status: 'standing' });
    expect(await listed(below)).toMatchObject({ uses: 1 });
    const balances = (await here.call('GET', '/v1/balances?scope_path=tenant:acme/workspace:sales', here.personToken('acme'))).body['items'] as Record<string, unknown>[];
    expect(balances.find(({ budget_id }) => budget_id === workspace)).toMatchObject({ held: '2' });
    // The child has a use left, its parent too: one. Then the parent has none, whatever the child still has.
    expect((await claim(grant, id, 3)).status).toBe(201);
    expect(await claim(grant, below, 4, 'third')).toMatchObject({ status: 409, body: { code: 'GRANT_EXHAUSTED' } });
    expect((await here.events('ReservationRefused')).at(-1)).toMatchObject({ data: { code: 'GRANT_EXHAUSTED', refused_by: id } });
    expect(await listed(below)).toMatchObject({ uses: 1 });
    expect((await here.reserve(grant, { use_no: 5 })).status).toBe(201);
  });

  test.each([
    ['scope_path', { scope_path: 'tenant:acme/workspace:sales' }],
    ['kinds', { kinds: ['mail.send', 'mail.read'] }],
    ['tools', { tools: ['mailer.send'] }],
    ['targets', { targets: [`sha256:${'0'.repeat(64)}`] }],
    ['caps', { caps: { max_uses: 11 } }],
    ['max_uses', { max_uses: 11 }],
    ['total_points', { total_points: 11 }],
    ['total_amounts', { total_amounts: [{ unit: 'USD_MICROCENTS', amount: '6' }] }],
    ['expires_at', { expires_at: toInstant(Date.now() + 9_000_000) }],
  ])('invariant 17: more %s than is there is refused by its name', async (part, authority) => {
    const grant = grantOf({ caps: { max_uses: 10 }, amounts: [{ unit: 'USD_MICROCENTS', amount: '5' }], total_amounts: [{ unit: 'USD_MICROCENTS', amount: '5' }], max_uses: 10 });
    expect(await handOn(grant, 'other', authority)).toMatchObject({ status: 422, body: { code: 'WIDENS_AUTHORITY', errors: [{ pointer: `/authority/${part}` }] } });
    expect(await here.count('SELECT FROM delegation WHERE parent_id = $1', [grant.grant_id])).toBe(0);
  });

  test('what was not handed on is refused at the claim, and nobody else may use the delegation', async () => {
    const grant = grantOf();
    const { delegation_id: id } = (await handOn(grant)).body;
    expect(await claim(grant, id, 1, 'third')).toMatchObject({ body: { code: 'AGENT_MISMATCH' } });
    expect(await here.reserve(grant, { agent: 'other' }, as('other'))).toMatchObject({ body: { code: 'AGENT_MISMATCH' } });
    expect(await claim(grant, newId(), 1)).toMatchObject({ body: { code: 'GRANT_UNKNOWN' } });
    const another = grantOf();
    expect(await claim(another, id, 1)).toMatchObject({ body: { code: 'AGENT_MISMATCH' } });
    expect((await claim(grant, id, 1)).status).toBe(201);
  });

  test('three deep and no deeper; only who holds it hands it on, and only to another agent that is known', async () => {
    const grant = grantOf();
    const one = (await handOn(grant)).body['delegation_id'];
    const two = (await handFurther(one, 'other', 'third')).body['delegation_id'];
    const three = (await handFurther(two, 'third', 'fourth')).body['delegation_id'];
    expect(await handFurther(three, 'fourth', 'fifth')).toMatchObject({ status: 422, body: { code: 'WIDENS_AUTHORITY' } });
    expect((await claim(grant, three, 1, 'fourth')).status).toBe(201);
    expect(await listed(one)).toMatchObject({ uses: 1 });
    expect(await handFurther(one, 'third', 'fifth')).toMatchObject({ body: { code: 'GRANT_UNKNOWN' } });
    expect(await handOn(grant, 'fifth', {}, 'third')).toMatchObject({ body: { code: 'GRANT_UNKNOWN' } });
    expect(await handOn(grant, 'mailer')).toMatchObject({ status: 422, body: { code: 'INVALID' } });
    expect(await handOn(grant, 'nobody')).toMatchObject({ status: 422, body: { code: 'INVALID' } });
    expect(await here.post('/v1/delegations', { parent: { type: 'grant', id: newId() }, to_agent: 'other' }, as('mailer'))).toMatchObject({ body: { code: 'GRANT_UNKNOWN' } });
    expect((await handOn(grant, 'other', {}, 'mailer').then(() => here.post('/v1/delegations', { parent: { type: 'grant', id: grant.grant_id }, to_agent: 'other' }, here.personToken('acme')))).status).toBe(403);
  });

  test('invariant 14: revoking the parent ends the child, at once and for good', async () => {
    const grant = grantOf();
    const one = (await handOn(grant)).body['delegation_id'];
    const two = (await handFurther(one, 'other', 'third')).body['delegation_id'];
    expect((await claim(grant, two, 1, 'third')).status).toBe(201);
    expect(await revoke(one, as('third'))).toMatchObject({ status: 404 });
    expect(await revoke(one, here.personToken('globex'))).toMatchObject({ status: 404 });
    expect(await revoke(one, as('mailer'), ' ')).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    expect(await revoke(one, as('mailer'))).toMatchObject({ status: 200, body: { status: 'revoked' } });
    expect(await claim(grant, two, 2, 'third')).toMatchObject({ body: { code: 'GRANT_REVOKED' } });
    expect(await claim(grant, one, 2)).toMatchObject({ body: { code: 'GRANT_REVOKED' } });
    expect(await handFurther(two, 'third', 'fourth')).toMatchObject({ body: { code: 'GRANT_REVOKED' } });
    expect([await listed(one), await listed(two, as('third'))]).toMatchObject([{ status: 'revoked' }, { status: 'revoked' }]);
    expect(await here.events('DelegationRevoked')).toHaveLength(1);
    expect((await here.reserve(grant, { use_no: 2 })).status).toBe(201);
    // An agent above takes back what is further down; so does a person.
    const again = (await handOn(grant)).body['delegation_id'];
    const deeper = (await handFurther(again, 'other', 'third')).body['delegation_id'];
    expect((await revoke(deeper, as('mailer'))).status).toBe(200);
    expect((await revoke(again, here.personToken('acme'))).status).toBe(200);
    expect(await listed(again, here.personToken('globex'))).toBeUndefined();
  });

  test('under a run the child uses its own grants, within what it was handed', async () => {
    const { body } = await here.post('/v1/delegations', { parent: { type: 'run', id: 'run-1' }, to_agent: 'other', authority: { kinds: ['mail.send'], max_uses: 1 } }, as('mailer'));
    expect(body).toMatchObject({ depth: 1, run_id: 'run-1', authority: { scope_path: 'tenant:acme', kinds: ['mail.send'] } });
    const own = (changes: Partial<Grant> = {}) => here.grant({ agent_identity: 'other', ...changes });
    const under = (grant: Grant) => here.reserve(grant, { delegation_id: body['delegation_id'] as string }, as('other'));
    expect(await under(own({ action_kind: 'mail.read' }))).toMatchObject({ body: { code: 'KIND_MISMATCH' } });
    expect(await under(own({ run_id: 'run-2' }))).toMatchObject({ body: { code: 'AGENT_MISMATCH' } });
    expect((await under(own())).status).toBe(201);
    expect(await under(own())).toMatchObject({ body: { code: 'GRANT_EXHAUSTED' } });
  });

  test('invariants 15 and 16: a freeze of the parent stops its children, what they claimed before included', async () => {
    const grant = grantOf();
    const { delegation_id: id } = (await handOn(grant)).body;
    const held = (await claim(grant, id, 1)).body['reservation_id'] as string;
    const freeze = (await here.post('/v1/freezes', { scope: 'agent', value: 'mailer', reason: 'spec' }, here.personToken('acme'))).body['freeze_id'] as string;
    expect(await claim(grant, id, 2)).toMatchObject({ status: 423, body: { code: 'FROZEN' } });
    expect(await here.post(`/v1/reservations/${held}/start`, undefined, as('other'))).toMatchObject({ status: 423, body: { code: 'FROZEN' } });
    // Everything else of the mailer has ended.
    const { rows } = await here.pool.query<{ reservation_id: string; agent: string }>("SELECT reservation_id, agent FROM reservation WHERE status = 'Held' AND reservation_id <> $1", [held]);
    for (const { reservation_id, agent } of rows) await here.post(`/v1/reservations/${reservation_id}/release`, {}, as(agent));
    const quiesced = async (): Promise<boolean> => (await here.count("SELECT FROM scope_freeze WHERE freeze_id = $1 AND status = 'Quiesced'", [freeze])) === 1;
    await here.service.app.get(QuiesceFreezes).sweep();
    expect(await quiesced()).toBe(false);
    await here.post(`/v1/reservations/${held}/release`, {}, as('other'));
    await here.service.app.get(QuiesceFreezes).sweep();
    expect(await quiesced()).toBe(true);
    await here.post(`/v1/freezes/${freeze}/lift`, { reason: 'spec' }, here.personToken('acme'));
  });

  test('invariant 21: the same request twice is one delegation, and one end', async () => {
    const grant = grantOf();
    const body = { parent: { type: 'grant', id: grant.grant_id }, grant: here.sign(grant), to_agent: 'other' };
    const keys = [newId(), newId()];
    const first = await here.post('/v1/delegations', body, as('mailer'), keys[0]);
    const before = (await here.events('DelegationGranted')).length;
    expect((await here.post('/v1/delegations', body, as('mailer'), keys[0])).bytes).toBe(first.bytes);
    expect(await here.post('/v1/delegations', { ...body, to_agent: 'third' }, as('mailer'), keys[0])).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    expect(await here.events('DelegationGranted')).toHaveLength(before);
    const path = `/v1/delegations/${first.body['delegation_id'] as string}/revoke`;
    const ended = await here.post(path, { reason: 'over' }, as('mailer'), keys[1]);
    const revoked = (await here.events('DelegationRevoked')).length;
    expect((await here.post(path, { reason: 'over' }, as('mailer'), keys[1])).bytes).toBe(ended.bytes);
    // Another request for what has ended already ends nothing more.
    expect((await here.post(path, { reason: 'over again' }, as('mailer'))).bytes).toBe(ended.bytes);
    expect(await here.events('DelegationRevoked')).toHaveLength(revoked);
  });

  test('invariant 4: children in 8 processes at one barrier together take no more uses than their parent was handed', async () => {
    const racers = await startRacers(8, { url: here.url, key: JSON.parse(here.secrets.signingKeys.reservations) as PrivateJwk });
    try {
      const grant = here.grant({ max_uses: 100, scope_path: 'tenant:acme/app:raced' });
      const parent = (await handOn(grant, 'other', { max_uses: 7 })).body['delegation_id'];
      const child = (await handFurther(parent, 'other', 'third')).body['delegation_id'] as string;
      let useNo = 0;
      const reserve = (): AuthorityCommand => ({
        kind: 'reserve',
        tenant: 'acme',
        reservationId: newId(),
        actor: { type: 'agent', id: 'third' },
        caller: { type: 'agent', tenant: 'acme', agent: 'third' },
        presented: grant,
        request: { use_no: (useNo += 1), delegation_id: child, execution_mode: 'self', scope_path: grant.scope_path, run_id: grant.run_id, action_kind: grant.action_kind, tool: grant.tool, ...(grant.target_hash === undefined ? {} : { target_hash: grant.target_hash }), arguments_hash: grant.granted_arguments_hash },
      });
      const results = await racers.race(Array.from({ length: 8 }, () => Array.from({ length: 4 }, reserve)));
      expect([...results].sort()).toEqual([...Array.from({ length: 25 }, () => 'GRANT_EXHAUSTED'), ...Array.from({ length: 7 }, () => 'held')]);
      expect([await listed(parent), await listed(child)]).toMatchObject([{ uses: 7 }, { uses: 7 }]);
    } finally {
      await racers.stop();
    }
  });
});
