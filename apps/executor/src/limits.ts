/** Named bounds of the executor; all times in milliseconds. What an installation may change is in ExecutorConfig. */
export const LIMITS = {
  /** How often due executions are looked for when nothing woke the worker. */
  pollMs: 500,
  /** A worker says so often that it lives, in parts of its lease. */
  heartbeatsPerLease: 4,
  /** One ask of reservations. */
  askMs: 10_000,
  /** Bytes of reservations' answer that are read. */
  askAnswerBytes: 262_144,
  /** Waits between asks that may succeed later; the last one repeats. */
  backOffMs: [200, 500, 1_000, 2_000, 5_000, 15_000, 60_000],
  /** Attempts of one execution: each one after the first follows a stored ReservationRefused. */
  attempts: 1_000,
  /** Name lookup, TCP and TLS together. */
  connectMs: 5_000,
  /** Bytes of a tool's answer that are kept, sealed. */
  resultBytes: 16_384,
  /** Between tries to record an outcome while the database does not answer. */
  recordAgainMs: 500,
  /** Calls under way get so long to end when the service stops. */
  stopMs: 1_500,
  /** Executions whose worker is gone, named per look. */
  abandonedBatch: 50,
  /** The hold must outlast execute window, runtime and the way of the outcome. */
  holdMarginMs: 30_000,
  /** Unknown outcomes that one instance asks tools about at the same time. */
  questionsAtOnce: 4,
  /** One question to a tool. */
  questionMs: 10_000,
  /** Questions about one outcome; then it is left to a person, or to a connector that is configured anew. */
  questions: 24,
  /** The longest wait between two of them. */
  questionMostMs: 3_600_000,
  /** How often the unknown ones are counted, for the metric. */
  countUnknownMs: 5_000,
  /** The share of the workers that one tool may have where its connector names no limit: the others go on while it is slow. */
  workersPerTool: 0.75,
  /** Executions of one tenant that may wait; a further use is then answered BUSY. */
  waitingPerTenant: 10_000,
} as const;
