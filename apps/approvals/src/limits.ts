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
  /** From leaving for the identity provider to coming back. */
  signInSeconds: 10 * 60,
  /** One request to an identity provider, or to policy about who signed in. */
  identityMs: 5_000,
  /** Until what policy recorded about who signed in has come here. */
  knownMs: 10_000,
  /** One attempt to deliver a notice, from name to answer. */
  noticeMs: 15_000,
  noticeSweepMs: 1_000,
  /** One call of Slack's API: three of them fit into an attempt. */
  slackMs: 5_000,
  /** Pause between looks for interactions of Slack that were acknowledged and not worked on. */
  slackSweepMs: 2_000,
  /** From one count of timeouts to the next. */
  timeoutWatchMs: 60_000,
  /** Deliveries of a channel at once. */
  noticeBatch: 20,
  /** Between looks for new events while anybody listens; once for all of them. */
  streamPollMs: 500,
  /** A silent stream says that it is still there, so that proxies keep it. */
  streamHeartbeatMs: 15_000,
  /** After this a stream ends and its reader comes back with Last-Event-ID: no connection outlives a session. */
  streamMs: 60 * 60 * 1_000,
  streamRetryMs: 2_000,
  /** Changes in one look. */
  streamBatch: 500,
  /** A reader that lets more pile up is cut off. */
  streamBufferBytes: 1024 * 1024,
  /** Fields of the queue's row that hold free text of policy. */
  summaryText: 2_000,
  /** Between looks for revocations that reservations has not confirmed; how many a look, and how long it may take to answer for one. */
  revocationSweepMs: 500,
  revocationBatch: 50,
  askReservationsMs: 5_000,
} as const;
