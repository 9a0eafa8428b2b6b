import type { Clock } from '@exequatur/kernel';
import { Problem } from '../problem/problem.js';

/** Principals whose buckets are kept; the ones not seen for longest are forgotten, which only ever gives them more. */
const MAX_BUCKETS = 50_000;
const BURST_SECONDS = 2;

interface Bucket {
  tokens: number;
  at: number;
}

/** A token bucket a principal, in this process: a bound on damage, not a quota shared by instances. */
export class RateLimit {
  private readonly buckets = new Map<string, Bucket>();

  constructor(
    private readonly perSecond: number,
    private readonly clock: Clock,
  ) {}

  /** @throws Problem BUSY with the seconds until there is a token again */
  take(principal: string): void {
    const now = this.clock.monotonic();
    const known = this.buckets.get(principal);
    const capacity = this.perSecond * BURST_SECONDS;
    const tokens = known === undefined ? capacity : Math.min(capacity, known.tokens + ((now - known.at) / 1_000) * this.perSecond);
    // Set anew, at the young end of the map.
    this.buckets.delete(principal);
    this.buckets.set(principal, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    this.forgetOldest();
    if (tokens < 1) throw new Problem('BUSY', undefined, undefined, Math.max(1, Math.ceil((1 - tokens) / this.perSecond)));
  }

  private forgetOldest(): void {
    if (this.buckets.size <= MAX_BUCKETS) return;
    const [oldest] = this.buckets.keys();
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}
