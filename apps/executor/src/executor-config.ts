import { Type } from 'class-transformer';
import { IsInt, Max, Min, ValidateBy } from 'class-validator';
import { ServiceConfig } from '@exequatur/service-kit';
import { DEFAULT_PRIVATE_NETWORKS } from './egress/admit-address.js';
import { parseNetwork } from './egress/networks.js';

const NONE = 'none';
const networksOf = (text: string): readonly string[] => (text === NONE ? [] : text.split(',').map((each) => each.trim()));

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

  /** Milliseconds from one question to a tool about an unknown outcome to the next; each wait is twice the one before, up to an hour. */
  @Type(() => Number)
  @IsInt()
  @Min(100)
  @Max(3_600_000)
  EXECUTOR_ASK_TOOL_MS: number = 5_000;

  /** Addresses outside the public internet that connectors may declare: comma-separated, in CIDR form, or `none`. */
  @ValidateBy({
    name: 'networks',
    validator: { validate: (text) => typeof text === 'string' && networksOf(text).every((each) => parseNetwork(each) !== undefined), defaultMessage: () => 'EXECUTOR_PRIVATE_NETWORKS must be addresses or ranges in CIDR form, comma-separated, or none' },
  })
  EXECUTOR_PRIVATE_NETWORKS: string = DEFAULT_PRIVATE_NETWORKS.join(',');

  get privateNetworks(): readonly string[] {
    return networksOf(this.EXECUTOR_PRIVATE_NETWORKS);
  }
}
