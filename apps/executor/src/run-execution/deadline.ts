import type { Clock } from '@exequatur/kernel';

/** When the effect may begin at the latest: by the wall clock and by a clock that cannot be set. Either one saying "late" is enough. */
export interface Deadline {
  /** Unix ms. */
  readonly wall: number;
  readonly monotonic: number;
}

export interface DeadlineParts {
  /** The authority's absolute time, Unix ms. */
  readonly executeBy: number;
  /** Counted by the authority when it first answered. */
  readonly executeWithinMs: number;
  /** Monotonic, before the answer was asked for. A replayed answer counts from an earlier ask, so this alone would be too late then. */
  readonly askedAt: number;
  /** The database's clock, Unix ms, and the monotonic clock before it was read: what is left after a replay, a restart or a pause. */
  readonly databaseNow: number;
  readonly readAt: number;
}

export const deadlineOf = ({ executeBy, executeWithinMs, askedAt, databaseNow, readAt }: DeadlineParts): Deadline => ({
  wall: executeBy,
  monotonic: Math.min(askedAt + executeWithinMs, readAt + (executeBy - databaseNow)),
});

export const isLate = (deadline: Deadline, clock: Clock): boolean => clock.now() >= deadline.wall || clock.monotonic() >= deadline.monotonic;
