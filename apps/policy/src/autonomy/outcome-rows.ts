import { definitionOf } from '@exequatur/contracts';
import type { ActionReviewed, ApprovalGranted, Code, DataOf, EventEnvelope, ReservationRefused } from '@exequatur/contracts';
import type { AutonomyCounts } from '@exequatur/policy-domain';
import type { Queryable } from '@exequatur/service-kit';
import type { ActionView } from '../action-view/action-view.js';

interface Outcome {
  readonly tenant: string;
  readonly actionId: string;
  readonly agent: string;
  readonly kind: string;
  readonly decision: 'approved' | 'edited' | 'rejected' | null;
  readonly denied: boolean;
  readonly at: string;
}

/** Refusals that are nobody's fault but those who stopped something, or of the moment. */
const STOPPED: readonly Code[] = ['FROZEN', 'CIRCUIT_OPEN', 'POLICY_NOT_YET_KNOWN'];

/** What an event says of how an action ended with people, if anything. */
const saidBy = ({ type, data }: EventEnvelope): Pick<Outcome, 'decision' | 'denied'> | undefined => {
  switch (definitionOf(type)?.name) {
    case 'ApprovalGranted': {
      const { narrowed, arguments_hash: asked, granted_arguments_hash: granted } = data as DataOf<typeof ApprovalGranted>;
      return { decision: narrowed.length > 0 || asked !== granted ? 'edited' : 'approved', denied: false };
    }
    case 'ApprovalRejected':
      return { decision: 'rejected', denied: false };
    case 'ActionReviewed':
      // Allowed without asking, and looked at afterwards: what people think of it then counts the same.
      return { decision: (data as DataOf<typeof ActionReviewed>).judgement === 'right' ? 'approved' : 'rejected', denied: false };
    case 'ReservationRefused': {
      const { code, after_approval: afterApproval } = data as DataOf<typeof ReservationRefused>;
      return afterApproval && !STOPPED.includes(code) ? { decision: null, denied: true } : undefined;
    }
    default:
      return undefined;
  }
};

/** One row an action: of several outcomes of it, the last decision stands, and a denial stays. */
const RECORD = `INSERT INTO autonomy_outcome AS o (tenant, action_id, agent, action_kind, decision, denied, at)
SELECT tenant, action_id, agent, action_kind, (array_agg(decision ORDER BY nth DESC) FILTER (WHERE decision IS NOT NULL))[1], bool_or(denied), max(at)
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[]) WITH ORDINALITY AS n (tenant, action_id, agent, action_kind, decision, denied, at, nth)
GROUP BY tenant, action_id, agent, action_kind ORDER BY min(nth)
ON CONFLICT (tenant, action_id) DO UPDATE SET decision = coalesce(excluded.decision, o.decision), denied = o.denied OR excluded.denied, at = greatest(o.at, excluded.at), judged = false, change = excluded.change`;

/** In the transaction that takes the events, in one statement. `viewOf` knows the actions they tell of. */
export const recordOutcomes = async (tx: Queryable, events: readonly EventEnvelope[], viewOf: (event: EventEnvelope) => ActionView | undefined): Promise<void> => {
  const outcomes = events.flatMap((event): Outcome[] => {
    const said = saidBy(event);
    const view = said === undefined ? undefined : viewOf(event);
    return said === undefined || view === undefined ? [] : [{ tenant: view.tenant, actionId: view.action_id, agent: view.agent, kind: view.facts.action_kind, ...said, at: event.time }];
  });
  if (outcomes.length === 0) return;
  const column = <F extends keyof Outcome>(field: F): Outcome[F][] => outcomes.map((outcome) => outcome[field]);
  await tx.query(RECORD, [column('tenant'), column('actionId'), column('agent'), column('kind'), column('decision'), column('denied'), column('at')]);
};

export interface AgentKind {
  readonly tenant: string;
  readonly agent: string;
  readonly action_kind: string;
}

export interface ToJudge extends AgentKind {
  readonly action_id: string;
  readonly change: string;
}

const MOST_AT_ONCE = 500;

/** Outcomes since the last look, oldest first. */
export const toJudge = async (db: Queryable): Promise<readonly ToJudge[]> =>
  (await db.query<ToJudge>(`SELECT tenant, agent, action_kind, action_id, change FROM autonomy_outcome WHERE NOT judged ORDER BY change LIMIT ${MOST_AT_ONCE}`)).rows;

/** Those that did not change since they were read; and forgets what no window reaches any more. */
export const markJudged = async (db: Queryable, judged: readonly ToJudge[]): Promise<void> => {
  await db.query('UPDATE autonomy_outcome o SET judged = true FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS j (tenant, action_id, change) WHERE o.tenant = j.tenant AND o.action_id = j.action_id AND o.change = j.change', [
    judged.map(({ tenant }) => tenant),
    judged.map(({ action_id: actionId }) => actionId),
    judged.map(({ change }) => change),
  ]);
  await db.query(`DELETE FROM autonomy_outcome WHERE tenant = ANY($1::text[]) AND at < now() - interval '90 days'`, [[...new Set(judged.map(({ tenant }) => tenant))]]);
};

/** Counted by action, from `since`. */
export const countsOf = async (db: Queryable, { tenant, agent, action_kind: kind }: AgentKind, since: Date): Promise<AutonomyCounts> => {
  const { rows } = await db.query<AutonomyCounts>(
    `SELECT count(*)::int AS decided, count(*) FILTER (WHERE decision = 'approved' AND NOT denied)::int AS approved, count(*) FILTER (WHERE decision = 'rejected')::int AS rejected,
       count(*) FILTER (WHERE decision = 'edited')::int AS edited, count(*) FILTER (WHERE denied)::int AS denied_after_approval
     FROM autonomy_outcome WHERE tenant = $1 AND agent = $2 AND action_kind = $3 AND at > $4`,
    [tenant, agent, kind, since],
  );
  return rows[0] ?? { decided: 0, approved: 0, rejected: 0, edited: 0, denied_after_approval: 0 };
};

/** Kinds of an agent that people decided something of. */
export const kindsDecided = async (db: Queryable, tenant: string, agent: string): Promise<readonly string[]> =>
  (await db.query<{ action_kind: string }>('SELECT DISTINCT action_kind FROM autonomy_outcome WHERE tenant = $1 AND agent = $2 ORDER BY action_kind LIMIT 200', [tenant, agent])).rows.map(({ action_kind: kind }) => kind);
