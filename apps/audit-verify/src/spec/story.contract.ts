import * as contracts from '@exequatur/contracts';
import type { BudgetMove, DataOf, Grant, PolicyFacts } from '@exequatur/contracts';
import { derivedId, newId, sha256Text } from '@exequatur/kernel';
import { SampleLog } from './sample-log.contract.js';

export const WORKSPACE = 'tenant:acme/workspace:sales';
export const SCOPE = `${WORKSPACE}/app:outreach`;
const CANONICAL = '{"version":1}';
export const POLICY = { policy_hash: sha256Text(Buffer.from(CANONICAL, 'utf8')), policy_version: 1 };
export const hashOf = (digit: string): string => `sha256:${digit.repeat(64)}`;

type Mode = 'managed' | 'self';
type Held = DataOf<typeof contracts.ReservationHeld>;

const person = (id: string) => ({ actor: { type: 'person', id } }) as const;
const agent = { actor: { type: 'agent', id: 'outreach-agent' } } as const;
const demand = { stages: [{ roles: ['finance'], quorum: 1 }, { roles: ['finance-lead'], quorum: 1 }], distinct: true, ttl_ms: 3_600_000, on_timeout: 'deny' } as const;
const tool = { name: 'mailer.send', version: '1.0' };
const target = hashOf('b');

/** One small tenant in which everything that can end well or badly has happened once. */
export class Story {
  readonly log = new SampleLog();
  private readonly budgets = new Map<string, { id: string; scope: string; entryNo: number; held: bigint; committed: bigint; cap: bigint }>();
  epoch = 0;

  /** @param scale how many rounds the budgets last */
  async begin(scale = 1): Promise<void> {
    const { log } = this;
    await log.emit('policy', 'acme', contracts.TenantCreated, { tenant: 'acme', display_name: 'Acme' });
    await log.emit('policy', 'outreach-agent', contracts.AgentRegistered, { agent: 'outreach-agent', display_name: 'Outreach', owner: 'olga', scope_prefix: WORKSPACE });
    await log.emit('policy', 'fred', contracts.PersonLinked, { person: 'fred', subject: 'idp#1', roles: ['approver', 'finance'] });
    await log.emit('policy', 'lena', contracts.PersonLinked, { person: 'lena', subject: 'idp#2', roles: ['approver', 'finance-lead', 'operator'] });
    await log.emit('policy', 'acme', contracts.PolicyPublished, { ...POLICY, source: 'version: 1', canonical: CANONICAL, registered_kinds: ['message.email.send'], reason: 'first' }, person('lena'));
    this.epoch += 1;
    await log.emit('reservations', 'acme', contracts.PolicyInForce, { ...POLICY, fence_epoch: this.epoch });
    for (const [name, scope, cap] of [['top', 'tenant:acme', 1_000n * BigInt(scale)], ['sales', WORKSPACE, 100n * BigInt(scale)]] as const) {
      const id = newId();
      this.budgets.set(name, { id, scope, entryNo: 1, held: 0n, committed: 0n, cap });
      await log.emit('reservations', id, contracts.BudgetDefined, { budget_id: id, scope_path: scope, unit: 'RISK_POINTS', cap: String(cap), entry_no: 1 }, person('lena'));
    }
    log.nowMs += 60_000;
  }

  facts(mode: Mode): PolicyFacts {
    return { tenant: 'acme', scope_path: SCOPE, agent: 'outreach-agent', run_id: 'run-1', action_kind: 'message.email.send', tool, risk_tags: [], risk_points: 20, amounts: [], has_evidence: true, has_reversal: false, execution_mode: mode };
  }

  async propose(mode: Mode): Promise<string> {
    const actionId = newId();
    await this.log.emit('policy', actionId, contracts.ActionProposed, { action_id: actionId, facts: this.facts(mode), claimed: {}, arguments_hash: hashOf('a'), target_hash: target, action_hash: hashOf('c'), door: 'http', agent_owner: 'olga' }, agent);
    return actionId;
  }

