import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addAmounts, decimalToUnit, formatAmount, formatAmounts, moneyToMicrocents, parseAmount, parseAmounts } from './amount.js';

describe('amounts', () => {
  test('30 digits go through unchanged', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n - 1n }), (amount) => parseAmount(formatAmount(amount)) === amount));
  });

  test.each(['', '-1', '+1', '01', '1.0', '1e3', ' 1', '1\n', '１', '0x10'])('%j is no amount', (text) => {
    expect(() => parseAmount(text)).toThrow('not_decimal');
  });

  test('31 digits and negative amounts are out of bounds', () => {
    expect(() => parseAmount('1'.repeat(31))).toThrow('too_large');
    expect(() => formatAmount(10n ** 30n)).toThrow('too_large');
    expect(() => formatAmount(-1n)).toThrow('negative');
  });

  test('sums by unit, exactly and within bounds', () => {
    expect(formatAmounts(addAmounts(parseAmounts({ USD_MICROCENTS: '9007199254740993', CALLS: '1' }), { USD_MICROCENTS: 1n, TOKENS: 5n }))).toEqual({
      USD_MICROCENTS: '9007199254740994',
      CALLS: '1',
      TOKENS: '5',
    });
    expect(() => addAmounts({ CALLS: 10n ** 30n - 1n }, { CALLS: 1n })).toThrow('too_large');
  });
});

describe('money', () => {
  test.each([
    ['42.00', 4_200_000_000n],
    ['0', 0n],
    ['0.00000001', 1n],
    ['1.000000010000', 100_000_001n],
    ['90071992547409.93', 9_007_199_254_740_993_000_000n],
  ] as const)('%s USD is %s micro-cents', (text, expected) => {
    expect(moneyToMicrocents(text, 'USD')).toBe(expected);
  });

  test.each([
    ['0.000000001', 'too_precise'],
    ['1e2', 'not_decimal'],
    ['-1', 'not_decimal'],
    ['.5', 'not_decimal'],
    ['5.', 'not_decimal'],
    ['1,5', 'not_decimal'],
    ['00.5', 'not_decimal'],
    ['1'.repeat(23), 'too_large'],
    ['1'.repeat(100_000), 'too_large'],
  ])('%.30s is refused: %s', (text, reason) => {
    expect(() => moneyToMicrocents(text, 'USD')).toThrow(reason);
  });

  test('only known currencies have decimals', () => {
    expect(() => moneyToMicrocents('1', 'EUR')).toThrow('unknown_currency');
    expect(() => moneyToMicrocents('1', 'toString')).toThrow('unknown_currency');
    expect(decimalToUnit('42.5', 'USD')).toEqual({ unit: 'USD_MICROCENTS', amount: 4_250_000_000n });
    expect(decimalToUnit('20', 'RISK_POINTS')).toEqual({ unit: 'RISK_POINTS', amount: 20n });
    expect(() => decimalToUnit('20.5', 'RISK_POINTS')).toThrow('too_precise');
  });
});
