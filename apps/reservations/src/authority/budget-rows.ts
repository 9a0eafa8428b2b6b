import type { PgTransaction } from '@exequatur/event-store';
import type { Budget } from '@exequatur/reservations-domain';

/** Budgets a command may move: by place (a reserve charges every ancestor), or by the holds of a reservation. */
export interface BudgetNeeds {
  readonly places: readonly { readonly tenant: string; readonly scopePath: string; readonly unit: string }[];
  readonly heldBy: readonly string[];
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
  SELECT b.budget_id FROM budget b JOIN unnest($1::text[], $2::text[], $3::text[]) AS place (tenant, scope_path, unit) USING (tenant, scope_path, unit)
  UNION
  SELECT h.budget_id FROM hold h WHERE h.reservation_id = ANY ($4::uuid[])
)
SELECT b.budget_id, b.tenant, b.scope_path, b.unit, b.cap, b.held, b.committed, b.entry_no
FROM budget b JOIN wanted USING (budget_id) ORDER BY b.budget_id FOR UPDATE OF b`;

export const lockBudgets = async (tx: PgTransaction, { places, heldBy }: BudgetNeeds): Promise<LockedBudgets> => {
  if (places.length === 0 && heldBy.length === 0) return { byId: new Map(), before: new Map() };
  const values = [places.map(({ tenant }) => tenant), places.map(({ scopePath }) => scopePath), places.map(({ unit }) => unit), heldBy];
  const { rows } = await tx.query<Row>({ name: 'authority-lock-budgets', text: LOCK, values });
  const byId = new Map(
    rows.map((row) => [
      row.budget_id,
      { budgetId: row.budget_id, tenant: row.tenant, scopePath: row.scope_path, unit: row.unit, cap: BigInt(row.cap), held: BigInt(row.held), committed: BigInt(row.committed), entryNo: Number(row.entry_no) },
    ]),
  );
  return { byId, before: new Map(byId) };
};

/**
 * The decided moves as differences, under the row's own conditions: nobody else moved the budget since it was read, and it
 * covers what is held. A row that does not match is a broken lock, and undoes the whole batch.
 */
const MOVE = `
UPDATE budget b SET held = b.held + m.held, committed = b.committed + m.committed, entry_no = m.entry_no
FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::bigint[], $5::bigint[]) AS m (budget_id, held, committed, entry_no, expected)
WHERE b.budget_id = m.budget_id AND b.entry_no = m.expected AND b.held + m.held + b.committed + m.committed <= b.cap`;

export const writeBudgets = async (tx: PgTransaction, { byId, before }: LockedBudgets): Promise<void> => {
  const moved = [...byId.values()].flatMap((now) => {
    const old = before.get(now.budgetId);
    return old === undefined || old.entryNo === now.entryNo ? [] : [{ now, old }];
  });
  if (moved.length === 0) return;
  const { rowCount } = await tx.query({
    name: 'authority-move-budgets',
    text: MOVE,
    values: [
      moved.map(({ now }) => now.budgetId),
      moved.map(({ now, old }) => (now.held - old.held).toString()),
      moved.map(({ now, old }) => (now.committed - old.committed).toString()),
      moved.map(({ now }) => now.entryNo),
      moved.map(({ old }) => old.entryNo),
    ],
  });
  if (rowCount !== moved.length) throw new Error('a budget moved under its lock, or would not cover what is held');
};
