import type { TimelineRow } from '../timeline-view/project.js';

const DAY_MS = 86_400_000;
/** Nothing is kept shorter, whatever a policy says (EU AI Act, articles 19 and 26: at least six months). */
export const SHORTEST_RETENTION_MS = 180 * DAY_MS;
/** Where a class says nothing. */
export const DEFAULT_RETENTION_MS = 7 * 365 * DAY_MS;

/** Classes of the policy that an action was decided under; their `retention_ms` where they say one. */
export type PolicyClasses = Readonly<Record<string, { readonly retention_ms?: number }>>;

export interface Retention {
  readonly actionClass: string | undefined;
  readonly retentionMs: number;
  readonly lastEventAt: string;
  readonly dueMs: number;
}

interface Ruling {
  readonly policy_hash?: string;
  readonly action_class?: string;
}

/** Hash of the policy that ruled an action, and the class it put it in. */
export const rulingOf = (rows: readonly TimelineRow[]): Ruling => {
  const rulings = rows.map(({ data }) => JSON.parse(data) as Ruling).filter(({ policy_hash: hash }) => hash !== undefined);
  return rulings.find(({ action_class: each }) => each !== undefined) ?? rulings[0] ?? {};
};

/** From its last event on, as long as its class says, inside the bounds above. */
export const retentionOf = (rows: readonly TimelineRow[], actionClass: string | undefined, classes: PolicyClasses | undefined): Retention => {
  const lastEventAt = rows.reduce((last, { time }) => (Date.parse(time) > Date.parse(last) ? time : last), rows[0]?.time ?? '9999-12-31T23:59:59.999Z');
  const said = actionClass === undefined ? undefined : classes?.[actionClass]?.retention_ms;
  const retentionMs = Math.max(SHORTEST_RETENTION_MS, said ?? DEFAULT_RETENTION_MS);
  return { actionClass, retentionMs, lastEventAt, dueMs: Date.parse(lastEventAt) + retentionMs };
};
