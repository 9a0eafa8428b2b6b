import { Controller, Get } from '@nestjs/common';
import { count, list, name, object, optional, text, truth } from '@exequatur/contracts';
import type { DataOf, Grant, ReservationHeld, Shape } from '@exequatur/contracts';
import { blastRadiusOf } from '@exequatur/reservations-domain';
import type { Standing } from '@exequatur/reservations-domain';
import { Allow, Caller, Database, Describe, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { operatedTenant } from '../authority/operator.js';
import { subjectOf } from '../authority/reservation-rows.js';
import { freezeScope, inOwnTenant } from './freeze.http.js';

/** Claims, and grants, that a preview looks at, the newest first; beyond, its numbers say "at least". */
const MAX_PREVIEWED = 10_000;
const MAX_NAMED = 100;

const previewQuery = object({ tenant: optional(name()), scope: freezeScope(), value: text(300) });
const names = () => list(name(), MAX_NAMED);
const previewAnswer = object({ open_grants: count(), standing_claims: count(), live_claims: count(), may_still_execute: count(), unknown: count(), quiesces_within_ms: count(), agents: names(), action_kinds: names(), runs: names(), at_least: truth() });

interface ClaimRow {
  status: 'Held' | 'Started' | 'Unknown';
  execute_by: Date;
  claim: string;
  now: Date;
}

/** Holds on budget only are listed as claims, but nothing executes under them. */
const CLAIMS = `
SELECT status, execute_by, claim, clock_timestamp() AS now FROM reservation
WHERE tenant = $1 AND status IN ('Held', 'Started', 'Unknown') ORDER BY fence_epoch DESC LIMIT $2`;

/** Ids rise with time, so the newest grants come first; those that are over or used up stop nothing. */
const GRANTS = `
SELECT g.claims FROM (SELECT grant_id, claims, closed FROM grant_row WHERE tenant = $1 ORDER BY grant_id DESC LIMIT $2) AS g
WHERE g.claims IS NOT NULL AND g.closed IS NULL AND (g.claims::jsonb ->> 'expires_at')::timestamptz > clock_timestamp()
  AND (SELECT count(*) FROM reservation r WHERE r.tenant = $1 AND r.grant_id = g.grant_id) < (g.claims::jsonb ->> 'max_uses')::integer`;

const standingClaim = (tenant: string, row: ClaimRow): Standing => {
  const held = JSON.parse(row.claim) as DataOf<typeof ReservationHeld>;
  return { ...subjectOf(tenant, held), what: 'claim', status: row.status, executeBy: held.purpose === 'budget_only' ? 0 : row.execute_by.getTime() };
};

const standingGrant = (claims: string): Standing => {
  const { tenant, agent_identity: agent, action_kind: actionKind, tool, grant_id: grantId, scope_path: scopePath, run_id: runId } = JSON.parse(claims) as Grant;
  return { what: 'grant', tenant, agent, actionKind, tool, grantId, scopePath, runId };
};

/** What a freeze would meet, before anybody applies it. */
@Controller('v1/freezes')
@Allow('person:operator', 'person:admin', 'root')
export class BlastRadiusHttp {
  constructor(private readonly database: Database) {}

  /** Open grants would be refused from then on. Of the claims that stand, some may still execute until their execute_by. */
  @Get('preview')
  @Describe({ summary: 'What a freeze would stop, and what it could no longer stop.', query: previewQuery, answers: { 200: previewAnswer } })
  async preview(@ShapedQuery(previewQuery) asked: Shape<typeof previewQuery>, @Caller() principal: Principal): Promise<unknown> {
    const tenant = operatedTenant(principal, asked.tenant);
    inOwnTenant(tenant, asked);
    const claims = await this.database.query<ClaimRow>(CLAIMS, [tenant, MAX_PREVIEWED]);
    const grants = await this.database.query<{ claims: string }>(GRANTS, [tenant, MAX_PREVIEWED]);
    const standing = [...claims.rows.map((row) => standingClaim(tenant, row)), ...grants.rows.map((row) => standingGrant(row.claims))];
    const { openGrants, liveClaims, mayStillExecute, unknownClaims, quiescesWithinMs, agents, actionKinds, runs } = blastRadiusOf(asked, standing, claims.rows[0]?.now.getTime() ?? 0);
    return {
      open_grants: openGrants,
      standing_claims: liveClaims + unknownClaims,
      live_claims: liveClaims,
      may_still_execute: mayStillExecute,
      unknown: unknownClaims,
      quiesces_within_ms: quiescesWithinMs,
      agents: agents.slice(0, MAX_NAMED),
      action_kinds: actionKinds.slice(0, MAX_NAMED),
      runs: runs.slice(0, MAX_NAMED),
      at_least: claims.rows.length === MAX_PREVIEWED || grants.rows.length === MAX_PREVIEWED,
    };
  }
}
