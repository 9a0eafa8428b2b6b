import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ActionWithdrawn, CODES } from '@exequatur/contracts';
import type { Code, Grant, ReserveRequest } from '@exequatur/contracts';
import { newId, toInstant } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { BASE_POLICY, Installation } from '../spec/installation.js';
import type { Answered } from '../spec/installation.js';

const SHA = `sha256:${'0'.repeat(64)}`;
const BASE = BASE_POLICY as Readonly<Record<string, JsonValue>>;

/** Whether a command to the authority may be answered with it; what the other groups hold, other doors say. */
const isOfAuthority = (code: string): boolean => CODES[code as Code].group === 'authority';

describe('every refusal of the authority over HTTP', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000');
    await here.budget('1000', 'tenant:acme', 'USD_MICROCENTS');
    await here.budget('1000000', 'tenant:globex');
  });
  afterAll(() => here.stop());

  const asking = (changes: Partial<Grant>, request: Partial<ReserveRequest> = {}, token?: string): Promise<Answered> => here.reserve(here.grant(changes), request, token);
  const held = async (changes: Partial<Grant> = {}): Promise<string> => {
    const { status, body, bytes } = await here.reserve(here.grant(changes));
    if (status !== 201) throw new Error(`not held: ${bytes}`);
    return body['reservation_id'] as string;
  };
  const person = (): string => here.personToken('acme');
  /** Under another policy, and then under the first again. */
  const under = async (document: Readonly<Record<string, JsonValue>>, ask: () => Promise<Answered>): Promise<Answered> => {
    await here.publishPolicy('acme', document);
    try {
      return await ask();
    } finally {
      await here.publishPolicy('acme', BASE);
    }
  };
  const mailIs = (decision: string): Readonly<Record<string, JsonValue>> => ({ version: 1, classes: { mail: { kinds: ['mail.send'], default: decision } } });
  const twice = async (ask: () => Promise<Answered>): Promise<Answered> => {
    const first = await ask();
    if (first.status !== 201) throw new Error(`not held: ${first.bytes}`);
    return ask();
  };
  const ofOther = (changes: Partial<Grant> = {}): Grant => {
    const grant = here.grant({ agent_identity: 'other', ...changes });
    return { ...grant, facts: { ...grant.facts, agent: 'other' } };
  };
  const overdrawn = async (overage: object): Promise<Answered> => {
    const scope_path = `tenant:acme/app:over-${newId().slice(-8)}`;
    await here.post('/v1/budgets', { scope_path, unit: 'CALLS', cap: '10', ...overage }, person());
    return here.post(`/v1/reservations/${await held({ scope_path, amounts: [{ unit: 'CALLS', amount: '10' }] })}/commit`, { actual: [{ unit: 'CALLS', amount: '20' }] });
  };

  /** One way to each code. A code of the authority without a row, and a row without a code, fail the suite. */
  const TABLE: Readonly<Record<string, () => Promise<Answered>>> = {
    GRANT_UNKNOWN: () => asking({}, { grant: undefined as unknown as string, grant_id: newId() }),
    GRANT_REVOKED: async () => {
      const grant = here.grant();
      await here.neighbours.policy.publish({ tenant: 'acme', aggregate: 'action', id: grant.action_id }, { definition: ActionWithdrawn, data: { action_id: grant.action_id, reason: 'no longer needed' }, actor: { type: 'agent', id: 'mailer' } });
      await here.until('the withdrawal is known', async () => (await here.count('SELECT FROM withdrawn_action WHERE action_id = $1', [grant.action_id])) === 1);
      return here.reserve(grant);
    },
    TENANT_MISMATCH: () => asking({}, {}, here.agentToken('globex')),
    SCOPE_MISMATCH: () => asking({}, { scope_path: 'tenant:acme' }),
    AGENT_MISMATCH: () => asking({}, { agent: undefined as unknown as string }, here.agentToken('acme', 'other')),
    RUN_MISMATCH: () => asking({}, { run_id: 'run-2' }),
    KIND_MISMATCH: () => asking({}, { action_kind: 'mail.read' }),
    MODE_MISMATCH: () => asking({}, { execution_mode: 'managed' }),
    TOOL_MISMATCH: () => asking({}, { tool: { name: 'mailer.send', version: '2' } }),
    TARGET_MISMATCH: () => asking({}, { target_hash: SHA }),
    ARGUMENTS_MISMATCH: () => asking({}, { arguments_hash: SHA }),
    CAP_EXCEEDED: () => asking({ caps: { tools: ['mailer.draft'] } }),
    GRANT_NOT_YET_VALID: () => asking({ not_before: toInstant(Date.now() + 3_600_000) }),
    GRANT_EXPIRED: () => asking({ expires_at: toInstant(Date.now() - 1) }),
    GRANT_EXHAUSTED: () => asking({}, { use_no: 2 }),
    POINTS_EXCEEDED: () => asking({}, { amounts: [{ unit: 'RISK_POINTS', amount: '2' }] }),
    POLICY_CHANGED_DENY: () => {
      const grant = here.grant();
      return under(mailIs('deny'), () => here.reserve(grant));
    },
    POLICY_CHANGED_APPROVAL_REQUIRED: () => {
      const grant = here.grant();
      return under(mailIs('require_approval'), () => here.reserve(grant));
    },
    POLICY_NOT_YET_KNOWN: () => asking({ policy_version: 9_999, policy_hash: SHA }),
    VELOCITY_EXCEEDED: () => under({ ...BASE, limits: { velocity: [{ id: 'reads', by: ['agent'], kinds: ['mail.read'], window: '1h', max_count: 1 }] } }, () => twice(() => asking({ action_kind: 'mail.read' }))),
    RUN_LIMIT_EXCEEDED: () => under({ ...BASE, limits: { run: { max_steps: 1 } } }, () => twice(() => asking({ run_id: 'run-limited' }))),
    BUDGET_EXCEEDED: () => asking({ amounts: [{ unit: 'USD_MICROCENTS', amount: '1001' }] }),
    BUDGET_UNKNOWN: () => asking({ amounts: [{ unit: 'TOKENS', amount: '1' }] }),
    FROZEN: async () => {
      const frozen = await here.post('/v1/freezes', { scope: 'run', value: 'run-frozen', reason: 'spec' }, person());
      const answer = await asking({ run_id: 'run-frozen' });
      await here.post(`/v1/freezes/${frozen.body['freeze_id'] as string}/lift`, { reason: 'spec' }, person());
      return answer;
    },
    // What people had approved was refused too often: asked for in another run.
    CIRCUIT_OPEN: () =>
      under({ ...BASE, limits: { circuit: { threshold: 0.5, minimum_volume: 3 } } }, async () => {
        const token = here.agentToken('acme', 'other');
        for (let turn = 0; turn < 4; turn += 1) await here.reserve(ofOther({ source: 'approval' }), { run_id: 'another' }, token);
        await here.until('the circuit opens', async () => (await here.count("SELECT FROM circuit WHERE agent = 'other' AND status = 'Open'")) > 0);
        return here.reserve(ofOther(), {}, token);
      }),
    // Within its grace: a sweep leaves it alone, and it may still be committed.
    RESERVATION_EXPIRED: async () => {
      const id = await held();
      await here.pool.query("UPDATE reservation SET expires_at = clock_timestamp() - interval '1 millisecond' WHERE reservation_id = $1", [id]);
      return here.post(`/v1/reservations/${id}/extend`, { by_ms: 1_000 });
    },
    RESERVATION_FINALIZED: async () => {
      const id = await held();
      await here.post(`/v1/reservations/${id}/release`, {});
      return here.post(`/v1/reservations/${id}/commit`, {});
    },
    OVERDRAFT_LIMIT_EXCEEDED: () => overdrawn({ overage_policy: 'allow_with_overdraft', overdraft_limit: '5' }),
    COMMIT_EXCEEDS_RESERVED: () => overdrawn({}),
  };

  test('the table has every code of the authority, and no other', () => {
    expect(Object.keys(TABLE).sort()).toEqual(Object.keys(CODES).filter(isOfAuthority).sort());
  });

  test.each(Object.keys(TABLE))('%s, with its status, and nothing about budgets', async (code) => {
    const { status, body } = (await TABLE[code]?.()) ?? {};
    expect({ status, body }).toMatchObject({ status: CODES[code as Code].status, body: { code, retryable: CODES[code as Code].retryable } });
    expect(Object.keys(body ?? {}).filter((field) => !['type', 'title', 'status', 'code', 'retryable', 'detail', 'errors'].includes(field))).toEqual([]);
  });

  test('the order of refusal: of everything wrong at once the first check answers, and each repair gives the next', async () => {
    const frozen = await here.post('/v1/freezes', { scope: 'run', value: 'run-order', reason: 'spec' }, person());
    const wrong: Partial<ReserveRequest> = { scope_path: 'tenant:acme/app:other', run_id: 'run-wrong', action_kind: 'mail.read', execution_mode: 'managed', tool: { name: 'mailer.send', version: '2' }, target_hash: SHA, arguments_hash: SHA, use_no: 2, amounts: [{ unit: 'RISK_POINTS', amount: '2' }] };
    const right = (): Grant => here.grant({ run_id: 'run-order', amounts: [{ unit: 'TOKENS', amount: '1' }] });
    const repairs: readonly (readonly [keyof ReserveRequest, Code])[] = [
      ['scope_path', 'RUN_MISMATCH'],
      ['run_id', 'KIND_MISMATCH'],
      ['action_kind', 'MODE_MISMATCH'],
      ['execution_mode', 'TOOL_MISMATCH'],
      ['tool', 'TARGET_MISMATCH'],
      ['target_hash', 'ARGUMENTS_MISMATCH'],
      ['arguments_hash', 'GRANT_EXHAUSTED'],
      ['use_no', 'FROZEN'],
    ];
    const without = (repaired: readonly string[]): Partial<ReserveRequest> => Object.fromEntries(Object.entries(wrong).filter(([field]) => !repaired.includes(field)));
    expect((await here.reserve(right(), wrong)).body['code']).toBe('SCOPE_MISMATCH');
    for (const [nth, [repaired, next]] of repairs.entries()) {
      const left = without(repairs.slice(0, nth + 1).map(([field]) => field));
      expect([repaired, (await here.reserve(right(), left)).body['code']]).toEqual([repaired, next]);
    }
    await here.post(`/v1/freezes/${frozen.body['freeze_id'] as string}/lift`, { reason: 'spec' }, person());
    expect((await here.reserve(right(), { amounts: [{ unit: 'RISK_POINTS', amount: '2' }] })).body['code']).toBe('POINTS_EXCEEDED');
    expect((await here.reserve(right())).body['code']).toBe('BUDGET_UNKNOWN');
  });
});
