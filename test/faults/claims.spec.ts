import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import type { ActionView } from '@exequatur/sdk';
import { named, unfinished } from './kit/exported-log.js';
import type { ExportedLog } from './kit/exported-log.js';
import { startFaultProxy } from './kit/fault-proxy.js';
import type { FaultProxy } from './kit/fault-proxy.js';
import { Installation } from './kit/installation.js';
import { committedEvents, eventsNamed, everythingOf, notLogged } from './kit/ledger.js';
import { connect } from './kit/steady-work.js';
import { persistently, Tenant, until } from './kit/tenant.js';
import { TRANSPORT } from './kit/topology.js';
import { seedOf } from './seeded-random.js';

/** Five services and, on the other topology, a broker of their own: on a machine full of other work their start alone took more than five minutes. */
const SLOW = 600_000;
/** Short grants: what is approved may run for so long, so execute_by is near. */
const EXPIRES_IN_MS = 15_000;
const POLICY = `version: 1
classes:
  pay: { kinds: [pay.refund], default: require_approval, on_silence: unknown }
  brief: { kinds: [crm.brief], default: require_approval, on_silence: unknown, caps: { expires_in: ${EXPIRES_IN_MS / 1_000}s } }
  plain: { kinds: [crm.plain], default: require_approval, on_silence: unknown }
tools:
  pay.refund: { kind: pay.refund, risk_points: 5, extract: { amount.USD: /amount } }
  crm.brief: { kind: crm.brief, risk_points: 1 }
  crm.plain: { kind: crm.plain, risk_points: 1 }
`;

let here: Installation;
let proxy: FaultProxy;
let tool: HttpTool;
let tenant: Tenant;
beforeAll(async () => {
  seedOf('claims');
  tool = await startHttpTool();
  here = await Installation.start({
    transport: TRANSPORT,
    // The executor's way to reservations: where a reply can be kept.
    reservationsFor: async (url) => {
      proxy = await startFaultProxy({ port: Number(new URL(url).port) });
      return proxy.url;
    },
  });
}, SLOW);
afterAll(async () => {
  await tool.stop();
  await here.stop();
  await proxy.stop();
}, SLOW);
beforeEach(async () => {
  tenant = await Tenant.create(here, `claim-${randomUUID().slice(0, 8)}`, POLICY);
  await tenant.budget(1_000);
}, SLOW);

const executor = () => here.of('executor')[0] ?? (() => { throw new Error('no executor'); })();
const proposed = async (kind: string, mode: 'self' | 'managed'): Promise<{ action_id: string; approval_id: string }> => {
  const body = { ...tenant.proposalOf({ kind, mode }), tool: { name: kind, version: '1.0' }, arguments: { to: 'ann', amount: '10.00' } };
  const reply = await persistently(here.urls.policy, { token: tenant.agent, path: '/v1/actions', body, key: randomUUID() });
  expect([reply.status, reply.body['status']]).toEqual([201, 'awaiting_approval']);
  return reply.body as { action_id: string; approval_id: string };
};
const view = async (actionId: string): Promise<ActionView> => (await tenant.get<ActionView>('policy', `/v1/actions/${actionId}`, tenant.agent)).body;
const reaching = (actionId: string, ...statuses: string[]): Promise<ActionView> => until(() => view(actionId), ({ status }) => statuses.includes(status), `${actionId} is ${statuses.join(' or ')}`);
const effectsOf = (executionIds: ReadonlySet<string>) => tool.effects.filter(({ key }) => executionIds.has(key ?? ''));

const checked = async (actions: readonly string[] = []): Promise<ExportedLog> => {
  if (actions.length > 0) await tenant.log((events) => unfinished(events, { actions, effects: [] }));
  const committed = await committedEvents(here.rows, tenant.name);
  const log = await tenant.log(everythingOf(committed));
  expect(notLogged(committed, log.events)).toEqual([]);
  expect(log.report).toMatchObject({ result: 'valid', violations: [] });
  return log;
};

