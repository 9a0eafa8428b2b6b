import { Inject, Injectable } from '@nestjs/common';
import { AutonomyChanged, streamKey } from '@exequatur/contracts';
import type { AutonomyLevel, DataOf, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { canonicalText, toInstant } from '@exequatur/kernel';
import type { Clock, JsonObject } from '@exequatur/kernel';
import { ANY_KIND, autonomyAdvice, composePolicy, DEFAULT_AUTONOMY, EMPTY_POLICY, isRaise, levelOf, MAX_LEVELS, ownPolicy, readPolicy } from '@exequatur/policy-domain';
import type { AutonomyAdvice, AutonomySettings } from '@exequatur/policy-domain';
import { CLOCK, problem, ServiceMetrics } from '@exequatur/service-kit';
import type { Queryable } from '@exequatur/service-kit';
import { Counter } from 'prom-client';
import { authorOf, PolicyPublisher } from '../policy-versions/policy-publisher.js';
import { latestRow } from '../policy-versions/policy-version-rows.js';
import { levelRows, levelsNow, putLevel } from './level-rows.js';
import { countsOf } from './outcome-rows.js';
import type { AgentKind } from './outcome-rows.js';

type Changed = DataOf<typeof AutonomyChanged>;

export const autonomyStream = (tenant: string, agent: string): StreamId => ({ tenant, aggregate: 'autonomy', id: agent });

/** The level of one agent and kind as it stands, and what its evidence comes to. */
export interface Standing {
  readonly level: AutonomyLevel;
  readonly evidence: NonNullable<Changed['evidence']>;
  readonly advice: AutonomyAdvice;
}

export interface LevelChange extends AgentKind {
  readonly level: AutonomyLevel;
  readonly cause: Changed['cause'];
  readonly reason: string;
  readonly actor: Actor;
  readonly evidence?: Changed['evidence'];
}

/** Levels of agents by kind. A change is a new version of the composed policy, so that it holds wherever that does. */
@Injectable()
export class AgentAutonomy {
  private readonly changes: Counter;

  constructor(
    private readonly store: PgEventStore,
    private readonly publisher: PolicyPublisher,
    @Inject(CLOCK) private readonly clock: Clock,
    metrics: ServiceMetrics,
  ) {
    this.changes = new Counter({ name: 'exequatur_autonomy_changes_total', help: 'Levels of autonomy that were raised or lowered. Alert on cause="automatic": a rate of an agent passed its threshold.', labelNames: ['direction', 'cause'], registers: [metrics.registry] });
  }

  async standing(db: Queryable, of: AgentKind): Promise<Standing> {
    const { tenant, agent, action_kind: kind } = of;
    const rows = await levelRows(db, tenant, agent);
    const row = rows.find((one) => one.action_kind === kind) ?? rows.find((one) => one.action_kind === ANY_KIND);
    const settings = await settingsOf(db, tenant);
    const since = new Date(Math.max(this.clock.now() - settings.window_ms, row?.changed_at.getTime() ?? 0));
    const counts = await countsOf(db, of, since);
    const level = row?.level ?? 'auto';
    return { level, evidence: { window_ms: settings.window_ms, since: toInstant(since.getTime()), ...counts }, advice: autonomyAdvice(settings, level, counts) };
  }

  /** Writes level, version and events. The transaction holds `publicationLocks` with the `autonomyStream`. @returns the version that says so, if the tenant has a policy */
  async change(tx: PgTransaction, { tenant, agent, action_kind: kind, level, cause, reason, actor, evidence }: LevelChange): Promise<Changed> {
    const before = levelOf(composePolicy({ own: EMPTY_POLICY, layers: [], levels: await levelsNow(tx, tenant) }), agent, kind) ?? 'auto';
    await putLevel(tx, tenant, { agent, action_kind: kind, level, reason, changed_by: authorOf(actor), changed_at: new Date(this.clock.now()) });
    if (canonicalText((await levelsNow(tx, tenant)) as JsonObject).length > MAX_LEVELS) problem('TOO_LARGE', `all levels of a tenant together have at most ${MAX_LEVELS} characters`);
    const latest = await latestRow(tx, tenant);
    const published = latest === undefined ? undefined : await this.publisher.publish(tx, { tenant, source: latest.source, policy: ownPolicy(readPolicy(latest.canonical)), reason: `Autonomy of ${agent} for ${kind}: ${level}. ${reason}`.slice(0, 1_000), actor, onlyAround: true });
    const data: Changed = { agent, action_kind: kind, level_before: before, level, cause, reason, ...(evidence === undefined ? {} : { evidence }), ...(published === undefined ? {} : { policy_version: published.published.policy_version }) };
    const stream = autonomyStream(tenant, agent);
    const changed = { stream, expectedVersion: (await this.store.versions(tx, [stream])).get(streamKey(stream)) ?? 0, events: [{ definition: AutonomyChanged, data, actor }] };
    await this.store.append(tx, [changed, ...(published === undefined ? [] : [published.write])]);
    return data;
  }

  /** Counted once it is committed. */
  tell({ level_before: before, level, cause }: Pick<Changed, 'level_before' | 'level' | 'cause'>): void {
    if (before !== level) this.changes.inc({ direction: isRaise(before, level) ? 'raised' : 'lowered', cause });
  }
}

const settingsOf = async (db: Queryable, tenant: string): Promise<AutonomySettings> => {
  const latest = await latestRow(db, tenant);
  return (latest === undefined ? undefined : readPolicy(latest.canonical).autonomy) ?? DEFAULT_AUTONOMY;
};
