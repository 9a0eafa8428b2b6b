import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { Budget } from '@exequatur/reservations-domain';

/** Budgets a command may move: by place (a reserve charges every ancestor), or by the holds of the tenant's reservation. */
export interface BudgetNeeds {
  readonly places: readonly { readonly tenant: string; readonly scopePath: string }[];
  readonly heldBy: readonly { readonly tenant: string; readonly reservationId: string }[];
}

/** Budgets as locked, updated while a batch is decided; `before` is what the rows say. */
export interface LockedBudgets {
  readonly byId: Map<string, Budget & { readonly tenant: string }>;
  readonly before: ReadonlyMap<string, Budget>;
}

interface Row {
  budget_id: string;
  tenant: string;
  scope_path: string;
  unit: string;
  cap: string;
  held: string;
  committed: string;
  entry_no: string;
}

/** The last locks of all, since these rows are the hot ones; every transaction takes them in the order of their ids. */
const LOCK = `
WITH wanted AS (
  SELECT b.budget_id FROM unnest($1::text[], $2::text[]) AS place (tenant, scope_path)
  CROSS JOIN LATERAL (SELECT budget_id FROM budget WHERE tenant = place.tenant AND scope_path = place.scope_path) AS b
  UNION
  SELECT unnest(r.charged) FROM unnest($3::text[], $4::uuid[]) AS settled (tenant, reservation_id)
  CROSS JOIN LATERAL (SELECT charged FROM reservation WHERE reservation_id = settled.reservation_id AND tenant = settled.tenant) AS r
)
SELECT b.budget_id, b.tenant, b.scope_path, b.unit, b.cap, b.held, b.committed, b.entry_no
FROM (SELECT budget_id FROM wanted ORDER BY budget_id) AS ordered
CROSS JOIN LATERAL (SELECT * FROM budget WHERE budget_id = ordered.budget_id FOR UPDATE) AS b`;

export const lockBudgets = async (tx: PgTransaction, { places, heldBy }: BudgetNeeds): Promise<LockedBudgets> => {
  if (places.length === 0 && heldBy.length === 0) return { byId: new Map(), before: new Map() };
  const values = [pgArray.text(places.map(({ tenant }) => tenant)), pgArray.text(places.map(({ scopePath }) => scopePath)), pgArray.text(heldBy.map(({ tenant }) => tenant)), pgArray.uuid(heldBy.map(({ reservationId }) => reservationId))];
  const { rows } = await tx.query<Row>({ name: 'authority-lock-budgets', text: LOCK, values });
  const byId = new Map(
    rows.map((row) => [
      row.budget_id,
      { budgetId: row.budget_id, tenant: row.tenant, scopePath: row.scope_path, unit: row.unit, cap: BigInt(row.cap), held: BigInt(row.held), committed: BigInt(row.committed), entryNo: Number(row.entry_no) },
    ]),
  );
  return { byId, before: new Map(byId) };
};

/** Budgets that the batch moved, as they were and as they are. */
export const movedBudgets = ({ byId, before }: LockedBudgets): readonly { readonly now: Budget; readonly old: Budget }[] =>
  [...byId.values()].flatMap((now) => {
    const old = before.get(now.budgetId);
    return old === undefined || old.entryNo === now.entryNo ? [] : [{ now, old }];
  });
