/** Amounts by unit, as integers. Units are those of contracts.md (USD_MICROCENTS, RISK_POINTS, TOKENS, …) or a tenant's own. */
export type Amounts = Readonly<Record<string, bigint>>;

/** Text that is no amount. `reason` is stable; `text` is not repeated, it may be personal. */
export class AmountError extends Error {
  override readonly name = 'AmountError';
  constructor(readonly reason: 'not_decimal' | 'too_large' | 'too_precise' | 'unknown_currency' | 'negative') {
    super(`not an amount: ${reason}`);
  }
}

/** Enough for any ledger, and short enough that nobody can make arithmetic slow. */
export const AMOUNT_DIGITS = 30;
const LARGEST_AMOUNT = 10n ** BigInt(AMOUNT_DIGITS) - 1n;

const inBounds = (amount: bigint): bigint => {
  if (amount < 0n) throw new AmountError('negative');
  if (amount > LARGEST_AMOUNT) throw new AmountError('too_large');
  return amount;
};

/** An integer amount from its wire form: 1 to 30 decimal digits, no sign, no leading zero. @throws AmountError */
export const parseAmount = (text: string): bigint => {
  if (!/^(?:0|[1-9]\d*)$/.test(text)) throw new AmountError('not_decimal');
  if (text.length > AMOUNT_DIGITS) throw new AmountError('too_large');
  return BigInt(text);
};

/** The wire form of an amount. @throws AmountError when it is negative or has more than 30 digits */
export const formatAmount = (amount: bigint): string => inBounds(amount).toString();

/** Sum by unit. A unit that one side does not name counts as 0 there. @throws AmountError past 30 digits */
export const addAmounts = (left: Amounts, right: Amounts): Amounts => {
  const sum: Record<string, bigint> = { ...left };
  for (const [unit, amount] of Object.entries(right)) sum[unit] = inBounds((Object.hasOwn(sum, unit) ? (sum[unit] ?? 0n) : 0n) + amount);
  return sum;
};

export const parseAmounts = (texts: Readonly<Record<string, string>>): Amounts =>
  Object.fromEntries(Object.entries(texts).map(([unit, text]) => [unit, parseAmount(text)]));

export const formatAmounts = (amounts: Amounts): Record<string, string> =>
  Object.fromEntries(Object.entries(amounts).map(([unit, amount]) => [unit, formatAmount(amount)]));

interface Currency {
  readonly unit: string;
  /** Decimal places between one of the currency and one of its unit: 1 USD = 10^8 micro-cents. */
  readonly places: number;
}

const CURRENCIES: Readonly<Record<string, Currency>> = { USD: { unit: 'USD_MICROCENTS', places: 8 } };

/**
 * Money as integers, exactly: `moneyToMicrocents('42.00', 'USD')` is 4_200_000_000n.
 * @throws AmountError on a currency without a unit, on anything but plain decimals, on a ninth decimal place other than 0
 */
export const moneyToMicrocents = (text: string, currency: string): bigint => {
  const known = Object.hasOwn(CURRENCIES, currency) ? CURRENCIES[currency] : undefined;
  if (known === undefined) throw new AmountError('unknown_currency');
  return scaled(text, known.places);
};

/** What policies write (`USD: "42.00"`, `RISK_POINTS: "20"`) as a unit and an integer. Only currencies take decimal places. */
export const decimalToUnit = (text: string, unitOrCurrency: string): { readonly unit: string; readonly amount: bigint } => {
  const currency = Object.hasOwn(CURRENCIES, unitOrCurrency) ? CURRENCIES[unitOrCurrency] : undefined;
  return currency === undefined ? { unit: unitOrCurrency, amount: scaled(text, 0) } : { unit: currency.unit, amount: scaled(text, currency.places) };
};

const scaled = (text: string, places: number): bigint => {
  // The bound comes first: the expression below is linear, but there is no reason to look at a megabyte.
  if (text.length > 2 * AMOUNT_DIGITS) throw new AmountError('too_large');
  const match = /^(0|[1-9]\d*)(?:\.(\d+))?$/.exec(text);
  const whole = match?.[1];
  if (whole === undefined) throw new AmountError('not_decimal');
  const fraction = (match?.[2] ?? '').replace(/0+$/, '');
  if (fraction.length > places) throw new AmountError('too_precise');
  return inBounds(BigInt(whole + fraction.padEnd(places, '0')));
};
