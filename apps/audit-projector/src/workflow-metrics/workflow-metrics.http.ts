import { Controller, Get, Inject } from '@nestjs/common';
import { anything, count, instant, list, name, object, optional, record, text, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { fromInstant, toInstant } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { Allow, Caller, CLOCK, Describe, problem, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { whoseLog } from '../whose-log.js';
import type { WorkflowMetrics } from './compute-metrics.js';
import { FollowTimeline } from './follow-timeline.js';

const DAY_MS = 86_400_000;
const MOST_DAYS = 92;

const metricsQuery = object({ tenant: optional(name()), from: optional(instant()), to: optional(instant()) });
const counts = record(count(), 10_000);
const metrics = object({
  tenant: name(),
  from: instant(),
  to: instant(),
  actions: count(),
  volume_by_kind: counts,
  verdicts: counts,
  approval_to_execution_rate: anything(),
  denied_after_approval: count(),
  stale_expiries: count(),
  edit_rate: anything(),
  override_rate: anything(),
  duplicate_execution_attempts: count(),
  approval_to_commit_mismatches: count(),
  risk_points_approved: count(),
  median_seconds_to_decision: anything(),
  rejection_reasons: counts,
  timeout_spike: object({ last_hour: count(), hourly_mean_before: anything(), alert: truth() }),
  drift: list(object({ agent: text(200), actions: count(), baseline_actions: count(), psi: anything(), alert: truth() }), 10_000),
});

const instantMs = (said: string | undefined, otherwise: number, pointer: string): number => {
  if (said === undefined) return otherwise;
  try {
    return fromInstant(said);
  } catch {
    return problem('INVALID', undefined, [{ pointer, expected: 'a date that exists' }]);
  }
};

/** Under /v1/timeline, since they are counted from it. */
@Controller('v1/timeline/metrics')
export class WorkflowMetricsHttp {
  constructor(
    private readonly follow: FollowTimeline,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  @Allow('person:auditor', 'person:operator', 'person:admin', 'root')
  @Describe({ summary: 'Workflow metrics over actions proposed in a period (from ≤ time < to), the last 24 hours when not said, 92 days at most.', query: metricsQuery, answers: { 200: metrics } })
  async metrics(@Caller() caller: Principal, @ShapedQuery(metricsQuery) query: Shape<typeof metricsQuery>): Promise<WorkflowMetrics & { tenant: string; from: string; to: string }> {
    const tenant = whoseLog(caller, query.tenant);
    const to = instantMs(query.to, this.clock.now(), '/to');
    const from = instantMs(query.from, to - DAY_MS, '/from');
    if (from >= to || to - from > MOST_DAYS * DAY_MS) return problem('INVALID', undefined, [{ pointer: '/from', expected: `before /to, by ${MOST_DAYS} days at most` }]);
    await this.follow.catchUp(tenant);
    return { tenant, from: toInstant(from), to: toInstant(to), ...(await this.follow.metricsOf(tenant, new Date(from), new Date(to))) };
  }
}
