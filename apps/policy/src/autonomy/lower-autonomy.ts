import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { Database, LOGGER, Problem, RepeatedWork } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { publicationLocks } from '../policy-versions/policy-publisher.js';
import { AgentAutonomy, autonomyStream } from './agent-autonomy.js';
import { markJudged, toJudge } from './outcome-rows.js';
import type { AgentKind } from './outcome-rows.js';

const SWEEP_MS = 1_000;

/**
 * Lowers a level when a rate passes its threshold. Looks once a second at what ended since; an outcome is marked as judged after
 * what it caused has been written, so a crash between the two only looks again. Several instances may look at the same time:
 * under its locks a change is judged anew, and the outcomes before it count no longer.
 */
@Injectable()
export class LowerAutonomy implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly sweeps: RepeatedWork;

  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly autonomy: AgentAutonomy,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.sweeps = new RepeatedWork(SWEEP_MS, () => this.sweep(), (fault) => fault === undefined || log.warn({ err: fault }, 'the autonomy of agents could not be judged; trying again'));
  }

  onApplicationBootstrap(): void {
    this.sweeps.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.sweeps.stop();
  }

  private async sweep(): Promise<void> {
    const pending = await toJudge(this.database);
    if (pending.length === 0) return;
    const kinds = new Map(pending.map(({ tenant, agent, action_kind }) => [JSON.stringify([tenant, agent, action_kind]), { tenant, agent, action_kind }]));
    for (const of of kinds.values()) if ((await this.autonomy.standing(this.database, of)).advice.advice === 'lower') await this.lower(of).catch((error: unknown) => this.mayGoOn(of, error));
    await markJudged(this.database, pending);
  }

  /** What is refused (the levels of a tenant have a bound) would be refused again: it is told, and the other agents are judged. */
  private mayGoOn(of: AgentKind, error: unknown): void {
    if (!(error instanceof Problem)) throw error;
    this.log.error({ err: error, tenant: of.tenant, agent: of.agent, action_kind: of.action_kind }, 'the autonomy of an agent should fall, and cannot');
  }

  private async lower(of: AgentKind): Promise<void> {
    const changed = await this.store.transact(publicationLocks(of.tenant, autonomyStream(of.tenant, of.agent)), async (tx) => {
      const { advice, evidence } = await this.autonomy.standing(tx, of);
      if (advice.advice !== 'lower') return undefined;
      return this.autonomy.change(tx, { ...of, level: advice.level, cause: 'automatic', reason: advice.reason, evidence, actor: { type: 'service', id: 'policy' } });
    });
    if (changed === undefined) return;
    this.autonomy.tell(changed);
    this.log.warn({ tenant: of.tenant, agent: of.agent, action_kind: of.action_kind, level: changed.level, reason: changed.reason }, 'the autonomy of an agent was lowered');
  }
}
