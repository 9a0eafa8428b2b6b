import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { Clock } from '@exequatur/kernel';
import { CLOCK, Database, LOGGER, RepeatedWork, ServiceMetrics } from '@exequatur/service-kit';
import type { Logger } from '@exequatur/service-kit';
import { Gauge } from 'prom-client';
import { AUDIT_LIMITS, UNREADABLE_LOG } from '../limits.js';
import { computeMetrics } from './compute-metrics.js';
import type { WorkflowMetrics } from './compute-metrics.js';
import { factsBetween, foldChunk } from './fact-rows.js';

const DAY_MS = 86_400_000;
/** The period before a period that drift is measured against. */
const BASELINE_MS = 7 * DAY_MS;

/** What one number of the metrics is called for Prometheus. */
const NUMBERS: readonly (readonly [name: string, help: string, of: (metrics: WorkflowMetrics) => number | null])[] = [
  ['approval_to_execution_rate', 'Approved actions that were executed, of all approved.', (metrics) => metrics.approval_to_execution_rate],
  ['denied_after_approval', 'Refusals at reserve although a person had approved.', (metrics) => metrics.denied_after_approval],
  ['stale_expiries', 'Requests that nobody decided in time.', (metrics) => metrics.stale_expiries],
  ['edit_rate', 'Approved actions that were narrowed or edited, of all approved.', (metrics) => metrics.edit_rate],
  ['override_rate', 'Decisions of people that were not a plain yes, of all they made.', (metrics) => metrics.override_rate],
  ['duplicate_execution_attempts', 'Attempts to use a grant more often than it allows.', (metrics) => metrics.duplicate_execution_attempts],
  ['approval_to_commit_mismatches', 'Actions that used another amount than was held.', (metrics) => metrics.approval_to_commit_mismatches],
  ['risk_points_approved', 'Risk points of approved actions.', (metrics) => metrics.risk_points_approved],
  ['median_seconds_to_decision', 'From the opened request to the decision of people.', (metrics) => metrics.median_seconds_to_decision],
  ['timeout_spike', '1 while far more requests time out than before.', (metrics) => (metrics.timeout_spike.alert ? 1 : 0)],
  ['drifting_agents', 'Agents whose actions are distributed otherwise than in the week before.', (metrics) => metrics.drift.filter(({ alert }) => alert).length],
];

/** Keeps the facts behind the timeline, and the gauges of the last day behind the facts; nothing waits for it. */
@Injectable()
export class FollowTimeline implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly following: RepeatedWork;
  private stopped = false;
  private countedAtMs = -Infinity;
  private readonly volume: Gauge;
  private readonly gauges: readonly { readonly gauge: Gauge; readonly of: (metrics: WorkflowMetrics) => number | null }[];

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) log: Logger,
    { registry }: ServiceMetrics,
  ) {
    this.following = new RepeatedWork(AUDIT_LIMITS.factsEveryMs, () => this.run(), (fault) => fault === undefined || log.warn({ err: fault }, 'workflow metrics could not be brought up to date and are tried again'));
    this.volume = new Gauge({ name: 'exequatur_workflow_actions', help: 'Actions proposed in the last 24 hours.', labelNames: ['tenant', 'kind'], registers: [registry] });
    this.gauges = NUMBERS.map(([name, help, of]) => ({ gauge: new Gauge({ name: `exequatur_workflow_${name}`, help: `${help} Of the last 24 hours.`, labelNames: ['tenant'], registers: [registry] }), of }));
  }

  onApplicationBootstrap(): void {
    this.following.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    return this.following.stop();
  }

  private async run(): Promise<void> {
    const { rows } = await this.database.query<{ tenant: string }>('SELECT log.tenant FROM log LEFT JOIN action_fact_cursor c ON c.tenant = log.tenant WHERE log.size > coalesce(c.next_sequence, 0) AND log.tenant <> $1 ORDER BY log.tenant', [UNREADABLE_LOG]);
    for (const { tenant } of rows) await this.catchUp(tenant);
    if (this.clock.monotonic() - this.countedAtMs < AUDIT_LIMITS.gaugesEveryMs) return;
    this.countedAtMs = this.clock.monotonic();
    await this.count();
  }

  /** Everything that is logged now; each chunk a transaction of its own. */
  async catchUp(tenant: string): Promise<void> {
    for (let more = true; more && !this.stopped; ) {
      const client = await this.database.pool.connect();
      try {
        await client.query('BEGIN');
        more = await foldChunk(client, tenant);
        await client.query('COMMIT');
        client.release();
      } catch (error) {
        client.release(true);
        throw error;
      }
    }
  }

  /** Of a period, against the week before it. */
  async metricsOf(tenant: string, from: Date, to: Date): Promise<WorkflowMetrics> {
    const [facts, baseline] = [await factsBetween(this.database, tenant, from, to), await factsBetween(this.database, tenant, new Date(from.getTime() - BASELINE_MS), from)];
    return computeMetrics({ facts, baseline, fromMs: from.getTime(), toMs: to.getTime() });
  }

  /** Sets the gauges anew. */
  async count(): Promise<void> {
    const now = this.clock.now();
    const { rows } = await this.database.query<{ tenant: string }>('SELECT tenant FROM action_fact_cursor ORDER BY tenant LIMIT $1', [AUDIT_LIMITS.gaugedTenants]);
    const counted: (readonly [tenant: string, metrics: WorkflowMetrics])[] = [];
    for (const { tenant } of rows) counted.push([tenant, await this.metricsOf(tenant, new Date(now - DAY_MS), new Date(now))]);
    // A kind that nobody asks for any more must not stay at its last number.
    this.volume.reset();
    for (const [tenant, metrics] of counted) {
      for (const [kind, actions] of Object.entries(metrics.volume_by_kind)) this.volume.set({ tenant, kind }, actions);
      for (const { gauge, of } of this.gauges) gauge.set({ tenant }, of(metrics) ?? Number.NaN);
    }
  }
}
