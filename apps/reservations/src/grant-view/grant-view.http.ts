import { Controller, Get } from '@nestjs/common';
import { count, instant, list, name, object, oneOf, optional, unitAmount, uuid } from '@exequatur/contracts';
import type { Grant, Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, Describe, problem, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';

const query = object({ tenant: optional(name()) });
const grantShown = object({
  grant_id: uuid(),
  /** Revoked: a revocation or withdrawal is effective here, nothing is consumed any more. Judged by the database's clock. */
  status: oneOf('Usable', 'Exhausted', 'Expired', 'Revoked'),
  action_id: optional(uuid()),
  uses: count(),
  max_uses: optional(count()),
  expires_at: optional(instant()),
  /** where uses share a total: what they may claim altogether, and what they have claimed, released uses included */
  total_points: optional(count()),
  total_amounts: optional(list(unitAmount, 20)),
  claimed: optional(list(unitAmount)),
});

interface Row {
  grant_id: string;
  action_id: string | null;
  claims: string | null;
  closed: string | null;
  claimed: Readonly<Record<string, string>> | null;
  withdrawn: boolean;
  uses: number;
  now: Date;
}

/** What the runtime authority knows of a grant: whether a revocation has arrived, and what is used of it. */
@Controller('v1/grants')
@Allow('agent', 'person:operator', 'person:approver', 'person:admin', 'person:auditor', 'root', 'service:approvals')
export class GrantViewHttp {
  constructor(private readonly database: Database) {}

  @Get(':id')
  @Describe({ summary: 'A grant as the authority sees it now; agents see their own, approvals asks whether a revocation is effective.', query, answers: { 200: grantShown } })
  async one(@ShapedPath('id', uuid()) id: string, @ShapedQuery(query) asked: Shape<typeof query>, @Caller() principal: Principal): Promise<Shape<typeof grantShown>> {
    const tenant = principal.type === 'agent' || principal.type === 'person' ? principal.tenant : asked.tenant;
    if (asked.tenant !== undefined && asked.tenant !== tenant) return problem('NOT_FOUND');
    if (tenant === undefined) return problem('INVALID', 'name the tenant', [{ pointer: '/tenant', expected: 'to be present' }]);
    const { rows } = await this.database.query<Row>(
      `SELECT grant_id, action_id, claims, closed, claimed, clock_timestamp() AS now,
         EXISTS (SELECT 1 FROM withdrawn_action w WHERE w.tenant = g.tenant AND w.action_id = g.action_id) AS withdrawn,
         (SELECT count(*)::integer FROM reservation r WHERE r.tenant = g.tenant AND r.grant_id = g.grant_id) AS uses
       FROM grant_row g WHERE tenant = $1 AND grant_id = $2`,
      [tenant, id],
    );
    const [row] = rows;
    const grant = row?.claims ? (JSON.parse(row.claims) as Grant) : undefined;
    if (row === undefined || (principal.type === 'agent' && grant?.agent_identity !== principal.id)) return problem('NOT_FOUND');
    return {
      grant_id: row.grant_id,
      status: statusOf(row, grant),
      ...(row.action_id === null ? {} : { action_id: row.action_id }),
      uses: row.uses,
      ...(grant === undefined ? {} : { max_uses: grant.max_uses, expires_at: grant.expires_at, ...totalsOf(grant) }),
      ...(row.claimed === null ? {} : { claimed: Object.entries(row.claimed).map(([unit, amount]) => ({ unit, amount })) }),
    };
  }
}

const totalsOf = ({ total_points, total_amounts }: Grant) => ({ ...(total_points === undefined ? {} : { total_points }), ...(total_amounts === undefined ? {} : { total_amounts }) });

const statusOf = (row: Row, grant: Grant | undefined): Shape<typeof grantShown>['status'] => {
  if (row.closed !== null || row.withdrawn || grant === undefined) return 'Revoked';
  if (Date.parse(grant.expires_at) <= row.now.getTime()) return 'Expired';
  return row.uses >= grant.max_uses ? 'Exhausted' : 'Usable';
};
