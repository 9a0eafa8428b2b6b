import { count, instant, name, object, oneOf, optional, truth } from '@exequatur/contracts';
import type { OptionalSchema, Schema, Shape } from '@exequatur/contracts';
import { pageFields } from '@exequatur/service-kit';
import { REQUEST_STATUSES } from '../queue-view/queue-row.js';
import { SORTINGS, type Sorting } from './sortings.js';

/** A group that `/v1/approvals/groups` lists: as `groupKey` makes it. */
export const groupText = (): Schema<string> => ({ json: { type: 'string', pattern: '^[0-9a-f]{32}$' } });

/** What the queue can be narrowed by; the same in lists, groups, counts and saved views. */
export const filterFields = {
  include_resolved: optional(truth()),
  kind: optional(name()),
  class: optional(name()),
  role: optional(name()),
  agent: optional(name()),
  run: optional(name()),
  group: optional(groupText()),
  status: optional(oneOf(...REQUEST_STATUSES)),
  min_risk_points: optional(count(1_000_000)),
  max_risk_points: optional(count(1_000_000)),
  /** opened before this */
  opened_before: optional(instant()),
  /** true: the SLA is running out or over */
  sla_due: optional(truth()),
  /** true: assigned to whoever asks, or asked by name */
  mine: optional(truth()),
  /** true: put off until later is left out */
  hide_deferred: optional(truth()),
  /** true: emergency approvals that nobody has reviewed, whatever their state */
  to_review: optional(truth()),
};

/** `deadline`: what expires first; `oldest`: what was asked first; `risk`: most risk points; `agent`: by name; `amount`: by unit, the largest first, none last */
export const sortField = (): OptionalSchema<Sorting> => optional(oneOf(...SORTINGS));

export const listQuery = object({
  ...pageFields,
  ...filterFields,
  /** a saved view; filters beside it count instead of its own */
  view: optional(name()),
  sort: sortField(),
});
export type ListQuery = Shape<typeof listQuery>;
