/** Every bound of this service, with its reason. */
export const APPROVAL_LIMITS = {
  /** Refused votes recorded on one request; later ones are answered the same and leave no event, so nobody can fill a stream. */
  recordedRefusals: 100,
  /** Requests one sweep ends before it looks again. */
  expiryBatch: 100,
  /** Pause between sweeps. A vote after the deadline is refused without waiting for one. */
  expirySweepMs: 1_000,
  /** A person signs in again after this. */
  sessionSeconds: 8 * 60 * 60,
  /** Fields of the queue's row that hold free text of policy. */
  summaryText: 2_000,
} as const;
