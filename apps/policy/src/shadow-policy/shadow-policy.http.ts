import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { anything, MAX_POLICY_SOURCE, name, object, optional, record } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { CHANGES, policyText } from '@exequatur/policy-domain';
import { actingTenant, Allow, Caller, Database, Describe, Directory, Http, IdempotentRequests, principalName, problem, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { TriedPolicies } from '../try-policy/tried-policies.js';

const startBody = object({ tenant: optional(name()), source: plainText(MAX_POLICY_SOURCE), reason: optional(plainText(1_000)) });
const stopBody = object({ tenant: optional(name()) });
const tenantQuery = object({ tenant: optional(name()) });
const answer = record(anything());

/** More kinds of difference than anybody reads; the sums count all. */
const MAX_DIFFERENCES = 500;

interface CountRow {
  readonly action_kind: string;
  readonly rule_before: string;
  readonly rule_after: string;
  readonly change: (typeof CHANGES)[number];
  readonly actions: string;
  readonly last_action: string;
}

@Controller('v1/policies/shadow')
export class ShadowPolicyHttp {
  constructor(
    private readonly policies: TriedPolicies,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly directory: Directory,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Allow('person:policy-admin', 'root')
  @Describe({ summary: 'Judge a candidate beside the active policy on what is proposed from now on, in place of an earlier candidate. No effect on decisions.', body: startBody, answers: { 201: answer }, codes: ['INVALID', 'NOT_FOUND'] })
  async start(@ShapedBody(startBody) body: Shape<typeof startBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const { policy, registered, hash } = await this.policies.of(tenant, { source: body.source });
    if (!(await this.directory.tenantExists(tenant))) problem('NOT_FOUND', 'no such tenant');
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'start-shadow',
      locks: { streams: [] },
      work: async (tx) => {
        await tx.query('DELETE FROM shadow_count WHERE tenant = $1', [tenant]);
        await tx.query(
          `INSERT INTO policy_shadow VALUES ($1, $2, $3, $4, $5, $6, now())
           ON CONFLICT (tenant) DO UPDATE SET policy_hash = excluded.policy_hash, canonical = excluded.canonical, registered_kinds = excluded.registered_kinds, reason = excluded.reason, started_by = excluded.started_by, started_at = excluded.started_at`,
          [tenant, hash, policyText(policy), [...registered], body.reason ?? '', principalName(principal)],
        );
        return { status: 201, body: { policy_hash: hash } };
      },
    });
  }

  @Post('stop')
  @HttpCode(200)
  @Allow('person:policy-admin', 'root')
  @Describe({ summary: 'No candidate beside the active policy any more; its counts go with it.', body: stopBody, answers: { 200: answer }, codes: ['NOT_FOUND'] })
  stop(@ShapedBody(stopBody) body: Shape<typeof stopBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'stop-shadow',
      locks: { streams: [] },
      work: async (tx) => {
        const { rows } = await tx.query<{ policy_hash: string }>('DELETE FROM policy_shadow WHERE tenant = $1 RETURNING policy_hash', [tenant]);
        await tx.query('DELETE FROM shadow_count WHERE tenant = $1', [tenant]);
        return { status: 200, body: { policy_hash: rows[0]?.policy_hash ?? problem('NOT_FOUND', 'no candidate is beside the active policy') } };
      },
    });
  }

  @Get()
  @Allow('person:policy-admin', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'What the candidate would have said differently so far: sums, and counts by kind and rules with the last such action.', query: tenantQuery, answers: { 200: answer }, codes: ['NOT_FOUND'] })
  async report(@ShapedQuery(tenantQuery) query: Shape<typeof tenantQuery>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, query.tenant);
    const { rows } = await this.database.query<{ policy_hash: string; reason: string; started_by: string; started_at: Date }>('SELECT policy_hash, reason, started_by, started_at FROM policy_shadow WHERE tenant = $1', [tenant]);
    const shadow = rows[0] ?? problem('NOT_FOUND', 'no candidate is beside the active policy');
    const { rows: counts } = await this.database.query<CountRow>('SELECT action_kind, rule_before, rule_after, change, actions, last_action FROM shadow_count WHERE tenant = $1 AND policy_hash = $2 ORDER BY actions DESC, action_kind, rule_before, rule_after', [tenant, shadow.policy_hash]);
    const sum = (change: CountRow['change']): number => counts.filter((row) => row.change === change).reduce((total, { actions }) => total + Number(actions), 0);
    return {
      ...shadow,
      started_at: shadow.started_at.toISOString(),
      ...Object.fromEntries(CHANGES.map((change) => [change, sum(change)])),
      differences: counts.filter(({ change }) => change !== 'unchanged').slice(0, MAX_DIFFERENCES).map((row) => ({ ...row, actions: Number(row.actions) })),
    };
  }
}
