import { closedMapping } from './findings.js';
import type { Place } from './findings.js';
import { maybe, readTruth } from './values.js';

/** MCP tool annotations, as the server of a tool states them of itself: nobody vouches for them. */
export interface ToolHints {
  readonly read_only?: boolean | undefined;
  readonly destructive?: boolean | undefined;
  readonly idempotent?: boolean | undefined;
  readonly open_world?: boolean | undefined;
}

export const HINT_KEYS = ['read_only', 'destructive', 'idempotent', 'open_world'] as const satisfies readonly (keyof ToolHints)[];

/** What a hint adds. `read_only` and `idempotent` would lower risk, so they add nothing; neither does a hint that something is harmless. */
const TAG_OF = { destructive: 'mcp:destructive', open_world: 'mcp:open-world' } as const;

export const readHints = (place: Place): ToolHints | undefined =>
  closedMapping(place, HINT_KEYS) ? Object.fromEntries(HINT_KEYS.map((key) => [key, maybe(place, key, readTruth)])) : undefined;

/** The tags a tool has anyway, and those its hints add: with hints there are never fewer. */
export const withHints = (tags: readonly string[] | undefined, hints: ToolHints | undefined): readonly string[] | undefined => {
  const added = Object.entries(TAG_OF).flatMap(([hint, tag]) => (hints?.[hint as keyof typeof TAG_OF] === true ? [tag] : []));
  return added.length === 0 ? tags : [...new Set([...(tags ?? []), ...added])];
};
