import { Controller, Get, Injectable } from '@nestjs/common';
import { reviewFlags, type ReviewFlag } from '@exequatur/approvals-domain';
import { count, list, name, object, oneOf, optional, record, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, Describe, problem, ShapedQuery } from '@exequatur/service-kit';
import type { PersonPrincipal, Principal } from '@exequatur/service-kit';

const MOST_DAYS = 400;
export const DEFAULT_DAYS = 30;
const MOST_ROWS = 200;
/** What a row is about: a reviewer, a kind of action, or a rule, which is the gate. */
const COLUMNS = { reviewer: 'person', kind: 'action_kind', rule: 'rule_id' } as const;

export const qualityQuery = object({ by: optional(oneOf('reviewer', 'kind', 'rule')), days: optional(count(MOST_DAYS)), kind: optional(name()), reviewer: optional(name()) });
const ratio = text(8);
const qualityAnswer = object({
  by: oneOf('reviewer', 'kind', 'rule'),
  days: count(),
  items: list(
    object({
      of: text(200),
      decisions: count(),
      approvals: count(),
      approval_rate: ratio,
      narrowed_rate: ratio,
      edit_rate: ratio,
      emergency_rate: ratio,
      override_rate: ratio,
      canaries: count(),
      canaries_noticed: count(),
      score: optional(ratio),
      median_decision_ms: optional(count()),
      median_dwell_ms: optional(count()),
      rejection_reasons: record(count()),
      flags: list(oneOf('approves_nearly_everything', 'decides_too_fast', 'misses_canaries')),
    }),
    MOST_ROWS,
  ),
});

interface Row {
  readonly of: string;
  readonly decisions: number;
  readonly approvals: number;
  readonly narrowed: number;
  readonly edited: number;
  readonly emergencies: number;
  readonly overrides: number;
  readonly canaries: number;
  readonly canaries_noticed: number;
  readonly median_decision_ms: number | null;
  readonly median_dwell_ms: number | null;
  readonly rejection_reasons: Record<string, number> | null;
}
export interface QualityRow extends Pick<Row, 'of' | 'decisions' | 'approvals' | 'canaries' | 'canaries_noticed'> {
  readonly approval_rate: string;
  readonly narrowed_rate: string;
  readonly edit_rate: string;
  readonly emergency_rate: string;
  /** looser than the rule suggested: alone outside its quorum, or asking for more than it judged */
  readonly override_rate: string;
  /** share of planted requests that were noticed; absent when none was met */
  readonly score?: string;
  readonly median_decision_ms?: number;
  readonly median_dwell_ms?: number;
  readonly rejection_reasons: Readonly<Record<string, number>>;
  readonly flags: readonly ReviewFlag[];
}

/** Whoever has one of these roles sees how everybody reviews. */
export const SEES_ALL_REVIEWERS: readonly string[] = ['auditor', 'admin', 'operator'];
const rate = (part: number, whole: number): string => (whole === 0 ? '0' : (part / whole).toFixed(4));

/** How people review, from the votes alone: numbers and flags, no content. */
@Injectable()
export class ReviewQuality {
  constructor(private readonly database: Database) {}

  /** Whoever may not see all sees what they did themselves. */
  async rows(person: PersonPrincipal, { by = 'reviewer', days = DEFAULT_DAYS, kind, reviewer }: Shape<typeof qualityQuery>): Promise<readonly QualityRow[]> {
    const about = person.roles.some((role) => SEES_ALL_REVIEWERS.includes(role)) ? (reviewer ?? null) : person.id;
    const { rows } = await this.database.query<Row>(
      `WITH counted AS (SELECT *, ${COLUMNS[by]} AS of FROM vote_cast WHERE tenant = $1 AND cast_at > clock_timestamp() - make_interval(days => $2) AND ($3::text IS NULL OR action_kind = $3) AND ($4::text IS NULL OR person = $4)),
decided AS (SELECT * FROM counted WHERE noticed IS NULL),
planted AS (SELECT of, count(*)::int AS canaries, count(*) FILTER (WHERE noticed)::int AS canaries_noticed FROM counted WHERE noticed IS NOT NULL GROUP BY of),
reasons AS (SELECT of, json_object_agg(reason_code, n) AS given FROM (SELECT of, reason_code, count(*)::int AS n FROM decided WHERE reason_code IS NOT NULL GROUP BY of, reason_code) AS each GROUP BY of)
SELECT p.of, count(c.of)::int AS decisions, count(*) FILTER (WHERE vote = 'approve')::int AS approvals, count(*) FILTER (WHERE narrowed)::int AS narrowed, count(*) FILTER (WHERE edited)::int AS edited, count(*) FILTER (WHERE emergency)::int AS emergencies, count(*) FILTER (WHERE overrides)::int AS overrides,
coalesce(max(k.canaries), 0) AS canaries, coalesce(max(k.canaries_noticed), 0) AS canaries_noticed,
percentile_disc(0.5) WITHIN GROUP (ORDER BY floor(extract(epoch FROM cast_at - opened_at) * 1000))::float8 AS median_decision_ms, percentile_disc(0.5) WITHIN GROUP (ORDER BY dwell_ms)::float8 AS median_dwell_ms, (SELECT given FROM reasons r WHERE r.of = p.of) AS rejection_reasons
FROM (SELECT DISTINCT of FROM counted) AS p LEFT JOIN decided c ON c.of = p.of LEFT JOIN planted k ON k.of = p.of GROUP BY p.of ORDER BY decisions DESC, p.of LIMIT ${MOST_ROWS}`,
      [person.tenant, days, kind ?? null, about],
    );
    return rows.map(qualityRow);
  }
}

const qualityRow = ({ of, decisions, approvals, narrowed, edited, emergencies, overrides, canaries, canaries_noticed, median_decision_ms, median_dwell_ms, rejection_reasons }: Row): QualityRow => ({
  of,
  decisions,
  approvals,
  approval_rate: rate(approvals, decisions),
  narrowed_rate: rate(narrowed, decisions),
  edit_rate: rate(edited, decisions),
  emergency_rate: rate(emergencies, decisions),
  override_rate: rate(overrides, decisions),
  canaries,
  canaries_noticed,
  ...(canaries === 0 ? {} : { score: rate(canaries_noticed, canaries) }),
  ...(median_decision_ms === null ? {} : { median_decision_ms }),
  ...(median_dwell_ms === null ? {} : { median_dwell_ms }),
  rejection_reasons: rejection_reasons ?? {},
  flags: reviewFlags({ decisions, approvals, canaries, canariesNoticed: canaries_noticed, ...(median_dwell_ms === null ? {} : { medianDwellMs: median_dwell_ms }) }),
});

@Controller('v1/approvals')
@Allow('person')
export class ReviewQualityHttp {
  constructor(private readonly quality: ReviewQuality) {}

  @Get('quality')
  @Describe({ summary: 'How people review: rates, times and flags by reviewer, kind or rule within some days. Auditors, operators and admins see all, everybody else themselves.', query: qualityQuery, answers: { 200: qualityAnswer } })
  async show(@Caller() caller: Principal, @ShapedQuery(qualityQuery) query: Shape<typeof qualityQuery>): Promise<{ readonly by: string; readonly days: number; readonly items: readonly QualityRow[] }> {
    const person = caller.type === 'person' ? caller : problem('FORBIDDEN');
    return { by: query.by ?? 'reviewer', days: query.days ?? DEFAULT_DAYS, items: await this.quality.rows(person, query) };
  }
}
