import type { UnitAmount } from '@exequatur/contracts';
import { addAmounts, formatAmount, parseAmount } from '@exequatur/kernel';
import type { Amounts } from '@exequatur/kernel';

/** By unit; the same unit twice adds up, so that splitting an amount never makes it look smaller. @throws AmountError past 30 digits */
export const amountsOf = (list: readonly UnitAmount[]): Amounts => list.reduce<Amounts>((sum, { unit, amount }) => addAmounts(sum, { [unit]: parseAmount(amount) }), {});

/** Sorted by unit, without zeros. */
export const amountList = (amounts: Amounts): readonly UnitAmount[] =>
  Object.entries(amounts)
    .filter(([, amount]) => amount > 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([unit, amount]) => ({ unit, amount: formatAmount(amount) }));

/** The larger by unit. */
export const largerAmounts = (a: Amounts, b: Amounts): Amounts => {
  const larger: Record<string, bigint> = { ...a };
  for (const [unit, amount] of Object.entries(b)) {
    const other = Object.hasOwn(larger, unit) ? larger[unit] : undefined;
    if (other === undefined || amount > other) larger[unit] = amount;
  }
  return larger;
};