  grant(actionId: string, grantId: string, mode: Mode, more: Partial<Grant>): Grant {
    return {
      grant_id: grantId,
      source: 'allowance',
      action_id: actionId,
      tenant: 'acme',
      scope_path: SCOPE,
      agent_identity: 'outreach-agent',
      run_id: 'run-1',
      action_kind: 'message.email.send',
      on_silence: 'unknown',
      tool,
      target_hash: target,
      arguments_hash: hashOf('a'),
      granted_arguments_hash: hashOf('a'),
      binding: 'exact',
      execution_mode: mode,
      not_before: this.log.instant(),
      expires_at: this.log.instant(600_000),
      max_uses: 1,
      risk_points: 20,
      amounts: [],
      caps: {},
      approvers: [],
      ...POLICY,
      rule_id: 'class:external',
      facts: this.facts(mode),
      ...more,
    };
  }

  private ruling(actionId: string) {
    return { action_id: actionId, ...POLICY, rule_id: 'class:external', reason: 'because' };
  }

  /** @returns the claims of its grant */
  async allowed(mode: Mode, caps?: contracts.Caps): Promise<Grant> {
    const actionId = await this.propose(mode);
    const grant = this.grant(actionId, actionId, mode, { ...(caps === undefined ? {} : { caps }), on_silence: 'expire' });
    const data = { ...this.ruling(actionId), tier: 'AUTO' as const, sampled: false, grant_id: actionId, grant: this.log.signGrant('policy', grant), expires_at: grant.expires_at };
    if (caps === undefined) await this.log.emit('policy', actionId, contracts.ActionAllowed, data);
    else await this.log.emit('policy', actionId, contracts.ActionCapped, { ...data, caps });
    return grant;
  }

  private async opened(actionId: string, approvalId: string): Promise<void> {
    const expires = this.log.instant(3_600_000);
    await this.log.emit('policy', actionId, contracts.ApprovalRequired, { ...this.ruling(actionId), approval_id: approvalId, facts: this.facts('managed'), agent_owner: 'olga', arguments_hash: hashOf('a'), target_hash: target, narrowable: {}, demand, on_silence: 'unknown', expires_at: expires, caps: { max_uses: 1 } });
    await this.log.emit('approvals', approvalId, contracts.ApprovalOpened, { approval_id: approvalId, action_id: actionId, agent: 'outreach-agent', agent_owner: 'olga', demand, view_hash: hashOf('d'), renderer: 'card/1', ...POLICY, rule_id: 'class:external', expires_at: expires });
  }

  private async vote(actionId: string, approvalId: string, who: string, stage: number, vote: 'approve' | 'reject', grantedHash: string): Promise<string> {
    const role = demand.stages[stage]?.roles[0] as string;
    const voted = await this.log.emit('approvals', approvalId, contracts.ApprovalVoted, { approval_id: approvalId, action_id: actionId, person: who, role, stage, vote, view_hash: hashOf('d'), granted_arguments_hash: grantedHash }, person(who));
    return voted.envelope.id;
  }

  async approved(): Promise<Grant> {
    const actionId = await this.propose('managed');
    const approvalId = newId();
    await this.opened(actionId, approvalId);
    const narrowedTo = hashOf('e');
    const votes = [await this.vote(actionId, approvalId, 'fred', 0, 'approve', narrowedTo), await this.vote(actionId, approvalId, 'lena', 1, 'approve', narrowedTo)];
    const approvers = [{ person: 'fred', role: 'finance', stage: 0, vote_event_id: votes[0] as string }, { person: 'lena', role: 'finance-lead', stage: 1, vote_event_id: votes[1] as string }];
    const grant = this.grant(actionId, approvalId, 'managed', { source: 'approval', granted_arguments_hash: narrowedTo, caps: { max_uses: 1 }, approvers, view_hash: hashOf('d') });
    await this.log.emit('approvals', approvalId, contracts.ApprovalGranted, { approval_id: approvalId, action_id: actionId, grant_id: approvalId, grant: this.log.signGrant('approvals', grant), approver_ids: ['fred', 'lena'], vote_event_ids: votes, granted_arguments_hash: narrowedTo, arguments_hash: hashOf('a'), narrowed: ['/amount'], view_hash: hashOf('d'), expires_at: grant.expires_at }, person('lena'));
    return grant;
  }

