import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import { ServiceConfig } from '@exequatur/service-kit';

/** What the executor is told from outside, beyond what every service is. */
export class ExecutorConfig extends ServiceConfig {
  /** Executions one instance works on at the same time. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  EXECUTOR_WORKERS: number = 8;

  /** Milliseconds without a sign of life after which another instance may name an execution UNKNOWN, or take over one that has not started. */
  @Type(() => Number)
  @IsInt()
  @Min(1_000)
  @Max(600_000)
  EXECUTOR_LEASE_MS: number = 10_000;
}
