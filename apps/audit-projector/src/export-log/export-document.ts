import { createHash } from 'node:crypto';
import { signDsse } from '@exequatur/audit-chain';
import type { SigningKey, TrustedKeys } from '@exequatur/audit-chain';
import { canonicalBytes } from '@exequatur/kernel';
import type { LeafDocument } from './leaf-document.js';

/** What audit-verify reads (docs/reference): one header, the leaves, the tree heads, one signed end. */
const FORMAT = 'exequatur-export/1';
const END = 'exequatur-export';
/** DSSE payload type of the end's signature. */
const END_TYPE = 'application/vnd.exequatur.export-end+json';

export interface ExportSource {
  readonly tenant: string;
  readonly createdAt: string;
  readonly trustedKeys: TrustedKeys;
  readonly key: SigningKey;
  /** The head over exactly the leaves of the export; undefined for an empty log. */
  readonly newestNote: string | undefined;
  /** In the order of the log. */
  readonly leaves: AsyncIterable<readonly LeafDocument[]>;
  /** In the order of their sizes, the newest last. */
  readonly notes: AsyncIterable<readonly string[]>;
}

/** The lines of an export in chunks of text; holds one chunk at a time. The same source gives the same bytes. */
export async function* exportDocument({ tenant, createdAt, trustedKeys, key, newestNote, leaves, notes }: ExportSource): AsyncGenerator<string, void> {
  const digest = createHash('sha256');
  const text = (lines: readonly object[]): string => {
    const chunk = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    digest.update(chunk);
    return chunk;
  };
  const own = trustedKeys['audit']?.find(({ kid }) => kid === key.kid);
  yield text([{ format: FORMAT, tenant, ...(newestNote === undefined ? {} : { tree_head: newestNote }), keys: trustedKeys, log_key: own, created_at: createdAt }]);
  const counts = { leaves: 0, tree_heads: 0 };
  for await (const chunk of leaves) {
    counts.leaves += chunk.length;
    yield text(chunk);
  }
  for await (const chunk of notes) {
    counts.tree_heads += chunk.length;
    yield text(chunk.map((note) => ({ tree_head: note })));
  }
  const closed = { ...counts, digest: `sha256:${digest.digest('hex')}` };
  const signature = signDsse(key, END_TYPE, canonicalBytes({ ...closed, tenant })).toString('base64url');
  yield `${JSON.stringify({ end: END, ...closed, signature })}\n`;
}
