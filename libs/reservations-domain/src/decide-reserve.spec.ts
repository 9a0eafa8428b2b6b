import { describe, expect, test } from '@jest/globals';
import type { Code, Grant, ReserveRequest } from '@exequatur/contracts';
import { toInstant } from '@exequatur/kernel';
import { parsePolicy, policyHash, registeredKinds } from '@exequatur/policy-domain';
import { decideReserve, executionIdOf } from './decide-reserve.js';
import type { ReserveDecision } from './decide-reserve.js';
import { policyInForce } from './policy-now.js';
import type { PolicyOpinion } from './policy-now.js';
import { RESERVE_CHECKS } from './reserve-checks.js';
import type { ReserveQuestion } from './reserve-question.js';
import { aBudget, aGrant, aQuestion, aRequest, id, NOW } from './reserve-question.fixture.js';

const withGrant = (changes: Partial<Grant>, request: Partial<ReserveRequest> = {}): ReserveQuestion => aQuestion({ grant: { claims: aGrant(changes), usesTaken: new Set() }, request: aRequest(request) });
const withRequest = (changes: Partial<ReserveRequest>): ReserveQuestion => aQuestion({ request: aRequest(changes) });
const withOpinion = (opinion: PolicyOpinion, grant: Partial<Grant> = {}): ReserveQuestion =>
  aQuestion({ grant: { claims: aGrant(grant), usesTaken: new Set() }, policy: { version: 4, hash: `sha256:${'e'.repeat(64)}`, opinionOn: () => opinion } });
/** A newer policy that allows so much altogether, for a grant of three uses. */
const withTotal = (limit: string, grant: Partial<Grant>, claimed?: Record<string, bigint>, useNo = 1, amounts?: ReserveRequest['amounts']): ReserveQuestion => {
  const question = withOpinion({ verdict: 'ALLOW_WITH_CAPS', caps: { max_total: { USD_MICROCENTS: limit } } }, { max_uses: 3, ...grant });
  return { ...question, request: aRequest({ use_no: useNo, ...(amounts === undefined ? {} : { amounts }) }), grant: { claims: aGrant({ max_uses: 3, ...grant }), usesTaken: new Set(), ...(claimed === undefined ? {} : { claimed }) } };
};
const codeOf = (decision: ReserveDecision): Code | 'held' => (decision.held ? 'held' : decision.code);
const heldBy = (question: ReserveQuestion) => {
  const decision = decideReserve(question);
  if (!decision.held) throw new Error(`refused with ${decision.code}`);
  return decision.data;
};

