import type { BudgetWindow, OveragePolicy, RunLimit } from '@exequatur/contracts';
import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { pathAndAncestors } from '@exequatur/reservations-domain';
import type { Budget, EarlierWindow } from '@exequatur/reservations-domain';

export interface BudgetPlace {
  readonly tenant: string;
  readonly scopePath: string;
}

/** Budgets a command may move: by place (a reserve charges every ancestor), or by the holds of the tenant's reservation. */
export interface BudgetNeeds {
  readonly places: readonly BudgetPlace[];
  readonly heldBy: readonly { readonly tenant: string; readonly reservationId: string }[];
}

/** Budgets as locked, updated while a batch is decided; `before` is what the rows say. */
export interface LockedBudgets {
  readonly byId: Map<string, Budget>;
  /** ids by `placeKey`: those that stand there, limits of runs left out */
  readonly at: Map<string, string[]>;
  /** limits of runs by `placeKey` */
  readonly ofRun: Map<string, string[]>;
  readonly before: Map<string, Budget>;
  /** tenants of those that this batch makes: the limits of a run come into being with its first claim */
  readonly made: Map<string, string>;
}

export const placeKey = (tenant: string, scopePath: string): string => `${tenant} ${scopePath}`;

/** A row of `BUDGET_COLUMNS`. */
export interface BudgetRow {
  budget_id: string;
  tenant: string;
  scope_path: string;
  unit: string;
  cap: string;
  held: string;
  committed: string;
  entry_no: string;
  budget_window: BudgetWindow | null;
  window_start_ms: string;
  soft_limit: string | null;
  overage_policy: OveragePolicy | null;
  overdraft_limit: string | null;
  debt: string;
  over_limit: boolean;
  closed: boolean;
  run_limit: RunLimit | null;
  earlier: { startMs: number; cap: string; held: string; committed: string }[] | null;
}

export const BUDGET_COLUMNS =
  'b.budget_id, b.tenant, b.scope_path, b.unit, b.cap, b.held, b.committed, b.entry_no, b.budget_window, b.window_start_ms, b.soft_limit, b.overage_policy, b.overdraft_limit, b.debt, b.over_limit, b.place > 0 AS closed, b.run_limit, b.earlier';

/** The last locks of a batch but for those of limits, since these rows are the hot ones; everyone takes them in the order of their ids. */
const LOCK = `
WITH wanted AS (
  SELECT b.budget_id FROM unnest($1::text[], $2::text[]) AS place (tenant, scope_path)
  CROSS JOIN LATERAL (SELECT budget_id FROM budget WHERE tenant = place.tenant AND scope_path = place.scope_path AND run_limit IS NULL) AS b
  UNION
  SELECT unnest(r.charged) FROM unnest($3::text[], $4::uuid[]) AS settled (tenant, reservation_id)
  CROSS JOIN LATERAL (SELECT charged FROM reservation WHERE reservation_id = settled.reservation_id AND tenant = settled.tenant) AS r
)
SELECT ${BUDGET_COLUMNS}
FROM (SELECT budget_id FROM wanted ORDER BY budget_id) AS ordered
CROSS JOIN LATERAL (SELECT * FROM budget WHERE budget_id = ordered.budget_id AND run_limit IS NULL FOR UPDATE) AS b`;

/** The same locks for budgets that are expected to be as they were: every one on the places, and those that other claims hold. */
const EXPECT = `
WITH wanted AS (
  SELECT b.budget_id FROM unnest($1::text[], $2::text[]) AS place (tenant, scope_path)
  CROSS JOIN LATERAL (SELECT budget_id FROM budget WHERE tenant = place.tenant AND scope_path = place.scope_path AND run_limit IS NULL) AS b
  UNION
  SELECT unnest($3::uuid[])
), locked AS (
  SELECT b.* FROM (SELECT budget_id FROM wanted ORDER BY budget_id) AS ordered
  CROSS JOIN LATERAL (SELECT budget_id, entry_no, cap, held, committed, window_start_ms FROM budget WHERE budget_id = ordered.budget_id AND run_limit IS NULL FOR UPDATE) AS b
)
SELECT must(count(*) = $9 AND count(*) FILTER (WHERE (b.entry_no, b.cap, b.held, b.committed, b.window_start_ms) = (e.entry_no, e.cap::numeric, e.held::numeric, e.committed::numeric, e.window_start_ms)) = $9, 'a budget is not as it was expected')
FROM locked b LEFT JOIN unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[]) AS e (budget_id, entry_no, cap, held, committed, window_start_ms) USING (budget_id)`;

