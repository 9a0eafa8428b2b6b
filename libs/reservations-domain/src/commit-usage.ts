import type { BudgetMove, Code, DataOf, OverageAuthorised, OveragePolicy, UnitAmount } from '@exequatur/contracts';
import { OVERAGE_POLICIES } from '@exequatur/contracts';
import { AMOUNT_DIGITS, formatAmount, parseAmount, refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { reachedSoftLimit, roomBeside, settleMoveOf, spendOn } from './budget.js';
import type { Budget, Hold, Spent } from './budget.js';
import type { Claim } from './reservation.js';

/** What a commit does to the budgets it holds on. */
export interface CommittedUsage {
  readonly moves: readonly BudgetMove[];
  /** By unit: what is spent of each unit held. Never more than held, except as `overages` say. */
  readonly actual: readonly UnitAmount[];
  readonly overages: DataOf<typeof OverageAuthorised>['overages'];
  readonly policy: OveragePolicy;
  /** budgets that crossed their soft limit by it */
  readonly crossed: readonly Budget[];
}

interface UsageOfUnit {
  readonly unit: string;
  readonly reserved: bigint;
  readonly reported: bigint;
}

const LARGEST_AMOUNT = 10n ** BigInt(AMOUNT_DIGITS) - 1n;

/**
 * Spends what was used of each unit held; a unit nobody reports was used as reserved. Usage beyond a hold is judged by the
 * strictest overage policy among the budgets of the unit and the claim's own:
 * - reject: COMMIT_EXCEEDS_RESERVED.
 * - allow_if_available: charged as far as every budget of the unit covers it; where one does not, that budget is over its limit.
 * - allow_with_overdraft: a budget that does not cover all of it takes it as debt; OVERDRAFT_LIMIT_EXCEEDED past its limit.
 * A budget without an overdraft limit has none, and then behaves as allow_if_available.
 * @param isFact the reporter cannot be refused (the executor): what no policy allows is left unspent beyond the hold
 */
export const commitUsage = (claim: Claim, reported: readonly UnitAmount[], budgets: ReadonlyMap<string, Budget>, isFact: boolean): CommittedUsage | Refusal<Code> => {
  const usages = usageByUnit(claim.holds, reported);
  const stray = usages.find(({ reserved, reported: used }) => reserved === 0n && used > 0n);
  if (stray !== undefined && !isFact) return refuse('COMMIT_EXCEEDS_RESERVED');
  const moves: BudgetMove[] = [];
  const actual: UnitAmount[] = [];
  const overages: { budget_id: string; unit: string; reserved: string; extra: string; overdraft: string }[] = [];
  const crossed: Budget[] = [];
  let policy: OveragePolicy = 'reject';
  for (const usage of usages) {
    if (usage.reserved === 0n) continue;
    const holds = claim.holds.filter(({ unit }) => unit === usage.unit);
    const beyond = usage.reported > usage.reserved ? judgeOverage(claim, usage, holds, budgets, isFact) : undefined;
    if (beyond !== undefined && 'refused' in beyond) return beyond;
    if (beyond !== undefined && beyond.charged > 0n) policy = beyond.policy;
    const spent = beyond === undefined ? usage.reported : usage.reserved + beyond.charged;
    actual.push({ unit: usage.unit, amount: formatAmount(spent) });
    for (const hold of holds) {
      const before = budgetOf(budgets, hold);
      const share = beyond === undefined ? { committed: spent, debt: 0n, overLimit: false } : beyond.shareOf(before, hold);
      const after = spendOn(before, hold, share);
      moves.push(settleMoveOf(before, after, hold, share.committed + share.debt));
      if (reachedSoftLimit(before, after)) crossed.push(after);
      if (beyond !== undefined && beyond.charged > 0n) overages.push({ budget_id: hold.budgetId, unit: hold.unit, reserved: formatAmount(hold.amount), extra: formatAmount(beyond.charged), overdraft: formatAmount(share.debt) });
    }
  }
  return { moves, actual, overages, policy, crossed };
};

/** Units held, in the order of their holds, then those only reported. */
const usageByUnit = (holds: readonly Hold[], reported: readonly UnitAmount[]): readonly UsageOfUnit[] => {
  const usages: { unit: string; reserved: bigint; reported: bigint | undefined }[] = [];
  for (const { unit, amount } of holds) if (!usages.some((usage) => usage.unit === unit)) usages.push({ unit, reserved: amount, reported: undefined });
  for (const { unit, amount } of reported) {
    const known = usages.find((usage) => usage.unit === unit);
    if (known === undefined) usages.push({ unit, reserved: 0n, reported: parseAmount(amount) });
    else known.reported = (known.reported ?? 0n) + parseAmount(amount);
  }
  return usages.map(({ unit, reserved, reported: used }) => ({ unit, reserved, reported: used ?? reserved }));
};

interface Overage {
  readonly policy: OveragePolicy;
  /** beyond the hold, on every budget of the unit */
  readonly charged: bigint;
  readonly shareOf: (budget: Budget, hold: Hold) => Spent;
}

const judgeOverage = (claim: Claim, { reserved, reported }: UsageOfUnit, holds: readonly Hold[], budgets: ReadonlyMap<string, Budget>, isFact: boolean): Overage | Refusal<Code> => {
  const policy = strictest(claim, holds, budgets);
  if (policy === 'reject') return isFact ? asReserved(reserved) : refuse('COMMIT_EXCEEDS_RESERVED');
  const extra = reported - reserved;
  if (extra > LARGEST_AMOUNT) return isFact ? asReserved(reserved) : refuse('COMMIT_EXCEEDS_RESERVED');
  const short = holds.filter((hold) => roomBeside(budgetOf(budgets, hold), hold) < extra).map((hold) => budgetOf(budgets, hold));
  if (policy === 'allow_with_overdraft' && short.every(({ overdraftLimit = 0n }) => overdraftLimit > 0n)) {
    const covered = short.every(({ overdraftLimit = 0n, debt = 0n }) => debt + extra <= overdraftLimit);
    if (covered) return { policy, charged: extra, shareOf: (budget) => (short.includes(budget) ? { committed: reserved, debt: extra, overLimit: false } : { committed: reserved + extra, debt: 0n, overLimit: false }) };
    if (!isFact) return refuse('OVERDRAFT_LIMIT_EXCEEDED');
  }
  const charged = holds.reduce((least, hold) => smaller(least, roomBeside(budgetOf(budgets, hold), hold)), extra);
  return { policy: 'allow_if_available', charged, shareOf: (budget) => ({ committed: reserved + charged, debt: 0n, overLimit: short.includes(budget) }) };
};

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** The tool used more than anyone allows, and says so: the hold is spent, and no more. */
const asReserved = (reserved: bigint): Overage => ({ policy: 'reject', charged: 0n, shareOf: () => ({ committed: reserved, debt: 0n, overLimit: false }) });

/** What nobody declared is reject. */
const strictest = (claim: Claim, holds: readonly Hold[], budgets: ReadonlyMap<string, Budget>): OveragePolicy => {
  const declared = holds.map((hold) => budgetOf(budgets, hold).overagePolicy ?? claim.overagePolicy ?? 'reject');
  if (claim.overagePolicy !== undefined) declared.push(claim.overagePolicy);
  return OVERAGE_POLICIES[Math.min(...declared.map((policy) => OVERAGE_POLICIES.indexOf(policy)))] ?? 'reject';
};

export const budgetOf = (budgets: ReadonlyMap<string, Budget>, hold: Hold): Budget => {
  const budget = budgets.get(hold.budgetId);
  if (budget === undefined) throw new Error(`the budget ${hold.budgetId} of a hold was not loaded`);
  return budget;
};
