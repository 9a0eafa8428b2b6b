/** Named bounds of reservations; the service may narrow them by configuration. All times in milliseconds. */
export interface ReservationLimits {
  /** A claim must be executed within this; execute_by is the earlier of it and the grant's expiry. */
  readonly executeWindowMs: number;
  readonly smallestTtlMs: number;
  readonly largestTtlMs: number;
  /** When the request names no ttl_ms. */
  readonly ttlMs: Readonly<Record<'self' | 'managed', number>>;
  /** Extending can never make a hold older than this. */
  readonly largestAgeMs: number;
  /** After expires_at an agent may still report for so long; then the sweep ends the hold. */
  readonly graceMs: number;
  /** Runtime assumed where the caps name none. */
  readonly assumedRuntimeMs: number;
  /** Added to execute_by + runtime before "not executed" may be believed. */
  readonly reconcileMarginMs: number;
}

export const DEFAULT_LIMITS: ReservationLimits = {
  executeWindowMs: 10_000,
  smallestTtlMs: 1_000,
  largestTtlMs: 900_000,
  ttlMs: { self: 60_000, managed: 120_000 },
  largestAgeMs: 86_400_000,
  graceMs: 5_000,
  assumedRuntimeMs: 60_000,
  reconcileMarginMs: 5_000,
};
