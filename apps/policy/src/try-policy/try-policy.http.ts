import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { anything, count, list, name, object, optional, proposalShape, record, truth, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { deriveFacts, explain, judge, outcomeOf, policyDiff, replayTally } from '@exequatur/policy-domain';
import type { ProposalWithJson, Ruling } from '@exequatur/policy-domain';
import { policyLanguages } from '@exequatur/policy-languages';
import { Allow, Caller, Describe, problem, shaped, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { actingTenant } from '../acting.js';
import { plainText } from '../plain-text.js';
import { RecordedActions } from './recorded-actions.js';
import { TriedPolicies } from './tried-policies.js';
import type { TriedPolicy } from './tried-policies.js';

const which = { tenant: optional(name()), /** YAML of a candidate; else policy_version, else the newest */ source: optional(plainText(262_144)), policy_version: optional(count(1_000_000_000)) };
const MAX_SIMULATED = 100;
const MAX_REPLAYED = 2_000;
const explainBody = object({ ...which, agent: name(), proposal: anything() });
const simulateBody = object({ ...which, agent: name(), proposals: list(anything(), MAX_SIMULATED) });
const replayBody = object({ ...which, limit: optional(count(MAX_REPLAYED)), before: optional(uuid()), leave_out_erased: optional(truth()) });
const versionText = { json: { type: 'string', pattern: '^[1-9]\\d{0,8}$' } } as { json: Record<string, unknown>; type?: string };
const diffQuery = object({ tenant: optional(name()), from: versionText, to: versionText });
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
  @Describe({ summary: 'Why a policy says what it says of a proposal: every rule, every fact, every cap. No effect.', body: explainBody, answers: { 200: answer }, codes: ['INVALID', 'NOT_FOUND'] })
  async explain(@ShapedBody(explainBody) body: Shape<typeof explainBody>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, body.tenant);
    const tried = await this.policies.of(tenant, body);
    const derived = deriveFacts(tried.policy, shaped(proposalShape, body.proposal) as ProposalWithJson, { tenant, agent: body.agent }, policyLanguages.schemas);
    const { ruling: _onFacts, ...explained } = explain(tried.policy, tried.registered, derived.facts, policyLanguages.conditions);
    return { ...policyOf(tried), ...rulingShown(judge(tried.policy, tried.registered, derived, policyLanguages.conditions)), ...explained };
  }

  @Post('simulate')
  @HttpCode(200)
  @Describe({ summary: 'What a policy would say of up to 100 proposals. No effect.', body: simulateBody, answers: { 200: answer }, codes: ['INVALID', 'NOT_FOUND'] })
  async simulate(@ShapedBody(simulateBody) body: Shape<typeof simulateBody>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, body.tenant);
    const tried = await this.policies.of(tenant, body);
    const items = body.proposals.map((proposal) => rulingShown(rulingOn(tried, tenant, body.agent, shaped(proposalShape, proposal) as ProposalWithJson)));
    return { ...policyOf(tried), items };
  }

  @Post('replay')
  @HttpCode(200)
  @Describe({ summary: 'Recorded actions under another policy, newest first, at most 2,000 a call: relaxed, tightened, unchanged. No effect.', body: replayBody, answers: { 200: answer }, codes: ['INVALID', 'NOT_FOUND', 'CONFLICT'] })
  async replay(@ShapedBody(replayBody) body: Shape<typeof replayBody>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, body.tenant);
    const tried = await this.policies.of(tenant, body);
    const limit = Math.max(1, body.limit ?? MAX_REPLAYED);
    const { actions, last } = await this.recorded.page(tenant, body.before, limit);
    const erased = actions.filter(({ proposal }) => proposal === undefined);
    if (erased.length > 0 && body.leave_out_erased !== true) problem('CONFLICT', `the content of ${erased.length} of these actions is erased, so that nobody can say what another policy makes of them; leave_out_erased counts the others`);
    const tally = replayTally();
    for (const { actionId, agent, before, proposal } of actions) {
      if (proposal !== undefined) tally.add({ action_id: actionId, action_kind: proposal.action_kind, before, after: outcomeOf(rulingOn(tried, tenant, agent, proposal)) });
    }
    return { ...policyOf(tried), ...tally.report(), left_out: erased.length, ...(last === undefined || actions.length === 0 ? {} : { next_before: last }) };
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
