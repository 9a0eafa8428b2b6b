import type { Caps, Grant } from '@exequatur/contracts';
import { parseAmount } from '@exequatur/kernel';

const POINTS = 'RISK_POINTS';

/** `max_total` as a grant states it. Both issuers of grants, policy and approvals, sign what this says. */
export const totalsOf = ({ max_total: limits }: Caps): Pick<Grant, 'total_points' | 'total_amounts'> => {
  if (limits === undefined) return {};
  const { [POINTS]: points, ...others } = limits;
  const amounts = Object.entries(others).map(([unit, amount]) => ({ unit, amount }));
  return { ...(points === undefined ? {} : { total_points: wholeNumber(points) }), ...(amounts.length === 0 ? {} : { total_amounts: amounts }) };
};

/** Points are a number in a grant; no grant can reach one that a number does not hold. */
const wholeNumber = (amount: string): number => {
  const points = parseAmount(amount);
  return points < BigInt(Number.MAX_SAFE_INTEGER) ? Number(points) : Number.MAX_SAFE_INTEGER;
};
