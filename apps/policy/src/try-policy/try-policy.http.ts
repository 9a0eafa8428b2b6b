import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { anything, count, list, MAX_POLICY_SOURCE, name, object, oneOf, optional, proposalShape, record, truth, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { deriveFacts, explain, judge, outcomeOf, policyDiff, replayTally } from '@exequatur/policy-domain';
import type { ProposalWithJson, ReplayReport, Ruling } from '@exequatur/policy-domain';
import { draftRule, policyLanguages } from '@exequatur/policy-languages';
import { actingTenant, Allow, Caller, Describe, problem, shaped, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { RecordedActions } from './recorded-actions.js';
import { TriedPolicies } from './tried-policies.js';
import type { TriedPolicy } from './tried-policies.js';

const which = { tenant: optional(name()), /** YAML of a candidate; else policy_version, else the newest */ source: optional(plainText(MAX_POLICY_SOURCE)), policy_version: optional(count(1_000_000_000)) };
const MAX_SIMULATED = 100;
const MAX_REPLAYED = 2_000;
/** Recorded actions that a draft is tried on where nothing else is said. */
const DRAFT_REPLAYED = 500;
const explainBody = object({ ...which, agent: name(), proposal: anything() });
const simulateBody = object({ ...which, agent: name(), proposals: list(anything(), MAX_SIMULATED) });
const replayBody = object({ ...which, limit: optional(count(MAX_REPLAYED)), before: optional(uuid()), leave_out_erased: optional(truth()) });
const versionText = { json: { type: 'string', pattern: '^[1-9]\\d{0,8}$' } } as { json: Record<string, unknown>; type?: string };
const diffQuery = object({ tenant: optional(name()), from: versionText, to: versionText });
const draftBody = object({ tenant: optional(name()), action_kind: name(), action_class: name(), /** of a rule of its own; without it the class default holds */ decision: optional(oneOf('allow', 'require_approval', 'quarantine', 'deny')), /** recorded actions to replay */ replay: optional(count(MAX_REPLAYED)) });
const answer = record(anything());

/** Ask a policy without effect: nothing is recorded, and nothing that is decided depends on it. */
@Controller('v1/policies')
@Allow('person:policy-admin', 'person:admin', 'person:auditor', 'root')
export class TryPolicyHttp {
  constructor(
    private readonly policies: TriedPolicies,
    private readonly recorded: RecordedActions,
  ) {}

  @Post('explain')
  @HttpCode(200)
  @Describe({ summary: 'Why a policy says what it says of a proposal: every rule, every fact, every cap. No effect.', body: explainBody, keyless: true, answers: { 200: answer }, codes: ['INVALID', 'NOT_FOUND'] })
  async explain(@ShapedBody(explainBody) body: Shape<typeof explainBody>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, body.tenant);
    const tried = await this.policies.of(tenant, body);
    const derived = deriveFacts(tried.policy, shaped(proposalShape, body.proposal) as ProposalWithJson, { tenant, agent: body.agent }, policyLanguages.schemas);
    const { ruling: _onFacts, ...explained } = explain(tried.policy, tried.registered, derived.facts, policyLanguages.conditions);
    return { ...policyOf(tried), ...rulingShown(judge(tried.policy, tried.registered, derived, policyLanguages.conditions)), ...explained };
  }

  @Post('simulate')
  @HttpCode(200)
  @Describe({ summary: 'What a policy would say of up to 100 proposals. No effect.', body: simulateBody, keyless: true, answers: { 200: answer }, codes: ['INVALID', 'NOT_FOUND'] })
  async simulate(@ShapedBody(simulateBody) body: Shape<typeof simulateBody>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, body.tenant);
    const tried = await this.policies.of(tenant, body);
    const items = body.proposals.map((proposal) => rulingShown(rulingOn(tried, tenant, body.agent, shaped(proposalShape, proposal) as ProposalWithJson)));
    return { ...policyOf(tried), items };
  }

  @Post('draft')
  @HttpCode(200)
  @Describe({ summary: 'The newest policy with a kind put into a class, and a rule for it: its text, what it changes, and what it makes of recorded actions. Nothing is published.', body: draftBody, keyless: true, answers: { 200: answer }, codes: ['INVALID', 'NOT_FOUND'] })
  async draft(@ShapedBody(draftBody) body: Shape<typeof draftBody>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, body.tenant);
    const active = await this.policies.of(tenant, {});
    const source = draftRule(await this.policies.newestSource(tenant), { kind: body.action_kind, className: body.action_class, ...(body.decision === undefined ? {} : { decision: body.decision }) });
    const drafted = await this.policies.of(tenant, { source });
    const { report, erased } = await this.replayed(tenant, drafted, undefined, Math.max(1, body.replay ?? DRAFT_REPLAYED));
    return { source, policy_hash: drafted.hash, differences: policyDiff(active.policy, drafted.policy), replay: { ...report, left_out: erased } };
  }

  @Post('replay')
  @HttpCode(200)
  @Describe({ summary: 'Recorded actions under another policy, newest first, at most 2,000 a call: relaxed, tightened, unchanged. No effect.', body: replayBody, keyless: true, answers: { 200: answer }, codes: ['INVALID', 'NOT_FOUND', 'CONFLICT'] })
  async replay(@ShapedBody(replayBody) body: Shape<typeof replayBody>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, body.tenant);
    const tried = await this.policies.of(tenant, body);
    const limit = Math.max(1, body.limit ?? MAX_REPLAYED);
    const { report, erased, last } = await this.replayed(tenant, tried, body.before, limit);
    if (erased > 0 && body.leave_out_erased !== true) problem('CONFLICT', `the content of ${erased} of these actions is erased, so that nobody can say what another policy makes of them; leave_out_erased counts the others`);
    return { ...policyOf(tried), ...report, left_out: erased, ...(last === undefined ? {} : { next_before: last }) };
  }

  /** What was erased is counted, never guessed. */
  private async replayed(tenant: string, tried: TriedPolicy, before: string | undefined, limit: number): Promise<{ readonly report: ReplayReport; readonly erased: number; readonly last: string | undefined }> {
    const { actions, last } = await this.recorded.page(tenant, before, limit);
    const tally = replayTally();
    for (const { actionId, agent, before: was, proposal } of actions) {
      if (proposal !== undefined) tally.add({ action_id: actionId, action_kind: proposal.action_kind, before: was, after: outcomeOf(rulingOn(tried, tenant, agent, proposal)) });
    }
    return { report: tally.report(), erased: actions.filter(({ proposal }) => proposal === undefined).length, last };
  }

  @Get('diff')
  @Describe({ summary: 'What changed between two published versions, by class, tool, rule and limit.', query: diffQuery, answers: { 200: answer }, codes: ['NOT_FOUND'] })
  async diff(@ShapedQuery(diffQuery) query: Shape<typeof diffQuery>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, query.tenant);
    const [from, to] = [await this.policies.of(tenant, { policy_version: Number(query.from) }), await this.policies.of(tenant, { policy_version: Number(query.to) })];
    return { from: policyOf(from), to: policyOf(to), differences: policyDiff(from.policy, to.policy) };
  }
}

const rulingOn = ({ policy, registered }: TriedPolicy, tenant: string, agent: string, proposal: ProposalWithJson): Ruling =>
  judge(policy, registered, deriveFacts(policy, proposal, { tenant, agent }, policyLanguages.schemas), policyLanguages.conditions);

const policyOf = ({ hash, version }: TriedPolicy): object => ({ policy_hash: hash, ...(version === undefined ? {} : { policy_version: version }) });

const rulingShown = ({ verdict, tier, rule_id, reason, code, caps, demand, action_class }: Ruling): object => ({
  verdict,
  ...(tier === undefined ? {} : { tier }),
  rule_id,
  reason,
  ...(code === undefined ? {} : { code }),
  ...(Object.keys(caps).length === 0 ? {} : { caps }),
  ...(demand === undefined ? {} : { demand }),
  ...(action_class === undefined ? {} : { action_class }),
});
