/** Named bounds of the audit projector. */
export const AUDIT_LIMITS = {
  /** A tree head is due this long after the last one, when there were new leaves. */
  treeHeadEveryMs: 1_000,
  /** … or at this many new leaves, whichever comes first. */
  treeHeadEveryLeaves: 1_000,
  /** How often is looked whether one is due. */
  treeHeadLookMs: 200,
  /** A message is read for its tenant up to this size and depth; beyond it goes to the unreadable log. */
  readableBytes: 8 * 1024 * 1024,
  readableDepth: 64,
  /** Bytes written in one transaction; a larger message is written alone. */
  appendBytes: 4 * 1024 * 1024,
  /** The log may follow this much later; its batches are then as much larger. */
  fetchSpacingMs: 50,
  /** Leaves an export or a rebuild reads at once. */
  chunkLeaves: 200,
  /** Of a rebuild, which has no client to keep waiting; two chunks are in memory at a time. */
  rebuildLeaves: 500,
  /** Rows of the timeline, which hold open data only, compared at once. */
  digestRows: 1_000,
  /** How often witnesses are asked, and how long one answer is waited for. */
  witnessAskMs: 1_000,
  witnessTimeoutMs: 3_000,
  /** A cosignature line has about 200. */
  witnessAnswerCharacters: 4_096,
  /** How often static files follow the tree heads. */
  tilesEveryMs: 1_000,
  /** How often the facts of actions follow the timeline, by how many leaves a transaction, and how often gauges follow the facts. */
  factsEveryMs: 5_000,
  factLeaves: 1_000,
  gaugesEveryMs: 15_000,
  /** Tenants with gauges of their own; more would be more series than a scrape should have. */
  gaugedTenants: 100,
  /** Actions of one period that are counted. */
  countedActions: 200_000,
  /** How often is looked for actions that are no longer kept, and how many at once. */
  retentionEveryMs: 3_600_000,
  retentionActions: 500,
  /** Leaves one page of /v1/log/entries has at most. */
  pageLeaves: 200,
} as const;

/**
 * The log for bytes that name no tenant, and for bytes that name one which has no log and that nobody vouches for: such a
 * message must not be able to start a tenant's log. No tenant can have this name (contracts `name`).
 */
export const UNREADABLE_LOG = '_unreadable';
