import type { BudgetWindow, OveragePolicy } from '@exequatur/contracts';

/**
 * The naive ledger: lists of what happened, everything else summed up from them each time it is asked. It shares no code with
 * the deciders and keeps no running figures, so that a wrong figure there cannot be wrong here in the same way.
 */
export interface ModelBudget {
  readonly id: string;
  readonly path: string;
  readonly unit: string;
  cap: bigint;
  readonly window: BudgetWindow;
  overage: OveragePolicy | undefined;
  overdraft: bigint;
  closed: boolean;
  over: boolean;
  debt: bigint;
  /** first ms of the window the budget is in, as text of that window */
  current: string;
  readonly caps: Map<string, bigint>;
  readonly entries: { readonly reservation: string; readonly window: string; held: bigint; spent: bigint }[];
  /** debt paid out of a window's allowance */
  readonly paid: { readonly window: string; readonly amount: bigint }[];
}

/** `2026-01-31T08`, `2026-01-31`, `2026-01` or ``: windows as people write them. They sort as time does. */
export const windowText = (window: BudgetWindow, nowMs: number): string => {
  const text = new Date(nowMs).toISOString();
  return { hour: text.slice(0, 13), day: text.slice(0, 10), month: text.slice(0, 7), run: '', lifetime: '' }[window];
};

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
export const heldIn = (budget: ModelBudget, window: string): bigint => sum(budget.entries.filter((entry) => entry.window === window).map(({ held }) => held));
export const spentIn = (budget: ModelBudget, window: string): bigint => sum([...budget.entries.filter((entry) => entry.window === window).map(({ spent }) => spent), ...budget.paid.filter((paid) => paid.window === window).map(({ amount }) => amount)]);
const capIn = (budget: ModelBudget, window: string): bigint => (window === budget.current ? budget.cap : (budget.caps.get(window) ?? budget.cap));
const freeIn = (budget: ModelBudget, window: string): bigint => capIn(budget, window) - heldIn(budget, window) - spentIn(budget, window);

interface ModelHold {
  readonly unit: string;
  readonly amount: bigint;
  readonly budgets: readonly ModelBudget[];
}

export interface ModelReservation {
  readonly id: string;
  status: 'held' | 'started' | 'unknown' | 'ended';
  readonly holds: readonly ModelHold[];
  readonly overage: OveragePolicy | undefined;
}

/** What a hold of `amount` would meet on one budget now: its window, what of old debt that window pays, and whether it fits. */
const look = (budget: ModelBudget, amount: bigint, nowMs: number): { readonly window: string; readonly pays: bigint; readonly fits: boolean } => {
  const now = windowText(budget.window, nowMs);
  const moves = now > budget.current;
  const window = moves ? now : budget.current;
  const pays = moves ? (budget.debt < budget.cap ? budget.debt : budget.cap) : 0n;
  const used = moves ? pays : heldIn(budget, window) + spentIn(budget, window);
  const blocked = budget.closed || budget.debt - pays > 0n || (budget.over && !moves);
  return { window, pays, fits: !blocked && used + amount <= budget.cap };
};

/** Takes every amount on every budget of its unit, or none: the refusing code, or the holds. */
export const modelHold = (budgets: readonly ModelBudget[], runBudgets: readonly ModelBudget[], reservation: string, amounts: Readonly<Record<string, bigint>>, runAmounts: Readonly<Record<string, bigint>>, nowMs: number): 'RUN_LIMIT_EXCEEDED' | 'BUDGET_UNKNOWN' | 'BUDGET_EXCEEDED' | readonly ModelHold[] => {
  if (runBudgets.some((budget) => (runAmounts[budget.unit] ?? 0n) > 0n && !look(budget, runAmounts[budget.unit] ?? 0n, nowMs).fits)) return 'RUN_LIMIT_EXCEEDED';
  const wanted = Object.entries(amounts).filter(([, amount]) => amount > 0n);
  if (wanted.some(([unit]) => !budgets.some((budget) => budget.unit === unit))) return 'BUDGET_UNKNOWN';
  if (wanted.some(([unit, amount]) => budgets.some((budget) => budget.unit === unit && !look(budget, amount, nowMs).fits))) return 'BUDGET_EXCEEDED';
  const taken = [
    ...wanted.map(([unit, amount]) => ({ unit, amount, budgets: budgets.filter((budget) => budget.unit === unit) })),
    ...runBudgets.filter(({ unit }) => (runAmounts[unit] ?? 0n) > 0n).map((budget) => ({ unit: budget.unit, amount: runAmounts[budget.unit] ?? 0n, budgets: [budget] })),
  ];
  for (const { amount, budgets: charged } of taken) for (const budget of charged) take(budget, reservation, amount, nowMs);
  return taken;
};

