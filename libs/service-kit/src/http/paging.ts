import { count, optional, text, type OptionalSchema } from '@exequatur/contracts';
import { parseStrict, type JsonValue } from '@exequatur/kernel';
import { problem } from '../problem/problem.js';

export const MAX_PAGE = 200;
export const DEFAULT_PAGE = 50;

/** The two fields every list takes: `object({ ...pageFields, kind: optional(name()) })`. */
export const pageFields: { readonly limit: OptionalSchema<number>; readonly cursor: OptionalSchema<string> } = { limit: optional(count(MAX_PAGE)), cursor: optional(text(500)) };

export interface ListPage<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/** Rows asked for: 1 … 200, 50 when not said. */
export const pageSize = (limit: number | undefined): number => Math.max(1, Math.min(limit ?? DEFAULT_PAGE, MAX_PAGE));

/** Opaque to callers; holds the sort key of the last row they got, nothing secret. */
export const encodeCursor = (position: JsonValue): string => Buffer.from(JSON.stringify(position), 'utf8').toString('base64url');

/** The position a cursor holds; undefined for the first page. The caller checks its shape with `shaped`. @throws Problem INVALID */
export const decodeCursor = (cursor: string | undefined): JsonValue | undefined => {
  if (cursor === undefined) return undefined;
  try {
    return parseStrict(Buffer.from(cursor, 'base64url'));
  } catch {
    return problem('INVALID', undefined, [{ pointer: '/cursor', expected: 'a next_cursor of this list' }]);
  }
};

/** Ask the database for `pageSize + 1` rows; the one more says whether there is a next page. */
export const pageOf = <R, T>(rows: readonly R[], size: number, positionOf: (row: R) => JsonValue, shown: (row: R) => T): ListPage<T> => {
  const last = rows.length > size ? rows[size - 1] : undefined;
  return { items: rows.slice(0, size).map(shown), next_cursor: last === undefined ? null : encodeCursor(positionOf(last)) };
};
