import { describe, expect, test } from '@jest/globals';
import type { Code, DelegatedAuthority, Grant } from '@exequatur/contracts';
import { toInstant } from '@exequatur/kernel';
import { specFor } from '@exequatur/testing';
import { decideReserve } from './decide-reserve.js';
import type { ReserveDecision } from './decide-reserve.js';
import { authorityOfGrant, authorityOfRun, decideDelegation, evolveDelegation, initialDelegation, NOTHING_USED } from './delegation.js';
import type { DelegatingParent, Delegation, DelegationCommand, DelegationEvent, DelegationState } from './delegation.js';
import { aGrant, aQuestion, aRequest, id, NOW } from './reserve-question.fixture.js';
import type { ReserveQuestion } from './reserve-question.js';

const grant = (changes: Partial<Grant> = {}): Grant => aGrant({ max_uses: 4, caps: { max_amount: { USD_MICROCENTS: '900' }, environments: ['prod', 'staging'] }, ...changes });
const parentOf = (changes: Partial<DelegatingParent> = {}): DelegatingParent => ({ parent: { type: 'grant', id: id(1) }, holder: 'mailer-agent', runId: 'run-1', authority: authorityOfGrant(grant()), depth: 0, ended: false, ...changes });
const grantTo = (authority: Partial<DelegatedAuthority> = {}, parent = parentOf(), toAgent = 'child'): DelegationCommand => ({ type: 'GrantDelegation', data: { delegationId: id(50), parent, fromAgent: 'mailer-agent', toAgent, authority, nowMs: NOW } });

describe('a delegation', () => {
  const delegation = specFor<DelegationState, DelegationCommand, DelegationEvent, Code>({ decide: decideDelegation, evolve: evolveDelegation, initialState: initialDelegation });
  const handed: DelegatedAuthority = {
    scope_path: grant().scope_path,
    kinds: ['message.email.send'],
    tools: ['mailer.send@1'],
    targets: [grant().target_hash ?? ''],
    caps: { environments: ['prod'], max_amount: { USD_MICROCENTS: '900' } },
    max_uses: 2,
    total_points: 80,
    total_amounts: [{ unit: 'USD_MICROCENTS', amount: '2000' }],
    expires_at: grant().expires_at,
  };
  const granted: DelegationEvent = { type: 'DelegationGranted', data: { delegation_id: id(50), parent: { type: 'grant', id: id(1) }, from_agent: 'mailer-agent', to_agent: 'child', run_id: 'run-1', depth: 1, authority: handed } };
  const narrower = { max_uses: 2, caps: { environments: ['prod'] } };

  test('hands on what is narrowed, and the rest as it is; the same again is refused', () => {
    delegation.given().when(grantTo(narrower)).then(granted);
    delegation.given(granted).when(grantTo(narrower)).thenRefused('CONFLICT');
  });
  test.each<[keyof DelegatedAuthority, Partial<DelegatedAuthority>]>([
    ['scope_path', { scope_path: 'tenant:acme/workspace:sales' }],
    ['kinds', { kinds: ['message.email.send', 'payment.refund'] }],
    ['tools', { tools: ['mailer.send'] }],
    ['targets', { targets: [`sha256:${'0'.repeat(64)}`] }],
    ['caps', { caps: { environments: ['prod', 'dev'] } }],
    ['caps', { caps: { max_amount: { USD_MICROCENTS: '901' } } }],
    ['max_uses', { max_uses: 5 }],
    ['total_points', { total_points: 81 }],
    ['total_amounts', { total_amounts: [{ unit: 'USD_MICROCENTS', amount: '2001' }] }],
    ['expires_at', { expires_at: toInstant(NOW + 600_001) }],
  ])('invariant 17: never hands on more than is there: %s', (part, authority) => {
    delegation.given().when(grantTo(authority)).thenRefused('WIDENS_AUTHORITY');
    expect(decideDelegation(grantTo(authority), initialDelegation())).toMatchObject({ pointer: `/authority/${part}` });
  });
  test('only who holds it hands it on, to another, while it stands, three deep', () => {
    delegation.given().when(grantTo({}, parentOf({ holder: 'other' }))).thenRefused('AGENT_MISMATCH');
    delegation.given().when(grantTo({}, parentOf(), 'mailer-agent')).thenRefused('INVALID');
    delegation.given().when(grantTo({}, parentOf({ ended: true }))).thenRefused('GRANT_REVOKED');
    delegation.given().when(grantTo({}, parentOf({ authority: { ...authorityOfGrant(grant()), expires_at: toInstant(NOW) } }))).thenRefused('GRANT_EXPIRED');
    delegation.given().when(grantTo({}, parentOf({ depth: 3 }))).thenRefused('WIDENS_AUTHORITY');
    delegation.given().when(grantTo({ expires_at: toInstant(NOW) })).thenRefused('INVALID');
  });
  test('is revoked with a reason, once', () => {
    const revoke: DelegationCommand = { type: 'RevokeDelegation', data: { reason: 'done' } };
    const revoked: DelegationEvent = { type: 'DelegationRevoked', data: { delegation_id: id(50), reason: 'done' } };
    delegation.given(granted).when(revoke).then(revoked);
    delegation.given(granted, revoked).when(revoke).thenNothing();
    delegation.given().when(revoke).thenRefused('NOT_FOUND');
    delegation.given(granted).when({ type: 'RevokeDelegation', data: { reason: '' } }).thenRefused('REASON_REQUIRED');
  });
});

