import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { Health, LOGGER, ServiceMetrics } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { ExecutorConfig } from '../executor-config.js';
import { LIMITS } from '../limits.js';
import { NameAbandoned } from '../name-abandoned/name-abandoned.js';
import { ExecutionLeases } from './execution-leases.js';
import type { Lease } from './execution-leases.js';
import { RunExecution } from './run-execution.js';

const TURNS = 'turns';

/** A bounded pool that works on due executions, one turn each: to its end, or until it has to wait. */
@Injectable()
export class ExecutionWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private readonly running = new Set<Promise<void>>();
  /** What each resting loop is ended by. */
  private readonly resting = new Map<string, () => void>();
  private isDue = false;
  private loops: Promise<unknown> = Promise.resolve();
  private readonly faults = new Set<string>();

  constructor(
    private readonly leases: ExecutionLeases,
    private readonly runner: RunExecution,
    private readonly abandoned: NameAbandoned,
    private readonly config: ExecutorConfig,
    private readonly health: Health,
    private readonly metrics: ServiceMetrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.health.add({ name: 'execution-worker', check: async () => (this.faults.size === 0 ? undefined : `failing: ${[...this.faults].join(', ')}`) });
    this.metrics.gauge('exequatur_executions_running', 'Executions this instance works on now.', () => this.running.size);
    const heartbeatMs = this.config.EXECUTOR_LEASE_MS / LIMITS.heartbeatsPerLease;
    this.loops = Promise.all([
      this.repeat(TURNS, LIMITS.pollMs, () => this.takeTurns()),
      this.repeat('heartbeat', heartbeatMs, async () => {
        // First: after a pause of this process its own calls are not to be taken for abandoned.
        await this.leases.heartbeat();
        await this.abandoned.nameAll();
      }),
    ]);
  }

  /** Something may be due. */
  wake(): void {
    this.isDue = true;
    this.resting.get(TURNS)?.();
  }

  /** Takes nothing more, stops asking, and gives calls under way a moment; what has not ended then is named at the next start. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    for (const end of this.resting.values()) end();
    await this.loops;
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

  private async repeat(name: string, everyMs: number, work: () => Promise<void>): Promise<void> {
    while (!this.stopping.signal.aborted) {
      if (name === TURNS) this.isDue = false;
      try {
        await work();
        this.faults.delete(name);
      } catch (error) {
        this.faults.add(name);
        this.log.warn({ err: error, loop: name }, 'a loop of the executor failed; trying again');
      }
      if (this.stopping.signal.aborted || (name === TURNS && this.isDue)) continue;
      await this.rest(name, everyMs);
    }
  }

  private rest(name: string, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.resting.delete(name);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.resting.set(name, end);
    });
  }
}