  async rejected(): Promise<void> {
    const actionId = await this.propose('managed');
    const approvalId = newId();
    await this.opened(actionId, approvalId);
    await this.vote(actionId, approvalId, 'fred', 0, 'reject', hashOf('a'));
    await this.log.emit('approvals', approvalId, contracts.ApprovalRejected, { approval_id: approvalId, action_id: actionId, person: 'fred', reason_code: 'too-risky', instruction: 'abort', view_hash: hashOf('d') }, person('fred'));
  }

  private move(change: (budget: { held: bigint; committed: bigint }) => void, amount: bigint): BudgetMove[] {
    return [...this.budgets.values()].map((budget) => {
      change(budget);
      budget.entryNo += 1;
      return { budget_id: budget.id, unit: 'RISK_POINTS', amount: String(amount), entry_no: budget.entryNo, held: String(budget.held), committed: String(budget.committed), cap: String(budget.cap) };
    });
  }

  async held(grant: Grant): Promise<Held> {
    const id = newId();
    const data: Held = {
      reservation_id: id,
      purpose: 'execution',
      grant_id: grant.grant_id,
      use_no: 1,
      action_id: grant.action_id,
      execution_id: derivedId('execution', 'acme', grant.grant_id, '1'),
      attempt: 1,
      agent: grant.agent_identity,
      scope_path: SCOPE,
      run_id: 'run-1',
      action_kind: grant.action_kind,
      execution_mode: grant.execution_mode,
      on_silence: grant.on_silence,
      tool,
      target_hash: target,
      granted_arguments_hash: grant.granted_arguments_hash,
      holds: this.move((budget) => (budget.held += 20n), 20n),
      caps: grant.caps,
      execute_by: this.log.instant(10_000),
      expires_at: this.log.instant(120_000),
      ...POLICY,
      policy_result: 'same',
      fence_epoch: this.epoch,
    };
    await this.log.emit('reservations', id, contracts.ReservationHeld, data);
    return data;
  }

  execution(grant: Grant) {
    return { execution_id: derivedId('execution', 'acme', grant.grant_id, '1'), action_id: grant.action_id, grant_id: grant.grant_id, use_no: 1 };
  }

  async started(grant: Grant, held: Held): Promise<void> {
    if (grant.execution_mode === 'managed') {
      const execution = this.execution(grant);
      await this.log.emit('executor', execution.execution_id, contracts.ExecutionStarted, { ...execution, reservation_id: held.reservation_id, execute_by: held.execute_by });
    }
    await this.log.emit('reservations', held.reservation_id, contracts.ReservationStarted, { reservation_id: held.reservation_id, started_at: this.log.instant(), attested_by: grant.execution_mode === 'managed' ? 'executor' : 'agent' }, { correlationId: grant.action_id });
  }

  private settlement(grant: Grant, held: Held) {
    return { reservation_id: held.reservation_id, grant_id: grant.grant_id, action_id: grant.action_id };
  }

  async succeeded(grant: Grant, held: Held): Promise<void> {
    const managed = grant.execution_mode === 'managed';
    const execution = this.execution(grant);
    if (managed) await this.log.emit('executor', execution.execution_id, contracts.ExecutionSucceeded, { ...execution, reservation_id: held.reservation_id, actual: [], executed_arguments_hash: grant.granted_arguments_hash });
    const moves = this.move((budget) => {
      budget.held -= 20n;
      budget.committed += 15n;
    }, 15n);
    await this.log.emit('reservations', held.reservation_id, contracts.ReservationCommitted, { ...this.settlement(grant, held), outcome: 'SUCCEEDED', attested_by: managed ? 'executor' : 'agent', moves, actual: [{ unit: 'RISK_POINTS', amount: '15' }] });
  }

