import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { AUTONOMY_LEVELS, autonomyEvidence, count, instant, list, name, object, oneOf, optional, text } from '@exequatur/contracts';
import type { Schema, Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { ANY_KIND, isRaise } from '@exequatur/policy-domain';
import { actingTenant, actorOf, Allow, Caller, Database, Describe, Http, IdempotentRequests, problem, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal, Queryable } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { publicationLocks } from '../policy-versions/policy-publisher.js';
import { AgentAutonomy, autonomyStream } from './agent-autonomy.js';
import { levelRows } from './level-rows.js';
import { kindsDecided } from './outcome-rows.js';

/** A kind, or `*` for those of the agent that have no level of their own. */
const kindOrAny: Schema<string> = { json: { type: 'string', pattern: '^(\\*|[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127})$' } };
const level = oneOf(...AUTONOMY_LEVELS);
const changeBody = object({ tenant: optional(name()), action_kind: kindOrAny, level, reason: plainText(1_000) });
const changed = object({ agent: name(), action_kind: kindOrAny, level_before: level, level, policy_version: optional(count()) });
const tenantQuery = object({ tenant: optional(name()) });
const shown = object({
  action_kind: kindOrAny,
  level,
  /** absent where nobody set one: policy alone decides */
  reason: optional(text()),
  changed_by: optional(text()),
  changed_at: optional(instant()),
  evidence: autonomyEvidence,
  suggestion: optional(object({ level, reason: text() })),
});
const agentShown = object({ agent: name(), items: list(shown, 1_000) });

/** How far an agent is left to itself, by kind of action. */
@Controller('v1/agents')
export class AutonomyHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly autonomy: AgentAutonomy,
    private readonly database: Database,
  ) {}

  @Post(':id/autonomy')
  @HttpCode(200)
  @Allow('person:policy-admin', 'person:operator', 'root')
  @Describe({ summary: 'Change the level of an agent for a kind. Anybody here lowers; only a policy-admin who does not own the agent raises.', body: changeBody, answers: { 200: changed }, codes: ['NOT_FOUND', 'REASON_REQUIRED', 'NOT_A_PERSON', 'SELF_APPROVAL', 'TOO_LARGE'] })
  async change(@ShapedPath('id', name()) agent: string, @ShapedBody(changeBody) body: Shape<typeof changeBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const { action_kind: kind, level: wanted, reason } = body;
    if (reason.trim() === '') problem('REASON_REQUIRED');
    let told: Parameters<AgentAutonomy['tell']>[0] | undefined;
    const answer = await this.requests.run({
      request, principal, tenant, operation: 'change-autonomy', locks: publicationLocks(tenant, autonomyStream(tenant, agent)),
      work: async (tx) => {
        const owner = await ownerOf(tx, tenant, agent);
        const { level: before } = await this.autonomy.standing(tx, { tenant, agent, action_kind: kind });
        if (isRaise(before, wanted)) assertMayRaise(principal, owner);
        const { level_before, policy_version } = (told = await this.autonomy.change(tx, { tenant, agent, action_kind: kind, level: wanted, cause: 'person', reason, actor: actorOf(principal) }));
        return { status: 200, body: { agent, action_kind: kind, level_before, level: wanted, ...(policy_version === undefined ? {} : { policy_version }) } };
      },
    });
    if (told !== undefined) this.autonomy.tell(told);
    return answer;
  }

  @Get(':id/autonomy')
  @Allow('person:policy-admin', 'person:operator', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'Levels of an agent by kind, how what it did ended with people, and what that suggests.', query: tenantQuery, answers: { 200: agentShown }, codes: ['NOT_FOUND'] })
  async show(@ShapedPath('id', name()) agent: string, @ShapedQuery(tenantQuery) query: Shape<typeof tenantQuery>, @Caller() principal: Principal): Promise<Shape<typeof agentShown>> {
    const tenant = actingTenant(principal, query.tenant);
    await ownerOf(this.database, tenant, agent);
    const rows = await levelRows(this.database, tenant, agent);
    const kinds = new Set([...rows.map((row) => row.action_kind), ...(await kindsDecided(this.database, tenant, agent))]);
    const items: Shape<typeof shown>[] = [];
    for (const kind of [...kinds].sort()) {
      const standing = await this.autonomy.standing(this.database, { tenant, agent, action_kind: kind });
      const row = rows.find((one) => one.action_kind === kind);
      const { advice } = standing;
      items.push({
        action_kind: kind,
        level: standing.level,
        ...(row === undefined ? {} : { reason: row.reason, changed_by: row.changed_by, changed_at: row.changed_at.toISOString() }),
        evidence: standing.evidence,
        ...(advice.advice === 'raise' && kind !== ANY_KIND ? { suggestion: { level: advice.level, reason: advice.reason } } : {}),
      });
    }
    return { agent, items };
  }
}

/** @throws Problem NOT_FOUND */
const ownerOf = async (db: Queryable, tenant: string, agent: string): Promise<string | null> => {
  const { rows } = await db.query<{ owner: string | null }>('SELECT owner FROM directory_agent WHERE tenant = $1 AND agent = $2', [tenant, agent]);
  return (rows[0] ?? problem('NOT_FOUND', 'no such agent')).owner;
};

/** A person with the role, and not the one the agent answers to. */
const assertMayRaise = (principal: Principal, owner: string | null): void => {
  if (principal.type !== 'person') problem('NOT_A_PERSON', 'a person raises the autonomy of an agent');
  else if (!principal.roles.includes('policy-admin')) problem('FORBIDDEN', 'a policy-admin raises the autonomy of an agent');
  else if (principal.id === owner) problem('SELF_APPROVAL', 'the owner of an agent does not raise its autonomy');
};