/** Scenario 2 of reliability.md, over the whole path. */
describe('the executor is stopped right after it claimed', () => {
  /** Runs `meanwhile` between the claim and the executor's next step; the reply has been given, the executor stands still. */
  const stoppedAfterClaim = async (meanwhile: (heldUntil: { readonly executeBy: number }) => Promise<void>): Promise<string> => {
    await connect(here, tenant, tool.url, 'crm.brief');
    let letGo = (): void => undefined;
    const until_ = new Promise<void>((resolve) => (letGo = resolve));
    const held = new Promise<void>((resolve) => proxy.behave({ kind: 'hold', only: /^POST \/v1\/reservations HTTP/, until: until_, held: resolve }));
    const { action_id, approval_id } = await proposed('crm.brief', 'managed');
    await tenant.approve(approval_id);
    await held;
    executor().signal('SIGSTOP');
    proxy.behave({ kind: 'none' });
    letGo();
    const [claim] = await eventsNamed(here.rows, tenant.name, 'ReservationHeld');
    expect(claim).toBeDefined();
    await meanwhile({ executeBy: Date.parse(String(claim?.['execute_by'])) });
    executor().signal('SIGCONT');
    return action_id;
  };
  const freeze = async (): Promise<string> => {
    const { status, body } = await persistently(here.urls.reservations, { token: tenant.operator, path: '/v1/freezes', body: { scope: 'kind', value: 'crm.brief', reason: 'drill' }, key: randomUUID() });
    expect(status).toBe(201);
    return body['freeze_id'] as string;
  };

  test('invariants 2, 15, 16: the approval runs out and its scope is frozen; awake again it does nothing, and only then is it quiet', async () => {
    let freezeId = '';
    const actionId = await stoppedAfterClaim(async ({ executeBy }) => {
      freezeId = await freeze();
      await delay(Math.max(0, executeBy - Date.now()) + 1_500);
      // The claim has not ended, so nobody may say "stopped".
      expect(await tenant.freezeStatus(freezeId)).toBe('fenced');
    });
    await reaching(actionId, 'failed');
    await until(() => tenant.freezeStatus(freezeId), (status) => status === 'quiesced', 'quiesced');
    const { events } = await checked([actionId]);
    expect(effectsOf(named(events, 'execution_id', 'ReservationHeld'))).toEqual([]);
    expect(events.filter(({ name }) => name === 'ExecutionFailed').map(({ data }) => data['code'])).toEqual(['EXECUTE_BY_PASSED']);
    expect(await tenant.balance()).toEqual({ held: 0, committed: 0 });
  }, SLOW);

  test('invariants 2, 15, 16: awake in time it may still act, once, before its execute_by; quiet comes after', async () => {
    let freezeId = '';
    let executeBy = 0;
    const actionId = await stoppedAfterClaim(async (claim) => {
      ({ executeBy } = claim);
      freezeId = await freeze();
    });
    await reaching(actionId, 'executed', 'failed');
    await until(() => tenant.freezeStatus(freezeId), (status) => status === 'quiesced', 'quiesced');
    const { events } = await checked([actionId]);
    const effects = effectsOf(named(events, 'execution_id', 'ReservationHeld'));
    expect(effects).toHaveLength(named(events, 'execution_id', 'ExecutionSucceeded').size);
    for (const { request } of effects) expect(request.at.getTime()).toBeLessThanOrEqual(executeBy);
  }, SLOW);

  test('invariant 21: the reply to the claim is lost; the executor asks again and acts once', async () => {
    await connect(here, tenant, tool.url, 'crm.plain');
    const before = proxy.swallowed.length;
    proxy.behave({ kind: 'swallow', only: /^POST \/v1\/reservations HTTP/ });
    const { action_id, approval_id } = await proposed('crm.plain', 'managed');
    await tenant.approve(approval_id);
    await until(() => Promise.resolve(proxy.swallowed.length), (swallowed) => swallowed > before, 'a lost reply');
    proxy.behave({ kind: 'none' });
    await reaching(action_id, 'executed');
    const { events } = await checked([action_id]);
    expect(events.filter(({ name }) => name === 'ReservationHeld')).toHaveLength(1);
    expect(effectsOf(named(events, 'execution_id', 'ReservationHeld'))).toHaveLength(1);
  }, SLOW);
});