describe('decideReserve', () => {
  test('holds points and amounts on every budget of the path, with the deadlines and what was judged', () => {
    expect(heldBy(aQuestion())).toMatchObject({
      reservation_id: id(20),
      grant_id: id(1),
      use_no: 1,
      execution_id: executionIdOf('acme', id(1), 1),
      holds: [
        { budget_id: id(10), unit: 'RISK_POINTS', amount: '20', held: '20', committed: '0', cap: '100', entry_no: 2 },
        { budget_id: id(11), unit: 'RISK_POINTS', amount: '20', held: '20', committed: '0', cap: '60', entry_no: 2 },
        { budget_id: id(12), unit: 'USD_MICROCENTS', amount: '500', held: '500', committed: '0', cap: '1000', entry_no: 2 },
      ],
      execute_by: toInstant(NOW + 10_000),
      expires_at: toInstant(NOW + 60_000),
      policy_version: 3,
      policy_result: 'same',
      fence_epoch: 7,
    });
  });

  test('the same use again finds it taken', () => {
    expect(codeOf(decideReserve(aQuestion({ grant: { claims: aGrant(), usesTaken: new Set([1]) } })))).toBe('GRANT_EXHAUSTED');
  });

  test.each<[string, Code, ReserveQuestion]>([
    ['no grant', 'GRANT_UNKNOWN', aQuestion({ grant: undefined })],
    ['a revoked grant', 'GRANT_REVOKED', aQuestion({ grant: { claims: aGrant(), closed: 'revoked', usesTaken: new Set() } })],
    ['a tombstone that came before the grant', 'GRANT_REVOKED', aQuestion({ grant: { closed: 'withdrawn', usesTaken: new Set() } })],
    ['another tenant', 'TENANT_MISMATCH', aQuestion({ caller: { type: 'agent', tenant: 'globex', agent: 'mailer-agent' } })],
    ['another scope', 'SCOPE_MISMATCH', withRequest({ scope_path: 'tenant:acme/workspace:sales' })],
    ['another agent', 'AGENT_MISMATCH', aQuestion({ caller: { type: 'agent', tenant: 'acme', agent: 'other-agent' } })],
    ['an agent that names another one', 'AGENT_MISMATCH', aQuestion({ caller: { type: 'agent', tenant: 'acme', agent: 'other-agent' }, request: aRequest({ agent: 'mailer-agent' }) })],
    ['another run', 'RUN_MISMATCH', withRequest({ run_id: 'run-2' })],
    ['a thread where none was granted', 'RUN_MISMATCH', withRequest({ thread_id: 'thread-1' })],
    ['no thread where one was granted', 'RUN_MISMATCH', withGrant({ thread_id: 'thread-1' })],
    ['another kind', 'KIND_MISMATCH', withRequest({ action_kind: 'message.sms.send' })],
    ['managed where self was granted', 'MODE_MISMATCH', withRequest({ execution_mode: 'managed' })],
    ['a managed grant asked for by the agent', 'MODE_MISMATCH', withGrant({ execution_mode: 'managed' }, { execution_mode: 'managed' })],
    ['a self grant asked for by the executor', 'MODE_MISMATCH', aQuestion({ caller: { type: 'executor', tenant: 'acme' }, request: aRequest({ agent: 'mailer-agent' }) })],
    ['another tool', 'TOOL_MISMATCH', withRequest({ tool: { name: 'mailer.bulk', version: '1' } })],
    ['another version of the tool', 'TOOL_MISMATCH', withRequest({ tool: { name: 'mailer.send', version: '2' } })],
    ['another target', 'TARGET_MISMATCH', withRequest({ target_hash: `sha256:${'0'.repeat(64)}` })],
    ['the arguments as proposed where narrowed ones were granted', 'ARGUMENTS_MISMATCH', withRequest({ arguments_hash: aGrant().arguments_hash })],
    ['a grant of the future', 'GRANT_NOT_YET_VALID', withGrant({ not_before: toInstant(NOW + 1) })],
    ['a grant at its expiry', 'GRANT_EXPIRED', withGrant({ expires_at: toInstant(NOW) })],
    ['a use past the last', 'GRANT_EXHAUSTED', withRequest({ use_no: 2 })],
    ['use 0', 'GRANT_EXHAUSTED', withRequest({ use_no: 0 })],
    ['a frozen tenant', 'FROZEN', aQuestion({ freezes: [{ freezeId: id(30), scope: 'tenant', value: 'acme' }] })],
    ['a frozen agent', 'FROZEN', aQuestion({ freezes: [{ freezeId: id(30), scope: 'agent', value: 'mailer-agent' }] })],
    ['a frozen kind', 'FROZEN', aQuestion({ freezes: [{ freezeId: id(30), scope: 'kind', value: 'message.email.send' }] })],
    ['a frozen tool', 'FROZEN', aQuestion({ freezes: [{ freezeId: id(30), scope: 'tool', value: 'mailer.send' }] })],
    ['a frozen tool version', 'FROZEN', aQuestion({ freezes: [{ freezeId: id(30), scope: 'tool', value: 'mailer.send@1' }] })],
    ['a frozen grant', 'FROZEN', aQuestion({ freezes: [{ freezeId: id(30), scope: 'grant', value: id(1) }] })],
    ['no policy here yet', 'POLICY_NOT_YET_KNOWN', aQuestion({ policy: undefined })],
    ['a grant of a newer policy', 'POLICY_NOT_YET_KNOWN', withOpinion({ verdict: 'ALLOW', caps: {} }, { policy_version: 5 })],
    ['a policy that denies now', 'POLICY_CHANGED_DENY', withOpinion({ verdict: 'DENY' })],
    ['a policy that sets it aside now', 'POLICY_CHANGED_DENY', withOpinion({ verdict: 'QUARANTINE' })],
    ['a policy that wants other people', 'POLICY_CHANGED_APPROVAL_REQUIRED', withOpinion({ verdict: 'REQUIRE_APPROVAL', stages: [{ roles: ['finance'], quorum: 1 }], distinct: true, caps: {} })],
    ['more points than granted', 'POINTS_EXCEEDED', withRequest({ amounts: [{ unit: 'RISK_POINTS', amount: '21' }] })],
    ['more money than granted', 'CAP_EXCEEDED', withRequest({ amounts: [{ unit: 'USD_MICROCENTS', amount: '501' }] })],
    ['a unit named twice', 'CAP_EXCEEDED', withRequest({ amounts: [{ unit: 'TOKENS', amount: '1' }, { unit: 'TOKENS', amount: '1' }] })],
    ['an amount past a cap of the grant', 'CAP_EXCEEDED', withGrant({ caps: { max_amount: { USD_MICROCENTS: '499' } } })],
    ['an amount past a cap the policy adds', 'CAP_EXCEEDED', withOpinion({ verdict: 'ALLOW_WITH_CAPS', caps: { max_amount: { USD_MICROCENTS: '499' } } })],
    ['another environment', 'CAP_EXCEEDED', withRequest({ environment: 'staging' })],
    ['an environment outside the caps', 'CAP_EXCEEDED', withGrant({ caps: { environments: ['staging'] } })],
    ['a tool outside the caps', 'CAP_EXCEEDED', withGrant({ caps: { tools: ['mailer.draft'] } })],
    ['a total the policy lowered', 'CAP_EXCEEDED', withTotal('600', { total_amounts: [{ unit: 'USD_MICROCENTS', amount: '9000' }] }, { USD_MICROCENTS: 500n })],
    ['a total the policy adds, at a later use', 'CAP_EXCEEDED', withTotal('999', {}, undefined, 2)],
    ['a total the policy adds, of a unit the grant does not fix', 'CAP_EXCEEDED', withTotal('999', { amounts: [] }, undefined, 1, [{ unit: 'USD_MICROCENTS', amount: '1' }])],
    ['a lifetime the policy shortened', 'CAP_EXCEEDED', withOpinion({ verdict: 'ALLOW_WITH_CAPS', caps: { expires_in_ms: 60_000 } })],
    ['a unit without a budget', 'BUDGET_UNKNOWN', withRequest({ amounts: [{ unit: 'TOKENS', amount: '1' }] })],
    ['a zero budget', 'BUDGET_EXCEEDED', aQuestion({ budgets: [aBudget({ cap: 0n }), aBudget({ budgetId: id(12), unit: 'USD_MICROCENTS' })] })],
    ['an ancestor that does not cover it', 'BUDGET_EXCEEDED', aQuestion({ budgets: [aBudget({ held: 60n, committed: 21n }), aBudget({ budgetId: id(12), unit: 'USD_MICROCENTS', cap: 500n })] })],
  ])('refuses %s with %s', (_, code, question) => {
    const decision = decideReserve(question);
    expect(codeOf(decision)).toBe(code);
    expect(decision.data).toMatchObject({ reservation_id: id(20), agent: question.caller.type === 'agent' ? question.caller.agent : 'mailer-agent' });
  });

  test('a refusal after an approval says so, and keeps a foreign action out of the log', () => {
    const revoked = decideReserve(aQuestion({ grant: { claims: aGrant(), closed: 'revoked', usesTaken: new Set() } }));
    expect(revoked.data).toMatchObject({ after_approval: true, action_id: id(2) });
    const foreign = decideReserve(aQuestion({ caller: { type: 'agent', tenant: 'globex', agent: 'mailer-agent' } }));
    expect(foreign.data).not.toHaveProperty('action_id');
  });

  test('the budget behind a refusal is named for operators', () => {
    expect(decideReserve(aQuestion({ budgets: [aBudget({ cap: 19n }), aBudget({ budgetId: id(12), unit: 'USD_MICROCENTS', cap: 500n })] })).data).toMatchObject({ budget_id: id(10) });
  });

  test('invariant 2: execute_by never passes the grant\'s expiry, and the hold never ends before execute_by', () => {
    const data = heldBy(withGrant({ expires_at: toInstant(NOW + 4_000) }, { ttl_ms: 1 }));
    expect(data).toMatchObject({ execute_by: toInstant(NOW + 4_000), expires_at: toInstant(NOW + 4_000) });
  });

  test('a managed hold stands while its action may run', () => {
    const question = aQuestion({
      caller: { type: 'executor', tenant: 'acme' },
      request: aRequest({ agent: 'mailer-agent', execution_mode: 'managed', ttl_ms: 1_000 }),
      grant: { claims: aGrant({ execution_mode: 'managed', caps: { max_runtime_sec: 300 } }), usesTaken: new Set() },
    });
    expect(heldBy(question).expires_at).toBe(toInstant(NOW + 10_000 + 300_000));
  });

  test('invariant 13: an approval whose people meet the new rule still stands, within its caps', () => {
    const opinion: PolicyOpinion = { verdict: 'REQUIRE_APPROVAL', stages: [{ roles: ['approver'], quorum: 1 }], distinct: true, caps: { max_amount: { USD_MICROCENTS: '700' }, max_runtime_sec: 5 } };
    expect(heldBy(withOpinion(opinion, { caps: { max_runtime_sec: 9 } }))).toMatchObject({ policy_result: 're_evaluated', policy_version: 4, caps: { max_amount: { USD_MICROCENTS: '700' }, max_runtime_sec: 5 } });
  });

  test('invariant 13: inside a total that only the newer policy sets, uses are claimed', () => {
    expect(codeOf(decideReserve(withTotal('1000', {}, undefined, 2)))).toBe('held');
    expect(codeOf(decideReserve(withTotal('1000', { total_amounts: [{ unit: 'USD_MICROCENTS', amount: '9000' }] }, { USD_MICROCENTS: 500n })))).toBe('held');
  });

  test('the policy in force is asked on the facts of the grant', () => {
    const parsed = parsePolicy({ version: 1, classes: { mail: { kinds: ['message.email.send'], default: 'deny' } } });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
    const policy = policyInForce(4, policyHash(parsed.policy), parsed.policy, new Set(registeredKinds(parsed.policy)));
    expect(codeOf(decideReserve(aQuestion({ policy })))).toBe('POLICY_CHANGED_DENY');
  });

  test('further units are held beside the granted ones, and a zero amount needs no budget', () => {
    const budgets = [...aQuestion().budgets, aBudget({ budgetId: id(13), unit: 'TOKENS', cap: 10n })];
    const data = heldBy(aQuestion({ budgets, request: aRequest({ amounts: [{ unit: 'TOKENS', amount: '10' }, { unit: 'CALLS', amount: '0' }, { unit: 'RISK_POINTS', amount: '1' }] }) }));
    expect(data.holds.map(({ unit, amount }) => `${unit} ${amount}`)).toEqual(['RISK_POINTS 20', 'RISK_POINTS 20', 'USD_MICROCENTS 500', 'TOKENS 10']);
  });

  test('the order of refusal: spoiling everything gives the first code, and each repair the next', () => {
    expect(RESERVE_CHECKS.map(({ name }) => name)).toEqual([
      'grantKnown', 'grantOpen', 'sameTenant', 'sameScope', 'sameAgent', 'sameRun', 'sameKind', 'sameMode', 'sameTool', 'sameTarget', 'sameArguments', 'handedOn',
      'alreadyValid', 'notExpired', 'useFree', 'notFrozen', 'circuitClosed', 'policyAgrees', 'pointsWithin', 'amountsWithin', 'totalsWithin', 'capsHold', 'velocityWithin', 'runWithin', 'budgetsKnown', 'budgetsCover',
    ]);
    const worst = aQuestion({
      request: aRequest({ run_id: 'x', action_kind: 'x', tool: { name: 'x', version: 'x' }, arguments_hash: `sha256:${'0'.repeat(64)}`, use_no: 9 }),
      grant: { claims: aGrant({ expires_at: toInstant(NOW - 1) }), closed: 'revoked', usesTaken: new Set([1]) },
      freezes: [{ freezeId: id(30), scope: 'tenant', value: 'acme' }],
      budgets: [],
    });
    const repairs: readonly ((question: ReserveQuestion) => ReserveQuestion)[] = [
      (question) => ({ ...question, grant: { usesTaken: new Set([1]), claims: aGrant({ expires_at: toInstant(NOW - 1) }) } }),
      (question) => ({ ...question, request: { ...question.request, run_id: 'run-1' } }),
      (question) => ({ ...question, request: { ...question.request, action_kind: 'message.email.send' } }),
      (question) => ({ ...question, request: { ...question.request, tool: { name: 'mailer.send', version: '1' } } }),
      (question) => ({ ...question, request: { ...question.request, arguments_hash: aGrant().granted_arguments_hash } }),
      (question) => ({ ...question, grant: { claims: aGrant(), usesTaken: new Set([1]) } }),
      (question) => ({ ...question, grant: { claims: aGrant(), usesTaken: new Set() }, request: aRequest() }),
      (question) => ({ ...question, freezes: [] }),
    ];
    const codes = [codeOf(decideReserve(worst))];
    repairs.reduce((question, repair) => {
      const next = repair(question);
      codes.push(codeOf(decideReserve(next)));
      return next;
    }, worst);
    expect(codes).toEqual(['GRANT_REVOKED', 'RUN_MISMATCH', 'KIND_MISMATCH', 'TOOL_MISMATCH', 'ARGUMENTS_MISMATCH', 'GRANT_EXPIRED', 'GRANT_EXHAUSTED', 'FROZEN', 'BUDGET_UNKNOWN']);
  });
});