/** A grant of mailer-agent, handed to a child, and by it to a grandchild. */
const authority = authorityOfGrant(grant());
const link = (changes: Partial<Delegation>): Delegation => ({ delegationId: id(50), parent: { type: 'grant', id: id(1) }, fromAgent: 'mailer-agent', toAgent: 'child', runId: 'run-1', depth: 1, authority, revoked: false, used: NOTHING_USED, ...changes });
const below = (changes: Partial<Delegation> = {}): Delegation => link({ delegationId: id(51), parent: { type: 'delegation', id: id(50) }, fromAgent: 'child', toAgent: 'grandchild', depth: 2, ...changes });
const asked = (chain: readonly Delegation[], changes: Partial<ReserveQuestion> = {}, agent = chain[0]?.toAgent ?? 'child'): ReserveQuestion =>
  aQuestion({
    caller: { type: 'agent', tenant: 'acme', agent },
    request: aRequest({ delegation_id: chain[0]?.delegationId ?? id(50) }),
    grant: { claims: grant(), usesTaken: new Set() },
    delegations: chain,
    ...changes,
  });
const codeOf = (decision: ReserveDecision): string => (decision.held ? 'held' : decision.code);

describe('a claim under a delegation', () => {
  test('is the child\'s, and is charged to every ancestor', () => {
    const decision = decideReserve(asked([below(), link({ used: { uses: 1, amounts: { RISK_POINTS: 20n } } })]));
    expect(decision).toMatchObject({
      held: true,
      data: { agent: 'grandchild', grant_id: id(1), delegations: [id(51), id(50)] },
      delegations: [
        { delegationId: id(51), used: { uses: 1, amounts: { RISK_POINTS: 20n, USD_MICROCENTS: 500n } } },
        { delegationId: id(50), used: { uses: 2, amounts: { RISK_POINTS: 40n, USD_MICROCENTS: 500n } } },
      ],
    });
  });
  test.each<[string, Code, ReserveQuestion]>([
    ['another agent', 'AGENT_MISMATCH', asked([link({})], {}, 'other')],
    ['a child that names no delegation', 'AGENT_MISMATCH', asked([link({})], { request: aRequest() })],
    ['a delegation nobody knows', 'GRANT_UNKNOWN', asked([], {}, 'child')],
    ['a chain with a gap', 'GRANT_UNKNOWN', asked([below()])],
    ['a chain that was handed on by somebody else', 'GRANT_UNKNOWN', asked([below({ fromAgent: 'stranger' }), link({})])],
    ['a delegation of another grant', 'AGENT_MISMATCH', asked([link({ parent: { type: 'grant', id: id(9) } })])],
    ['a grant asked for under a delegation itself', 'AGENT_MISMATCH', asked([link({})], { grant: { claims: grant({ facts: { ...grant().facts, delegation_id: id(60) } }), usesTaken: new Set() } })],
    ['a revoked delegation', 'GRANT_REVOKED', asked([link({ revoked: true })])],
    ['a revoked ancestor', 'GRANT_REVOKED', asked([below(), link({ revoked: true })])],
    ['a revoked grant', 'GRANT_REVOKED', asked([below(), link({})], { grant: { claims: grant(), closed: 'revoked', usesTaken: new Set() } })],
    ['an expired ancestor', 'GRANT_EXPIRED', asked([below(), link({ authority: { ...authority, expires_at: toInstant(NOW) } })])],
    ['another place', 'SCOPE_MISMATCH', asked([link({ authority: { ...authority, scope_path: `${authority.scope_path}/agent:x` } })])],
    ['another kind', 'KIND_MISMATCH', asked([link({ authority: { ...authority, kinds: [] } })])],
    ['another tool', 'TOOL_MISMATCH', asked([below(), link({ authority: { ...authority, tools: ['mailer.send@2'] } })])],
    ['another target', 'TARGET_MISMATCH', asked([link({ authority: { ...authority, targets: [] } })])],
    ['more than a cap that was narrowed', 'CAP_EXCEEDED', asked([link({ authority: { ...authority, caps: { ...authority.caps, max_amount: { USD_MICROCENTS: '499' } } } })])],
    ['more uses than handed on', 'GRANT_EXHAUSTED', asked([link({ used: { uses: 2, amounts: {} }, authority: { ...authority, max_uses: 2 } })])],
    ['more uses than an ancestor has', 'GRANT_EXHAUSTED', asked([below(), link({ used: { uses: 4, amounts: {} } })])],
    ['more points than handed on', 'POINTS_EXCEEDED', asked([link({ authority: { ...authority, total_points: 19 } })])],
    ['a larger amount than handed on', 'GRANT_EXHAUSTED', asked([link({ used: { uses: 1, amounts: { USD_MICROCENTS: 1_501n } } })])],
    ['a frozen parent agent', 'FROZEN', asked([below(), link({})], { freezes: [{ freezeId: id(30), scope: 'agent', value: 'mailer-agent' }] })],
    ['a frozen agent in between', 'FROZEN', asked([below(), link({})], { freezes: [{ freezeId: id(30), scope: 'agent', value: 'child' }] })],
    ['a parent agent whose circuit is open', 'CIRCUIT_OPEN', asked([below(), link({})], { circuits: [{ circuitId: id(7), agent: 'mailer-agent', status: 'Open', probesLeft: 0 }] })],
  ])('refuses %s with %s', (_, code, question) => expect(codeOf(decideReserve(question))).toBe(code));

  test('more than three deep is no chain', () => {
    const deep = [3, 2, 1, 0].map((level) => link({ delegationId: id(50 + level), fromAgent: `a${level}`, toAgent: `a${level + 1}`, depth: level + 1, parent: level === 0 ? { type: 'grant', id: id(1) } : { type: 'delegation', id: id(49 + level) } }));
    const root = deep.at(-1);
    if (root === undefined) throw new Error('no root');
    expect(codeOf(decideReserve(asked([...deep.slice(0, 3), { ...root, fromAgent: 'mailer-agent' }])))).toBe('GRANT_UNKNOWN');
  });

  test('under a run the child uses its own grant, in its parent\'s run and within what it was handed', () => {
    const ofRun = link({ parent: { type: 'run', id: 'run-1' }, fromAgent: 'boss', authority: authorityOfRun('tenant:acme/workspace:sales', toInstant(NOW + 60_000)) });
    const own = { claims: grant({ agent_identity: 'child' }), usesTaken: new Set<number>() };
    const decision = decideReserve(asked([ofRun], { grant: own, policy: { version: 3, hash: grant().policy_hash, opinionOn: () => ({ verdict: 'DENY' }), limits: { run: { max_steps: 5 } } }, run: { startedAtMs: undefined, budgets: [] } }));
    expect(decision).toMatchObject({ held: true, data: { agent: 'child', delegations: [id(50)] } });
    expect(decision.held ? decision.budgets.at(-1)?.scopePath : '').toBe('tenant:acme/agent:boss/run:run-1');
    expect(codeOf(decideReserve(asked([{ ...ofRun, parent: { type: 'run', id: 'run-2' } }], { grant: own })))).toBe('AGENT_MISMATCH');
    expect(codeOf(decideReserve(asked([ofRun])))).toBe('AGENT_MISMATCH');
  });
});
