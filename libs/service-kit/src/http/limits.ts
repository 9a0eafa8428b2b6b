/** Bounds of every HTTP server of ours, also of the one that standalone puts in front. */
export const HTTP_LIMITS = {
  bodyBytes: 256 * 1024,
  /** Opaque bytes, on routes that take them. */
  octetBytes: 1024 * 1024,
  /** Line and headers together; Node's own bound, named. */
  headerBytes: 16 * 1024,
  /** To receive a request as a whole. Handling it has no bound of its own: statements do. */
  receiveMs: 10_000,
  /** An idle connection; longer than the 60 s that proxies keep theirs. */
  keepAliveMs: 65_000,
  /** One path parameter. */
  parameterLength: 500,
  /** Requests that wait for something to happen, at the same time. */
  longPolls: 5_000,
} as const;
