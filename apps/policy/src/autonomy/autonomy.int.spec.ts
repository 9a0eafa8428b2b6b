import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApprovalGranted, ApprovalRejected, AutonomyChanged, PolicyPublished, ReservationRefused } from '@exequatur/contracts';
import type { EventEnvelope } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE, ServiceMetrics } from '@exequatur/service-kit';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import type { ActionView } from '../action-view/action-view.js';
import { eventually, examplePolicy, mailTo, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';
import { countsOf, recordOutcomes } from './outcome-rows.js';

const settings = 'autonomy: { minimum_volume: 4, rejections: 0.3, denials: 0.5, edits: 0.5, suggest_after: 2 }';
const hash = `sha256:${'0'.repeat(64)}`;

describe('P8: autonomy of agents', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  let agent: string;
  const people = new Map<string, string>();
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    ({ agent } = await bed.tenant('acme', `${examplePolicy}\n${settings}\n`));
    for (const [person, role] of [['petra', 'policy-admin'], ['oscar', 'policy-admin'], ['otto', 'operator'], ['ada', 'auditor']] as const)
      people.set(person, (await bed.post<{ token: string }>('/v1/people', { tenant: 'acme', person, subject: `idp#${person}`, roles: [role], issue_token: true }, bed.root)).body.token);
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  const as = (person: string): string => people.get(person) ?? '';
  const set = (level: string, who: string, kind = 'research.search', more = {}): Promise<Reply> => bed.post('/v1/agents/outreach-agent/autonomy', { action_kind: kind, level, reason: 'we looked at it', ...more }, who);
  const research = async (): Promise<Record<string, unknown>> => (await bed.post('/v1/actions', proposalOf('acme'), agent)).body;
  const standing = async (kind: string): Promise<Record<string, unknown>> => {
    const { body } = await bed.get<{ items: Record<string, unknown>[] }>('/v1/agents/outreach-agent/autonomy', as('ada'));
    return body.items.find((one) => one['action_kind'] === kind) ?? {};
  };
  const events = async (type: string) => (await bed.database.query<{ bytes: Buffer }>('SELECT bytes FROM event WHERE type = $1 ORDER BY xid, position', [type])).rows.map(({ bytes }) => JSON.parse(bytes.toString()) as { data: Record<string, unknown>; actorid: string; actortype: string });
  const counted = async (direction: string, cause: string): Promise<number> => {
    const metric = await bed.service.app.get(ServiceMetrics).registry.getSingleMetric('exequatur_autonomy_changes_total')?.get();
    return metric?.values.find(({ labels }) => labels['direction'] === direction && labels['cause'] === cause)?.value ?? 0;
  };
  let asked = 0;
  const ask = async (): Promise<{ action_id: string; approval_id: string; arguments_hash: string }> => (await bed.post<{ action_id: string; approval_id: string; arguments_hash: string }>('/v1/actions', mailTo('acme', `ann${(asked += 1)}@customer.example`), agent)).body;
  /** A mail that people approved, edited or rejected, or that was refused although they had approved it. */
  const ends = async (how: 'approved' | 'edited' | 'rejected' | 'denied'): Promise<void> => {
    const { action_id, approval_id, arguments_hash } = await ask();
    const key = (await bed.service.app.get<KeyStore>(KEY_STORE).actionKeys('acme', [action_id])).get(action_id);
    if (key === undefined) throw new Error('the action has no key');
    const id = newId();
    const stream = { tenant: 'acme', aggregate: 'approval', id: approval_id };
    if (how === 'rejected') {
      const data = { approval_id, action_id, person: 'ann', reason_code: 'wrong_recipient', instruction: 'abort', view_hash: hash };
      return bed.publishAs('approvals', stream, { definition: ApprovalRejected, id, data, correlationId: action_id, sealed: seal(key, action_id, id, { reason: 'no' }) });
    }
    const data = { approval_id, action_id, grant_id: approval_id, grant: 'a.b.c', approver_ids: ['ann'], vote_event_ids: [newId()], granted_arguments_hash: how === 'edited' ? hash : arguments_hash, arguments_hash, narrowed: [], view_hash: hash, expires_at: '2030-01-01T00:00:00Z' };
    await bed.publishAs('approvals', stream, { definition: ApprovalGranted, id, data, correlationId: action_id, sealed: seal(key, action_id, id, { salt: 'AAAAAAAAAAAAAAAAAAAAAA', arguments: '{"to":"ann@customer.example"}' }) });
    if (how === 'denied') await bed.publishAs('reservations', { tenant: 'acme', aggregate: 'reservation', id: newId() }, { definition: ReservationRefused, data: { reservation_id: newId(), action_id, agent: 'outreach-agent', code: 'BUDGET_EXCEEDED', after_approval: true, attempt: 1 }, correlationId: action_id });
  };

  test('each level holds at once in the published policy, and the change says who, why and from which version', async () => {
    expect(await research()).toMatchObject({ verdict: 'ALLOW', tier: 'AUTO' });
    const logged = await set('log', as('otto'));
    expect(logged).toMatchObject({ status: 200, body: { level_before: 'auto', level: 'log', policy_version: expect.any(Number) } });
    expect(await research()).toMatchObject({ verdict: 'ALLOW', tier: 'LOG', policy_version: logged.body['policy_version'] });
    await set('gate_all', as('otto'));
    expect(await research()).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'autonomy:gate_all' });
    await set('observe_only', bed.root, 'research.search', { tenant: 'acme' });
    expect(await research()).toMatchObject({ verdict: 'DENY', code: 'POLICY_DENIED', rule_id: 'autonomy:observe_only' });
    expect((await events(AutonomyChanged.type)).map(({ actorid, data }) => [actorid, data['level_before'], data['level'], data['cause'], data['reason']])).toEqual([
      ['otto', 'auto', 'log', 'person', 'we looked at it'],
      ['otto', 'log', 'gate_all', 'person', 'we looked at it'],
      ['root', 'gate_all', 'observe_only', 'person', 'we looked at it'],
    ]);
    expect((await events(PolicyPublished.type)).at(-1)?.data).toMatchObject({ canonical: expect.stringContaining('"levels":{"outreach-agent":{"research.search":"observe_only"}}') });
    expect([await counted('lowered', 'person'), await counted('raised', 'person')]).toEqual([3, 0]);
  });

  test('invariant 12: only a person with the role, who does not own the agent, raises it, and says why', async () => {
    for (const [who, code] of [[bed.root, 'NOT_A_PERSON'], [as('otto'), 'FORBIDDEN'], [as('oscar'), 'SELF_APPROVAL'], [as('ada'), 'FORBIDDEN'], [agent, 'FORBIDDEN']] as const)
      expect(await set('auto', who, 'research.search', who === bed.root ? { tenant: 'acme' } : {})).toMatchObject({ status: 403, body: { code } });
    expect(await set('auto', as('petra'), 'research.search', { reason: ' ' })).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    expect(await set('auto', as('petra'))).toMatchObject({ status: 200, body: { level_before: 'observe_only', level: 'auto' } });
    expect(await research()).toMatchObject({ verdict: 'ALLOW', tier: 'AUTO' });
    expect(await bed.post('/v1/agents/nobody/autonomy', { action_kind: '*', level: 'log', reason: 'x' }, as('petra'))).toMatchObject({ status: 404 });
  });

  test('what was approved, and nothing else, suggests the next level; nobody raises it by itself', async () => {
    await set('gate_all', as('petra'), 'message.email.send');
    for (const how of ['approved', 'approved'] as const) await ends(how);
    expect(await eventually(() => standing('message.email.send'), ({ suggestion }) => suggestion !== undefined)).toMatchObject({ level: 'gate_all', evidence: { decided: 2, approved: 2, rejected: 0 }, suggestion: { level: 'log', reason: '2 approved, none edited, rejected or denied' } });
    expect(await set('auto', as('petra'), 'message.email.send')).toMatchObject({ status: 200 });
    // What came before the change counts no longer.
    expect(await standing('message.email.send')).toMatchObject({ level: 'auto', evidence: { decided: 0 } });
  });

  test('a rate above its threshold lowers it by itself, once; the change has its evidence, and an alert', async () => {
    const version = async (): Promise<number> => (await research())['policy_version'] as number;
    const before = await version();
    await ends('denied');
    // Told on another topic, which may come later than what people say next.
    await eventually(() => standing('message.email.send'), ({ evidence }) => (evidence as { denied_after_approval: number } | undefined)?.denied_after_approval === 1);
    for (const how of ['approved', 'rejected', 'rejected'] as const) await ends(how);
    await eventually(() => standing('message.email.send'), ({ level }) => level === 'log');
    expect((await events(AutonomyChanged.type)).at(-1)).toMatchObject({
      actortype: 'service',
      data: { agent: 'outreach-agent', action_kind: 'message.email.send', level_before: 'auto', level: 'log', cause: 'automatic', reason: 'rejections 50 % of 4 decided, threshold 30 %', evidence: { decided: 4, approved: 1, rejected: 2, edited: 0, denied_after_approval: 1 }, policy_version: before + 1 },
    });
    await eventually(() => counted('lowered', 'automatic'), (count) => count === 1);
    for (const how of ['edited', 'edited', 'edited', 'approved'] as const) await ends(how);
    await eventually(() => standing('message.email.send'), ({ level }) => level === 'gate_all');
    expect((await events(AutonomyChanged.type)).at(-1)).toMatchObject({ data: { level_before: 'log', level: 'gate_all', reason: 'edits 75 % of 4 decided, threshold 50 %' } });
    expect(await version()).toBe(before + 2);
  });

  test('outcomes that come in one batch are counted each; several of one action are one', async () => {
    const outcome = (name: 'ApprovalGranted' | 'ApprovalRejected' | 'ReservationRefused', action_id: string): EventEnvelope => {
      const granted = { narrowed: [], arguments_hash: hash, granted_arguments_hash: hash };
      const refused = { code: 'BUDGET_EXCEEDED', after_approval: true };
      const definition = { ApprovalGranted, ApprovalRejected, ReservationRefused }[name];
      return { type: definition.type, time: new Date().toISOString(), data: { action_id, ...(name === 'ReservationRefused' ? refused : granted) } } as unknown as EventEnvelope;
    };
    const [first, second, third] = [newId(), newId(), newId()];
    const of = { tenant: 'acme', agent: 'batched', action_kind: 'message.email.send' };
    const viewOf = ({ data }: EventEnvelope): ActionView => ({ tenant: of.tenant, agent: of.agent, action_id: (data as { action_id: string }).action_id, facts: { action_kind: of.action_kind } }) as ActionView;
    await recordOutcomes(bed.database, [outcome('ApprovalGranted', first), outcome('ApprovalRejected', second), outcome('ReservationRefused', first)], viewOf);
    expect(await countsOf(bed.database, of, new Date(0))).toEqual({ decided: 2, approved: 0, rejected: 1, edited: 0, denied_after_approval: 1 });
    await recordOutcomes(bed.database, [outcome('ApprovalRejected', third), outcome('ApprovalGranted', third), outcome('ApprovalGranted', second)], viewOf);
    expect(await countsOf(bed.database, of, new Date(0))).toEqual({ decided: 3, approved: 2, rejected: 0, edited: 0, denied_after_approval: 1 });
  });
});
