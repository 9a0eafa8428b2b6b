/** What somebody, or the people at one gate, decided within a window. */
export interface ReviewNumbers {
  readonly decisions: number;
  readonly approvals: number;
  /** between the first look and the decision; undefined when nobody looked through a page or the API */
  readonly medianDwellMs?: number;
  /** planted requests they met, and those of them that they did not approve */
  readonly canaries?: number;
  readonly canariesNoticed?: number;
}
export type ReviewFlag = 'approves_nearly_everything' | 'decides_too_fast' | 'misses_canaries';

/** Bounds of the flags: below these volumes a rate says nothing. */
export const REVIEW_BOUNDS = { approvalRate: 0.98, rateVolume: 50, dwellMs: 5_000, dwellVolume: 20, canaryVolume: 2, canaryRate: 0.5 } as const;

/** Signs that reviewing has become a reflex. They ask for a look; nothing is decided by them. */
export const reviewFlags = ({ decisions, approvals, medianDwellMs, canaries = 0, canariesNoticed = 0 }: ReviewNumbers): readonly ReviewFlag[] => [
  ...(decisions >= REVIEW_BOUNDS.rateVolume && approvals / decisions > REVIEW_BOUNDS.approvalRate ? (['approves_nearly_everything'] as const) : []),
  ...(decisions >= REVIEW_BOUNDS.dwellVolume && medianDwellMs !== undefined && medianDwellMs < REVIEW_BOUNDS.dwellMs ? (['decides_too_fast'] as const) : []),
  ...(canaries >= REVIEW_BOUNDS.canaryVolume && canariesNoticed / canaries < REVIEW_BOUNDS.canaryRate ? (['misses_canaries'] as const) : []),
];