const take = (budget: ModelBudget, reservation: string, amount: bigint, nowMs: number): void => {
  const { window, pays } = look(budget, amount, nowMs);
  if (window !== budget.current) {
    budget.caps.set(budget.current, budget.cap);
    budget.current = window;
    budget.over = false;
    budget.debt -= pays;
    if (pays > 0n) budget.paid.push({ window, amount: pays });
  }
  budget.entries.push({ reservation, window, held: amount, spent: 0n });
};

const entryOf = (budget: ModelBudget, reservation: string): ModelBudget['entries'][number] => {
  const entry = budget.entries.find((each) => each.reservation === reservation);
  if (entry === undefined) throw new Error('the model has no such hold');
  return entry;
};

export const modelReturn = (reservation: ModelReservation): void => {
  for (const { budgets } of reservation.holds) for (const budget of budgets) entryOf(budget, reservation.id).held = 0n;
  reservation.status = 'ended';
};

const ORDER: readonly OveragePolicy[] = ['reject', 'allow_if_available', 'allow_with_overdraft'];

/** Spends what was used: the refusing code, or nothing. Judged unit by unit before anything moves. */
export const modelCommit = (reservation: ModelReservation, actual: Readonly<Record<string, bigint>>): 'COMMIT_EXCEEDS_RESERVED' | 'OVERDRAFT_LIMIT_EXCEEDED' | undefined => {
  for (const [unit, used] of Object.entries(actual)) if (used > 0n && !reservation.holds.some((hold) => hold.unit === unit)) return 'COMMIT_EXCEEDS_RESERVED';
  const spend: (() => void)[] = [];
  for (const unit of new Set(reservation.holds.map((hold) => hold.unit))) {
    const holds = reservation.holds.filter((hold) => hold.unit === unit);
    const reserved = holds[0]?.amount ?? 0n;
    const used = actual[unit] ?? reserved;
    const budgets = holds.flatMap((hold) => hold.budgets);
    const plan = used <= reserved ? budgets.map((budget) => ({ budget, spent: used, debt: 0n, over: false })) : overage(reservation, budgets, reserved, used - reserved);
    if (typeof plan === 'string') return plan;
    for (const { budget, spent, debt, over } of plan) {
      spend.push(() => {
        const entry = entryOf(budget, reservation.id);
        entry.held = 0n;
        entry.spent = spent;
        budget.debt += debt;
        if (over) budget.over = true;
      });
    }
  }
  for (const move of spend) move();
  reservation.status = 'ended';
  return undefined;
};

const overage = (reservation: ModelReservation, budgets: readonly ModelBudget[], reserved: bigint, extra: bigint) => {
  const declared = budgets.map((budget) => budget.overage ?? reservation.overage ?? 'reject');
  if (reservation.overage !== undefined) declared.push(reservation.overage);
  const policy = ORDER.find((each) => declared.includes(each));
  if (policy === undefined || policy === 'reject') return 'COMMIT_EXCEEDS_RESERVED' as const;
  const room = budgets.map((budget) => (budget.closed || budget.debt > 0n ? 0n : freeIn(budget, entryOf(budget, reservation.id).window)));
  const short = budgets.filter((_, index) => (room[index] ?? 0n) < extra);
  if (policy === 'allow_with_overdraft' && short.every((budget) => budget.overdraft > 0n)) {
    if (short.some((budget) => budget.debt + extra > budget.overdraft)) return 'OVERDRAFT_LIMIT_EXCEEDED' as const;
    return budgets.map((budget) => (short.includes(budget) ? { budget, spent: reserved, debt: extra, over: false } : { budget, spent: reserved + extra, debt: 0n, over: false }));
  }
  const charged = room.reduce((least, free) => (free < least ? free : least), extra);
  return budgets.map((budget) => ({ budget, spent: reserved + charged, debt: 0n, over: short.includes(budget) }));
};

/** The refusing code, or nothing. `cap` is the new one; a new window begins before it is judged. */
export const modelCap = (budget: ModelBudget, cap: bigint, nowMs: number, isAdjustment: boolean): 'CONFLICT' | undefined => {
  if (budget.closed) return 'CONFLICT';
  const { window, pays } = look(budget, 0n, nowMs);
  const moves = window !== budget.current;
  const used = moves ? pays : heldIn(budget, window) + spentIn(budget, window);
  const owesWithRoom = budget.debt - pays > 0n && budget.cap > used;
  if (isAdjustment && cap === budget.cap && !lookOver(budget, nowMs) && !owesWithRoom) return undefined;
  if (cap < used) return 'CONFLICT';
  if (moves) {
    budget.caps.set(budget.current, budget.cap);
    budget.current = window;
    budget.debt -= pays;
    if (pays > 0n) budget.paid.push({ window, amount: pays });
  }
  budget.cap = cap;
  budget.over = false;
  const free = freeIn(budget, window);
  const paid = budget.debt < free ? budget.debt : free;
  if (paid > 0n) budget.paid.push({ window, amount: paid });
  budget.debt -= paid;
  return undefined;
};

const lookOver = (budget: ModelBudget, nowMs: number): boolean => budget.over && windowText(budget.window, nowMs) <= budget.current;
