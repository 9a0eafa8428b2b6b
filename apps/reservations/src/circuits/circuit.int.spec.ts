import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { PrivateJwk } from '@exequatur/audit-chain';
import { ActionAllowed, ApprovalOpened, ApprovalRejected } from '@exequatur/contracts';
import type { Grant } from '@exequatur/contracts';
import { newId, toInstant } from '@exequatur/kernel';
import type { AuthorityCommand } from '../authority/authority-command.js';
import { BASE_POLICY, Installation } from '../spec/installation.js';
import { startRacers } from '../spec/racers.js';

const SEALED = { alg: 'A256GCM' as const, nonce: 'AAAAAAAAAAAAAAAA', ciphertext: 'AAAA' };
const sha = `sha256:${'a'.repeat(64)}`;
const POLICY = { ...(BASE_POLICY as object), limits: { circuit: { threshold: 0.3, minimum_volume: 4 } } };

type Circuit = { circuit_id: string; agent: string; action_kind?: string; status: string; volume: number; rejections: number; denials_after_approval: number; probes_left: number; succeeded: number };

describe('circuits', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('100000', 'tenant:acme/app:outreach');
    await here.publishPolicy('acme', POLICY);
  });
  afterAll(() => here.stop());
  afterEach(async () => {
    for (const { circuit_id } of await circuits()) await close(circuit_id);
  });

  const circuits = async (all = false): Promise<Circuit[]> => (await here.call('GET', `/v1/circuits?include_closed=${all}`, here.personToken('acme'))).body['items'] as Circuit[];
  const close = (id: string, reason = 'looked at it') => here.post(`/v1/circuits/${id}/close`, { reason }, here.personToken('acme'));
  const halfOpen = (id: string, probes: number, reason = 'prompt fixed') => here.post(`/v1/circuits/${id}/half-open`, { probes, reason }, here.personToken('acme'));
  const statusOf = async (id: string): Promise<string | undefined> => (await circuits(true)).find(({ circuit_id }) => circuit_id === id)?.status;
  const settled = (): Promise<void> => here.until('everything seen is folded', async () => (await here.count('SELECT FROM circuit_outcome')) === 0 && (await here.count('SELECT FROM circuit WHERE due')) === 0);

  const allow = (grant: Grant): Promise<readonly string[]> =>
    here.neighbours.policy.publish(
      { tenant: 'acme', aggregate: 'action', id: grant.action_id },
      {
        definition: ActionAllowed,
        data: { action_id: grant.action_id, policy_hash: grant.policy_hash, policy_version: grant.policy_version, rule_id: 'class:mail', reason: 'allowed', tier: 'AUTO', sampled: false, grant_id: grant.grant_id, grant: here.sign(grant), expires_at: grant.expires_at },
        actor: { type: 'service', id: 'policy' },
        sealed: { ...SEALED, action_id: grant.action_id },
      },
    );
  const reject = (agent: string, kind: string): Promise<readonly string[]> => {
    const id = newId();
    const facts = { ...here.grant().facts, agent, action_kind: kind };
    const actor = { type: 'service' as const, id: 'approvals' };
    const sealed = { ...SEALED, action_id: id };
    const demand = { stages: [{ roles: ['approver'], quorum: 1 }], distinct: true, ttl_ms: 1_000, on_timeout: 'deny' as const };
    return here.neighbours.approvals.publish(
      { tenant: 'acme', aggregate: 'approval', id },
      { definition: ApprovalOpened, data: { approval_id: id, action_id: id, agent, demand, view_hash: sha, renderer: 'card/1', policy_hash: sha, policy_version: 1, rule_id: 'r', expires_at: toInstant(Date.now() + 60_000), terms: { facts, reason: 'r', arguments_hash: sha, narrowable: {}, on_silence: 'unknown' as const } }, actor, sealed },
      { definition: ApprovalRejected, data: { approval_id: id, action_id: id, person: 'ada', reason_code: 'NO', instruction: 'abort', view_hash: sha }, actor, sealed },
    );
  };
  const times = async (count: number, work: () => Promise<unknown>): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await work();
  };
  /** The mailer's two circuits, opened by what people rejected: of the agent, and of the agent and kind. */
  const opened = async (kind = 'mail.send'): Promise<{ agent: Circuit; kind: Circuit }> => {
    await times(5, () => reject('mailer', kind));
    await here.until('both circuits are open', async () => (await circuits()).filter(({ agent, status }) => agent === 'mailer' && status === 'open').length >= 2);
    const found = await circuits();
    const of = (action: string | undefined): Circuit => found.find(({ action_kind }) => action_kind === action) ?? ({} as Circuit);
    return { agent: of(undefined), kind: of(kind) };
  };

  test('too many rejections by people pause the agent, and nobody else; a person lets it go on', async () => {
    await times(3, () => allow(here.grant()));
    await times(2, () => reject('mailer', 'mail.send'));
    await here.until('the circuit opens', async () => (await circuits()).length === 2);
    const [one] = await circuits();
    expect(one).toMatchObject({ agent: 'mailer', status: 'open', volume: 5, rejections: 2, denials_after_approval: 0, rate_ppm: 400_000, threshold_ppm: 300_000 });
    expect(await here.reserve(here.grant())).toMatchObject({ status: 423, body: { code: 'CIRCUIT_OPEN' } });
    expect((await here.reserve(here.grant({ agent_identity: 'other' }), {}, here.agentToken('acme', 'other'))).status).toBe(201);
    expect(await here.events('CircuitOpened')).toMatchObject([{ data: { agent: 'mailer', because: 'rate', volume: 5 } }, { data: { agent: 'mailer', because: 'rate' } }]);
    expect((await here.service.inject('/metrics')).body).toMatch(/exequatur_circuits_opened_total\{[^}]*\} 2/);
    for (const { circuit_id } of await circuits()) expect(await close(circuit_id)).toMatchObject({ status: 200, body: { status: 'closed' } });
    expect((await here.reserve(here.grant())).status).toBe(201);
    // Counting began anew.
    expect(await circuits(true)).toMatchObject([{ volume: 0 }, { volume: 0 }]);
  });

  test('refusals of what people had approved count too; what a freeze or a circuit stopped does not', async () => {
    const approved = () => here.grant({ source: 'approval', action_kind: 'pay.refund', rule_id: 'class:pay' });
    const frozen = (await here.post('/v1/freezes', { scope: 'kind', value: 'pay.refund', reason: 'spec' }, here.personToken('acme'))).body['freeze_id'] as string;
    await times(6, async () => expect((await here.reserve(approved())).body['code']).toBe('FROZEN'));
    await here.post(`/v1/freezes/${frozen}/lift`, { reason: 'spec' }, here.personToken('acme'));
    await times(3, async () => expect((await here.reserve(approved(), { run_id: 'another' })).body['code']).toBe('RUN_MISMATCH'));
    await settled();
    expect(await circuits()).toEqual([]);
    expect((await here.reserve(approved(), { run_id: 'another' })).body['code']).toBe('RUN_MISMATCH');
    await here.until('both circuits open', async () => (await circuits()).length === 2);
    expect((await circuits()).find(({ action_kind }) => action_kind === 'pay.refund')).toMatchObject({ volume: 4, denials_after_approval: 4 });
    expect((await here.reserve(approved())).body['code']).toBe('CIRCUIT_OPEN');
  });

  test('a person half-opens it: as many probes as it says, and it closes when all of them ended well', async () => {
    const { agent, kind } = await opened();
    await close(kind.circuit_id);
    expect(await halfOpen(agent.circuit_id, 2)).toMatchObject({ status: 200, body: { status: 'half_open' } });
    const answers = await Promise.all(Array.from({ length: 6 }, () => here.reserve(here.grant())));
    const held = answers.filter(({ status }) => status === 201).map(({ body }) => body['reservation_id'] as string);
    expect(held).toHaveLength(2);
    expect(answers.filter(({ body }) => body['code'] === 'CIRCUIT_OPEN')).toHaveLength(4);
    expect((await here.events('ReservationHeld')).filter(({ data }) => data['probe_of'] === agent.circuit_id)).toHaveLength(2);
    await here.post(`/v1/reservations/${held[0] ?? ''}/commit`, {});
    await settled();
    expect(await statusOf(agent.circuit_id)).toBe('half_open');
    await here.post(`/v1/reservations/${held[1] ?? ''}/commit`, {});
    await here.until('it closes', async () => (await statusOf(agent.circuit_id)) === 'closed');
    expect((await here.events('CircuitClosed')).at(-1)).toMatchObject({ data: { circuit_id: agent.circuit_id, because: 'probes_succeeded' } });
    expect((await here.reserve(here.grant())).status).toBe(201);
  });

  test('a probe that was given back is given again; one that ended unknown opens it again', async () => {
    const { agent, kind } = await opened();
    await close(kind.circuit_id);
    await halfOpen(agent.circuit_id, 1);
    const first = (await here.reserve(here.grant())).body['reservation_id'] as string;
    expect((await here.reserve(here.grant())).body['code']).toBe('CIRCUIT_OPEN');
    await here.post(`/v1/reservations/${first}/release`, {});
    await settled();
    const second = (await here.reserve(here.grant())).body['reservation_id'] as string;
    await here.post(`/v1/reservations/${second}/outcome`, { status: 'UNKNOWN' });
    await here.until('it opens again', async () => (await statusOf(agent.circuit_id)) === 'open');
    expect((await here.events('CircuitOpened')).at(-1)).toMatchObject({ data: { because: 'probe_failed' } });
    // Of a half-opening that is over: it says nothing about the next.
    await halfOpen(agent.circuit_id, 1);
    await here.post(`/v1/reservations/${second}/commit`, {});
    await settled();
    expect(await statusOf(agent.circuit_id)).toBe('half_open');
  });

  test('only people give authority back, and say why', async () => {
    const { agent } = await opened();
    for (const token of [here.agentToken('acme'), here.secrets.adminToken, here.executorToken()]) {
      expect((await here.post(`/v1/circuits/${agent.circuit_id}/close`, { reason: 'mine' }, token)).status).toBe(403);
      expect((await here.post(`/v1/circuits/${agent.circuit_id}/half-open`, { probes: 1, reason: 'mine' }, token)).status).toBe(403);
    }
    expect(await close(agent.circuit_id, ' ')).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    expect(await halfOpen(agent.circuit_id, 0)).toMatchObject({ status: 422 });
    expect((await here.post(`/v1/circuits/${agent.circuit_id}/close`, { reason: 'mine' }, here.personToken('globex'))).status).toBe(404);
    expect((await here.call('GET', '/v1/circuits', here.personToken('globex'))).body['items']).toEqual([]);
    expect((await close(newId())).status).toBe(404);
  });

  test('invariant 21: half-opening asked for twice under one key lets its probes through once', async () => {
    const { agent, kind } = await opened();
    await close(kind.circuit_id);
    const key = newId();
    const ask = () => here.post(`/v1/circuits/${agent.circuit_id}/half-open`, { probes: 1, reason: 'once' }, here.personToken('acme'), key);
    const first = await ask();
    expect((await here.reserve(here.grant())).status).toBe(201);
    expect((await ask()).bytes).toBe(first.bytes);
    expect((await here.reserve(here.grant())).body['code']).toBe('CIRCUIT_OPEN');
    expect(await halfOpen(agent.circuit_id, 5)).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
  });

  test('invariant 15: after a circuit opened no claim of its agent exists, until a person let it go on', async () => {
    const before = (await here.events('CircuitOpened')).length;
    let going = true;
    const claims = (async () => {
      while (going) await Promise.all(Array.from({ length: 8 }, () => here.reserve(here.grant())));
    })();
    await opened().finally(() => {
      going = false;
    });
    await claims;
    const epochs = (await here.events('CircuitOpened')).slice(before).map(({ data }) => data['fence_epoch'] as number);
    const held = (await here.events('ReservationHeld')).filter(({ data }) => data['agent'] === 'mailer').map(({ data }) => data['fence_epoch'] as number);
    expect(held.filter((epoch) => epoch >= Math.min(...epochs))).toEqual([]);
  });

  test('8 processes at one barrier get no more probes than a person let through', async () => {
    const racers = await startRacers(8, { url: here.url, key: JSON.parse(here.secrets.signingKeys.reservations) as PrivateJwk });
    try {
      const { agent, kind } = await opened();
      await close(kind.circuit_id);
      await halfOpen(agent.circuit_id, 5);
      const reserve = (grant: Grant): AuthorityCommand => ({
        kind: 'reserve',
        tenant: 'acme',
        reservationId: newId(),
        actor: { type: 'agent', id: 'mailer' },
        caller: { type: 'agent', tenant: 'acme', agent: 'mailer' },
        presented: grant,
        request: { execution_mode: 'self', scope_path: grant.scope_path, run_id: grant.run_id, action_kind: grant.action_kind, tool: grant.tool, ...(grant.target_hash === undefined ? {} : { target_hash: grant.target_hash }), arguments_hash: grant.granted_arguments_hash },
      });
      // Each on a budget of its own: nothing but the circuit stands between them.
      const scopes = Array.from({ length: 8 }, (_, process) => `tenant:acme/app:raced_${process}`);
      for (const scope of scopes) await here.budget('100', scope);
      const results = await racers.race(scopes.map((scope_path) => Array.from({ length: 4 }, () => reserve(here.grant({ scope_path })))));
      expect([...results].sort()).toEqual([...Array.from({ length: 27 }, () => 'CIRCUIT_OPEN'), ...Array.from({ length: 5 }, () => 'held')]);
    } finally {
      await racers.stop();
    }
  });

  test('an agent that begins to do something else is warned about, once a window, and not stopped', async () => {
    const seen = (kind: string, at: string) => here.pool.query(`INSERT INTO circuit_outcome (tenant, agent, action_kind, outcome, at) SELECT 'acme', 'other', $1, 'accepted', clock_timestamp() - $2::interval FROM generate_series(1, 60)`, [kind, at]);
    await seen('mail.send', '3 hours');
    await seen('mail.read', '0');
    await here.until('the warning', async () => (await here.events('DriftDetected')).length === 1);
    expect(await here.events('DriftDetected')).toMatchObject([{ data: { agent: 'other', baseline_volume: 60, recent_volume: 60, threshold_ppm: 250_000 } }]);
    await seen('mail.read', '0');
    await settled();
    await here.until('the drift is judged', async () => (await here.count('SELECT FROM agent_kinds WHERE due')) === 0);
    expect(await here.events('DriftDetected')).toHaveLength(1);
    expect((await here.reserve(here.grant({ agent_identity: 'other' }), {}, here.agentToken('acme', 'other'))).status).toBe(201);
  });
});
