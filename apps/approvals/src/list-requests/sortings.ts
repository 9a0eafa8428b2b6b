import { amount, count, instant, name, object, oneOf, uuid } from '@exequatur/contracts';
import type { Schema } from '@exequatur/contracts';
import { decodeCursor, problem, shaped } from '@exequatur/service-kit';
import { NO_AMOUNT } from '../queue-view/queue-row.js';
import { moment } from './moment.js';

/** `deadline`, what expires first, is how the queue stands when nothing is said. */
export const SORTINGS = ['deadline', 'oldest', 'risk', 'agent', 'amount'] as const;
export type Sorting = (typeof SORTINGS)[number];

/** What a row is sorted by, as the database gives it. */
export interface SortedRow {
  readonly approval_id: string;
  readonly expires_at: Date;
  readonly opened_at: Date;
  readonly risk_points: number;
  readonly agent: string;
  readonly amount_unit: string;
  readonly amount: string;
}

interface SortKey {
  readonly field: Exclude<keyof SortedRow, 'approval_id'>;
  readonly schema: Schema<string> | Schema<number>;
  readonly type: 'timestamptz' | 'text' | 'integer' | 'numeric';
  /** the greatest first: the index holds the negative, so that all keys of a sorting ascend and compare as one row */
  readonly greatestFirst?: true;
}

const unitOrNone: Schema<string> = { json: { type: 'string', pattern: `^([A-Z][A-Z0-9_]{0,31}|${NO_AMOUNT})$` } };
const EXPIRES: SortKey = { field: 'expires_at', schema: instant(), type: 'timestamptz' };

/** Keys of each sorting; the id of the request is the last one of all. Each is an index of the open queue. */
const KEYS: Readonly<Record<Sorting, readonly SortKey[]>> = {
  deadline: [EXPIRES],
  oldest: [{ field: 'opened_at', schema: instant(), type: 'timestamptz' }],
  risk: [{ field: 'risk_points', schema: count(1_000_000), type: 'integer', greatestFirst: true }, EXPIRES],
  agent: [{ field: 'agent', schema: name(), type: 'text' }, EXPIRES],
  amount: [{ field: 'amount_unit', schema: unitOrNone, type: 'text' }, { field: 'amount', schema: amount(), type: 'numeric', greatestFirst: true }, EXPIRES],
};

const columnOf = ({ field, greatestFirst }: SortKey): string => (greatestFirst === true ? `(-${field})` : field);

export const orderOf = (sorting: Sorting): string => [...KEYS[sorting].map(columnOf), 'approval_id'].join(', ');

/** Where a page of this sorting ends. */
export const positionOf = (sorting: Sorting, row: SortedRow): Record<string, string | number> => ({
  ...(sorting === 'deadline' ? {} : { sort: sorting }),
  ...Object.fromEntries(KEYS[sorting].map(({ field }) => [field, textOrNumber(row[field])])),
  approval_id: row.approval_id,
});

const textOrNumber = (value: Date | string | number): string | number => (value instanceof Date ? value.toISOString() : value);

/** Rows behind a cursor's position, with values from `$first` on. @throws Problem INVALID on a cursor that is none, or of another sorting */
export const behindCursor = (sorting: Sorting, cursor: string | undefined, first: number): { readonly sql: string; readonly values: readonly unknown[] } | undefined => {
  const position = decodeCursor(cursor);
  if (position === undefined) return undefined;
  const keys = KEYS[sorting];
  const after = shaped(positionShape(sorting), position);
  const values = keys.map(({ field, type }) => valueIn(after, field, type));
  const places = keys.map(({ type, greatestFirst }, index) => `${greatestFirst === true ? '-' : ''}$${first + index}::${type}`);
  return { sql: `(${orderOf(sorting)}) > (${[...places, `$${first + keys.length}::uuid`].join(', ')})`, values: [...values, after['approval_id']] };
};

type Position = Readonly<Record<string, string | number | undefined>>;

const positionShape = (sorting: Sorting): Schema<Position> =>
  object({ ...(sorting === 'deadline' ? {} : { sort: oneOf(sorting) }), ...Object.fromEntries(KEYS[sorting].map(({ field, schema }) => [field, schema])), approval_id: uuid() }) as Schema<Position>;

const valueIn = (position: Position, field: string, type: SortKey['type']): string | number | undefined => {
  const value = position[field];
  return type === 'timestamptz' && typeof value === 'string' ? moment(value, '/cursor') : value;
};

interface Sorted {
  readonly sort?: Sorting | undefined;
  readonly include_resolved?: boolean | undefined;
  readonly status?: string | undefined;
}

/** Orders of work that waits: what has ended stands by its deadline. @throws Problem INVALID */
export const sortingOf = ({ sort = 'deadline', include_resolved, status }: Sorted): Sorting => {
  const ended = include_resolved === true || (status !== undefined && status !== 'open');
  return sort !== 'deadline' && ended ? problem('INVALID', undefined, [{ pointer: '/sort', expected: 'deadline, where ended requests are listed too' }]) : sort;
};
