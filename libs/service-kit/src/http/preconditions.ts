import { problem } from '../problem/problem.js';
import type { HttpRequest } from './http-request.js';

/** A strong entity tag of a version or a hash: `"7"`. */
export const entityTag = (version: number | string): string => `"${version}"`;

/**
 * Decisions are taken on what was seen. Call it with the tag of the state as it is now, under the lock.
 * @throws Problem IF_MATCH_REQUIRED without an If-Match header, STALE when none of its tags is `current`
 */
export const requireIfMatch = (request: HttpRequest, current: string): void => {
  const header = request.headers['if-match'];
  if (header === undefined || header.trim() === '') problem('IF_MATCH_REQUIRED');
  const tags = header.split(',').map((tag) => tag.trim());
  // `*` would decide on whatever is there, which is what this header is for preventing.
  if (!tags.includes(current)) problem('STALE');
};