/** Limits of runs, locked behind every other budget and behind their runs (`lockLimits`). */
const LOCK_RUNS = LOCK.replaceAll('run_limit IS NULL', 'run_limit IS NOT NULL');

/** Fields that say nothing are left out, as the domain leaves them out: nearly every budget is the plain one. */
export const budgetIn = (row: BudgetRow): Budget => {
  const plain: Budget = { budgetId: row.budget_id, scopePath: row.scope_path, unit: row.unit, cap: BigInt(row.cap), held: BigInt(row.held), committed: BigInt(row.committed), entryNo: Number(row.entry_no) };
  return isPlain(row) ? plain : { ...plain, ...rareFields(row) };
};

const isPlain = (row: BudgetRow): boolean =>
  row.budget_window === null && row.soft_limit === null && row.overage_policy === null && row.overdraft_limit === null && row.debt === '0' && !row.over_limit && !row.closed && row.run_limit === null;

const rareFields = (row: BudgetRow): Partial<Budget> => ({
  ...(row.budget_window === null ? {} : { window: row.budget_window }),
  ...(row.window_start_ms === '0' ? {} : { windowStartMs: Number(row.window_start_ms) }),
  ...(row.soft_limit === null ? {} : { softLimit: BigInt(row.soft_limit) }),
  ...(row.overage_policy === null ? {} : { overagePolicy: row.overage_policy }),
  ...(row.overdraft_limit === null ? {} : { overdraftLimit: BigInt(row.overdraft_limit) }),
  ...(row.debt === '0' ? {} : { debt: BigInt(row.debt) }),
  ...(row.over_limit ? { overLimit: true } : {}),
  ...(row.closed ? { closed: true } : {}),
  ...(row.run_limit === null ? {} : { runLimit: row.run_limit }),
  ...(row.earlier === null ? {} : { earlier: row.earlier.map(({ startMs, cap, held, committed }) => ({ startMs, cap: BigInt(cap), held: BigInt(held), committed: BigInt(committed) })) }),
});

/** `earlier` as its column has it; null where there is none. */
export const earlierText = (earlier: readonly EarlierWindow[] | undefined): string | null =>
  earlier === undefined || earlier.length === 0 ? null : JSON.stringify(earlier.map(({ startMs, cap, held, committed }) => ({ startMs, cap: cap.toString(), held: held.toString(), committed: committed.toString() })));

export const noBudgets = (): LockedBudgets => ({ byId: new Map(), at: new Map(), ofRun: new Map(), before: new Map(), made: new Map() });

const valuesOf = ({ places, heldBy }: BudgetNeeds): Buffer[] => [
  pgArray.text(places.map(({ tenant }) => tenant)),
  pgArray.text(places.map(({ scopePath }) => scopePath)),
  pgArray.text(heldBy.map(({ tenant }) => tenant)),
  pgArray.uuid(heldBy.map(({ reservationId }) => reservationId)),
];

export const lockBudgets = async (tx: PgTransaction, needs: BudgetNeeds): Promise<LockedBudgets> => {
  const locked = noBudgets();
  if (needs.places.length === 0 && needs.heldBy.length === 0) return locked;
  const { rows } = await tx.query<BudgetRow>({ name: 'authority-lock-budgets', text: LOCK, values: valuesOf(needs) });
  for (const row of rows) add(locked, locked.at, row);
  return locked;
};

/** Without waiting for the answer: the transaction fails with class 23 where `before` is not what the rows say. */
export const sendExpectedBudgets = (tx: PgTransaction, places: readonly BudgetPlace[], { before }: LockedBudgets): void => {
  if (places.length === 0 && before.size === 0) return;
  const budgets = [...before.values()];
  tx.send({
    name: 'authority-expect-budgets',
    text: EXPECT,
    values: [
      pgArray.text(places.map(({ tenant }) => tenant)),
      pgArray.text(places.map(({ scopePath }) => scopePath)),
      pgArray.uuid(budgets.map(({ budgetId }) => budgetId)),
      pgArray.int8(budgets.map(({ entryNo }) => entryNo)),
      pgArray.text(budgets.map(({ cap }) => cap.toString())),
      pgArray.text(budgets.map(({ held }) => held.toString())),
      pgArray.text(budgets.map(({ committed }) => committed.toString())),
      pgArray.int8(budgets.map(({ windowStartMs }) => windowStartMs ?? 0)),
      budgets.length,
    ],
  });
};