  async unknownThenReconciled(grant: Grant, held: Held): Promise<void> {
    const execution = this.execution(grant);
    await this.log.emit('executor', execution.execution_id, contracts.ExecutionUnknown, { ...execution, reservation_id: held.reservation_id, code: 'TIMED_OUT_UNKNOWN' });
    await this.log.emit('reservations', held.reservation_id, contracts.ReservationMarkedUnknown, { ...this.settlement(grant, held), outcome: 'UNKNOWN', attested_by: 'executor', moves: [], reason: 'no answer' });
    await this.log.emit('executor', execution.execution_id, contracts.ExecutionReconciled, { ...execution, reservation_id: held.reservation_id, result: 'not_executed', by: 'person', person: 'lena' }, person('lena'));
    await this.log.emit('reservations', held.reservation_id, contracts.ReservationReleased, { ...this.settlement(grant, held), outcome: 'FAILED', attested_by: 'person', moves: this.move((budget) => (budget.held -= 20n), 0n), reason: 'reconciled' });
  }

  async expired(grant: Grant, held: Held): Promise<void> {
    await this.log.emit('reservations', held.reservation_id, contracts.ReservationExpired, { ...this.settlement(grant, held), outcome: 'NONE', attested_by: 'system', moves: this.move((budget) => (budget.held -= 20n), 0n) });
  }

  async refused(grant: Grant): Promise<void> {
    const id = newId();
    await this.log.emit('reservations', id, contracts.ReservationRefused, { reservation_id: id, grant_id: grant.grant_id, use_no: 1, action_id: grant.action_id, agent: 'outreach-agent', code: 'BUDGET_EXCEEDED', after_approval: false, attempt: 1 });
  }

  async revoked(grant: Grant): Promise<void> {
    await this.log.emit('approvals', grant.grant_id, contracts.GrantRevoked, { approval_id: grant.grant_id, action_id: grant.action_id, grant_id: grant.grant_id, person: 'lena' }, person('lena'));
    await this.log.emit('reservations', grant.grant_id, contracts.GrantClosed, { grant_id: grant.grant_id, action_id: grant.action_id, reason: 'revoked' });
  }

  async frozenAndLifted(): Promise<void> {
    const freezeId = newId();
    this.epoch += 1;
    await this.log.emit('reservations', freezeId, contracts.FreezeApplied, { freeze_id: freezeId, scope: 'agent', value: 'outreach-agent', reason: 'look', fence_epoch: this.epoch }, person('lena'));
    await this.log.emit('reservations', freezeId, contracts.FreezeQuiesced, { freeze_id: freezeId, unknown_reservations: [] });
    this.epoch += 1;
    await this.log.emit('reservations', freezeId, contracts.FreezeLifted, { freeze_id: freezeId, reason: 'fine', fence_epoch: this.epoch }, person('lena'));
  }

  async setAside(): Promise<void> {
    const quarantined = await this.propose('managed');
    await this.log.emit('policy', quarantined, contracts.ActionQuarantined, { ...this.ruling(quarantined), code: 'QUARANTINED_UNKNOWN_KIND' });
    const denied = await this.propose('managed');
    await this.log.emit('policy', denied, contracts.ActionDenied, { ...this.ruling(denied), code: 'POLICY_DENIED' });
  }
}

/** Every ending once, and the services' counts twice. */
const round = async (story: Story): Promise<void> => {
  const approved = await story.approved();
  const first = await story.held(approved);
  await story.started(approved, first);
  await story.succeeded(approved, first);
  const allowed = await story.allowed('self');
  const second = await story.held(allowed);
  await story.started(allowed, second);
  await story.succeeded(allowed, second);
  await story.log.publishStreamHeads();
  const capped = await story.allowed('managed', { max_uses: 1, max_amount: { USD_MICROCENTS: '500' } });
  const third = await story.held(capped);
  await story.started(capped, third);
  await story.unknownThenReconciled(capped, third);
  const silent = await story.allowed('self');
  await story.expired(silent, await story.held(silent));
  await story.refused(await story.allowed('self'));
  await story.rejected();
  await story.setAside();
  await story.frozenAndLifted();
  await story.revoked(await story.approved());
  const last = await story.allowed('self');
  const lastHeld = await story.held(last);
  await story.succeeded(last, lastHeld);
  await story.log.publishStreamHeads();
};

export const wholeStory = async (rounds = 1): Promise<Story> => {
  const story = new Story();
  await story.begin(rounds);
  for (let done = 0; done < rounds; done += 1) await round(story);
  return story;
};
