import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { Health, LOGGER, RepeatedWork, ServiceMetrics } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { ReconcileByTool } from '../ask-tool/reconcile-by-tool.js';
import { ExecutorConfig } from '../executor-config.js';
import { LIMITS } from '../limits.js';
import { NameAbandoned } from '../name-abandoned/name-abandoned.js';
import { ExecutionLeases } from './execution-leases.js';
import type { Lease } from './execution-leases.js';
import { RunExecution } from './run-execution.js';

/** A bounded pool that works on due executions, one turn each: to its end, or until it has to wait. What is due waits in its table. */
@Injectable()
export class ExecutionWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private readonly running = new Set<Promise<void>>();
  private readonly faults = new Set<string>();
  private readonly turns = this.repeated('turns', LIMITS.pollMs, () => this.takeTurns());
  private unknown = 0;
  private readonly loops: readonly RepeatedWork[];

  constructor(
    private readonly leases: ExecutionLeases,
    private readonly runner: RunExecution,
    private readonly abandoned: NameAbandoned,
    private readonly reconciling: ReconcileByTool,
    private readonly config: ExecutorConfig,
    private readonly health: Health,
    private readonly metrics: ServiceMetrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    const heartbeat = this.repeated('heartbeat', this.config.EXECUTOR_LEASE_MS / LIMITS.heartbeatsPerLease, async () => {
      await this.leases.heartbeat();
      await this.abandoned.nameAll(this.leases.heldIds());
    });
    // A loop of its own: a tool that answers slowly keeps no execution waiting.
    const questions = this.repeated('questions', LIMITS.pollMs, async () => {
      while (!this.stopping.signal.aborted && (await this.reconciling.askAll(this.stopping.signal)) === LIMITS.questionsAtOnce);
    });
    const count = this.repeated('unknown-count', LIMITS.countUnknownMs, async () => {
      this.unknown = await this.reconciling.countUnknown();
    });
    this.loops = [this.turns, heartbeat, questions, count];
  }

  onApplicationBootstrap(): void {
    this.health.add({ name: 'execution-worker', check: async () => (this.faults.size === 0 ? undefined : `failing: ${[...this.faults].join(', ')}`) });
    this.metrics.gauge('exequatur_executions_running', 'Executions this instance works on now.', () => this.running.size);
    this.metrics.gauge('exequatur_executions_unknown', 'Executions of all tenants whose outcome is unknown.', () => this.unknown);
    for (const loop of this.loops) loop.start();
  }

  /** Something may be due. */
  wake(): void {
    this.turns.wake();
  }

  /** Takes nothing more, stops asking, and gives calls under way a moment; what has not ended then is named at the next start. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops.map((loop) => loop.stop()));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, LIMITS.stopMs)));
    await Promise.race([Promise.all(this.running), late]);
    clearTimeout(timer);
    await this.leases.releaseRequested().catch((error: unknown) => this.log.warn({ err: error }, 'leases lapse by themselves'));
  }

  /** Fills the pool with what is due. */
  private async takeTurns(): Promise<void> {
    for (;;) {
      const free = this.config.EXECUTOR_WORKERS - this.running.size;
      if (free <= 0 || this.stopping.signal.aborted) return;
      const leases = await this.leases.take(free);
      for (const lease of leases) this.turn(lease);
      if (leases.length < free) return;
    }
  }

  private turn(lease: Lease): void {
    const turn = this.runner
      .run(lease, this.stopping.signal)
      .catch((error: unknown) => this.log.error({ err: error, execution_id: lease.executionId, tenant: lease.tenant }, 'a turn of an execution failed; it is due again when its lease lapses'))
      .finally(() => {
        this.leases.drop(lease);
        this.running.delete(turn);
        this.wake();
      });
    this.running.add(turn);
  }

  private repeated(name: string, restMs: number, work: () => Promise<void>): RepeatedWork {
    return new RepeatedWork(restMs, work, (fault) => {
      if (fault === undefined) return void this.faults.delete(name);
      this.faults.add(name);
      this.log.warn({ err: fault, loop: name }, 'a loop of the executor failed; trying again');
    });
  }
}