export const lockRunBudgets = async (tx: PgTransaction, needs: BudgetNeeds): Promise<readonly BudgetRow[]> => {
  if (needs.places.length === 0 && needs.heldBy.length === 0) return [];
  return (await tx.query<BudgetRow>({ name: 'authority-lock-run-budgets', text: LOCK_RUNS, values: valuesOf(needs) })).rows;
};

export const addRunBudgets = (locked: LockedBudgets, rows: readonly BudgetRow[]): void => {
  for (const row of rows) if (!locked.byId.has(row.budget_id)) add(locked, locked.ofRun, row);
};

export const removeRunBudgets = ({ byId, before, ofRun }: LockedBudgets): void => {
  for (const id of [...ofRun.values()].flat()) {
    byId.delete(id);
    before.delete(id);
  }
  ofRun.clear();
};

const add = ({ byId, before }: LockedBudgets, index: Map<string, string[]>, row: BudgetRow): void => {
  const budget = budgetIn(row);
  byId.set(row.budget_id, budget);
  before.set(row.budget_id, budget);
  const key = placeKey(row.tenant, row.scope_path);
  const there = index.get(key);
  if (there === undefined) index.set(key, [row.budget_id]);
  else there.push(row.budget_id);
};

/** What a claim on the path is charged to, widest first. A closed budget counts until another has taken its place. */
export const budgetsOn = (tenant: string, scopePath: string, { byId, at }: LockedBudgets): readonly Budget[] => {
  const budgets: Budget[] = [];
  let closed = false;
  for (const place of pathAndAncestors(scopePath)) {
    for (const id of at.get(placeKey(tenant, place)) ?? []) {
      const budget = byId.get(id);
      if (budget === undefined) continue;
      budgets.push(budget);
      closed ||= budget.closed === true;
    }
  }
  return closed ? budgets.filter((budget) => budget.closed !== true || !budgets.some((other) => other !== budget && takesPlaceOf(other, budget))) : budgets;
};

/** Of several closed ones the last says what is refused. */
const takesPlaceOf = (other: Budget, closed: Budget): boolean =>
  other.scopePath === closed.scopePath && other.unit === closed.unit && (other.closed !== true || other.budgetId > closed.budgetId);

export const runBudgetsAt = (tenant: string, scopePath: string, { byId, ofRun }: LockedBudgets): readonly Budget[] => (ofRun.get(placeKey(tenant, scopePath)) ?? []).flatMap((id) => byId.get(id) ?? []);

/** The budget as a decision left it. One that was not there before is made with this batch. */
export const moveBudget = ({ byId, ofRun, made }: LockedBudgets, tenant: string, budget: Budget): void => {
  const { budgetId } = budget;
  if (!byId.has(budgetId)) {
    made.set(budgetId, tenant);
    const key = placeKey(tenant, budget.scopePath);
    ofRun.set(key, [...(ofRun.get(key) ?? []), budgetId]);
  }
  byId.set(budgetId, budget);
};

/** Budgets that the batch moved, as they were and as they are; those it made are not among them. */
export const movedBudgets = ({ byId, before }: LockedBudgets): readonly { readonly now: Budget; readonly old: Budget }[] => {
  const moved: { now: Budget; old: Budget }[] = [];
  for (const now of byId.values()) {
    const old = before.get(now.budgetId);
    if (old !== undefined && old.entryNo !== now.entryNo) moved.push({ now, old });
  }
  return moved;
};

export const madeBudgets = ({ byId, made }: LockedBudgets): readonly { readonly tenant: string; readonly budget: Budget }[] => {
  if (made.size === 0) return [];
  return [...made].flatMap(([id, tenant]) => {
    const budget = byId.get(id);
    return budget === undefined ? [] : [{ tenant, budget }];
  });
};