/** Scenario 6 of reliability.md, over the whole path. */
describe('something changes between approval and claim', () => {
  const granted = async (): Promise<{ readonly actionId: string; readonly request: Record<string, unknown> }> => {
    const { action_id, approval_id } = await proposed('pay.refund', 'self');
    await tenant.approve(approval_id);
    const view_ = await reaching(action_id, 'granted');
    const request = { ...tenant.reserving({ kind: 'pay.refund' }, { grant: view_.grant ?? '', arguments_hash: view_.granted_arguments_hash ?? '' }), tool: { name: 'pay.refund', version: '1.0' }, ...(view_.target_hash === undefined ? {} : { target_hash: view_.target_hash }) };
    return { actionId: action_id, request };
  };
  const reserve = (body: unknown) => persistently(here.urls.reservations, { token: tenant.agent, path: '/v1/reservations', body, key: randomUUID() });
  const inForce = async (source: string): Promise<void> => {
    const version = await tenant.publish(source);
    await until(() => eventsNamed(here.rows, tenant.name, 'PolicyInForce'), (found) => found.some((data) => data['policy_version'] === version), 'in force');
  };
  const other = `sha256:${'ab'.repeat(32)}`;

  test.each([
    ['the arguments', { arguments_hash: other }, 'ARGUMENTS_MISMATCH'],
    ['the target', { target_hash: other }, 'TARGET_MISMATCH'],
    ["the tool's version", { tool: { name: 'pay.refund', version: '2.0' } }, 'TOOL_MISMATCH'],
    ['the amount', { amounts: [{ unit: 'USD_MICROCENTS', amount: '9999999999' }] }, 'CAP_EXCEEDED'],
    ['the kind', { action_kind: 'crm.brief' }, 'KIND_MISMATCH'],
    ['the run', { run_id: 'run-2' }, 'RUN_MISMATCH'],
  ])('invariants 3, 17: %s; refused, and as approved it is still granted', async (_, change, code) => {
    await tenant.budget(10_000_000_000, tenant.scope, 'USD_MICROCENTS');
    const { request } = await granted();
    expect((await reserve({ ...request, ...change })).body).toMatchObject({ code });
    expect((await reserve(request)).status).toBe(201);
    const { events } = await checked();
    expect(events.filter(({ name }) => name === 'ReservationHeld')).toHaveLength(1);
  }, SLOW);

  test.each([
    ['the policy denies it now', POLICY.replace('pay: { kinds: [pay.refund], default: require_approval', 'pay: { kinds: [pay.refund], default: deny'), ['POLICY_CHANGED_DENY']],
    ['the policy wants more people now', POLICY.replace('default: require_approval, on_silence: unknown }\n  brief', 'default: require_approval, approval: { stages: [{ roles: [approver], quorum: 1 }, { roles: [finance], quorum: 1 }] }, on_silence: unknown }\n  brief'), ['POLICY_CHANGED_APPROVAL_REQUIRED']],
    ['the tool has another schema now', POLICY.replace('pay.refund: { kind: pay.refund,', 'pay.refund: { kind: pay.refund, versions: ["2.0"],'), ['POLICY_CHANGED_DENY', 'TOOL_NOT_ALLOWED']],
    ['the caps are narrower now', POLICY.replace('default: require_approval, on_silence: unknown }\n  brief', 'default: require_approval, on_silence: unknown, caps: { max_amount: { USD: "1.00" } } }\n  brief'), ['CAP_EXCEEDED', 'POLICY_CHANGED_DENY']],
  ])('invariants 13, 17: %s; the older approval gives nothing', async (_, source, codes) => {
    await tenant.budget(10_000_000_000, tenant.scope, 'USD_MICROCENTS');
    const { request } = await granted();
    await inForce(source);
    const { status, body } = await reserve(request);
    expect([status >= 400, codes]).toEqual([true, expect.arrayContaining([body['code']])]);
    const { events } = await checked();
    expect(events.filter(({ name }) => name === 'ReservationHeld')).toEqual([]);
  }, SLOW);

  test('invariants 13, 23: the policy denies it while the executor stands still; nothing runs', async () => {
    await connect(here, tenant, tool.url, 'crm.plain');
    const { action_id, approval_id } = await proposed('crm.plain', 'managed');
    const before = tool.effects.length;
    executor().signal('SIGSTOP');
    await tenant.approve(approval_id);
    await reaching(action_id, 'granted');
    await inForce(POLICY.replace('crm.plain], default: require_approval', 'crm.plain], default: deny'));
    executor().signal('SIGCONT');
    const { events } = await checked([action_id]);
    expect(events.filter(({ name }) => name === 'ReservationHeld' || name === 'ExecutionStarted')).toEqual([]);
    expect(events.filter(({ name }) => name === 'ReservationRefused').map(({ data }) => data['code'])).toEqual(['POLICY_CHANGED_DENY']);
    expect(tool.effects.length).toBe(before);
  }, SLOW);
});
