import { describe, expect, test } from '@jest/globals';
import { capsContain } from '@exequatur/caps';
import type { Caps, Narrowable } from '@exequatur/contracts';
import { canonicalText, isRefusal, readPointer } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import fc from 'fast-check';
import { readAmountArgument } from './amount-argument.js';
import { requestFor } from './approval.fixture.js';
import { checkVoteCaps, narrowArguments, narrowedPointers, proposedCeiling } from './narrowing.js';
import type { VoteCaps } from './narrowing.js';

const USD: Narrowable = { amounts: { USD: '/amount' } };
const cap = (microcents: string): Caps => ({ max_amount: { USD_MICROCENTS: microcents } });
const granted = (args: JsonValue, caps: Caps, narrowable: Narrowable = USD): unknown => {
  const result = narrowArguments(args, narrowable, caps);
  return isRefusal(result) ? result.code : result.granted_arguments;
};

describe('amounts keep the type and format of the argument', () => {
  test.each<[JsonValue, string, unknown]>([
    ['100.00', '4200000000', '42.00'],
    ['100', '4200000000', '42'],
    ['100', '4250000000', '42.5'],
    ['100.000', '4250000000', '42.500'],
    [100, '4200000000', 42],
    [100.5, '4250000000', 42.5],
    ['100.00', '1', '0.00000001'],
    ['100.00', '0', '0.00'],
    ['42.00', '4200000000', '42.00'],
    ['41.99', '4200000000', '41.99'],
  ])('%p capped at %s micro-cents is %p', (amount, microcents, expected) => expect(granted({ amount }, cap(microcents))).toEqual({ amount: expected }));

  test('counted units are whole', () => expect(granted({ n: 500 }, { max_amount: { TOKENS: '20' } }, { amounts: { TOKENS: '/n' } })).toEqual({ n: 20 }));
  test.each<[string, JsonValue]>([
    ['a word', { amount: 'all of it' }],
    ['an exponent', { amount: '1e9' }],
    ['a negative', { amount: -5 }],
    ['nothing', {}],
    ['a list', { amount: ['1'] }],
  ])('%s cannot be capped, so it is refused', (_what, args) => expect(granted(args, cap('1'))).toBe('WIDENS_AUTHORITY'));
  test('what no cap names stays as it is', () => expect(granted({ amount: 'all of it' }, {})).toEqual({ amount: 'all of it' }));
});

describe('a total across uses', () => {
  const policy = { max_uses: 5, max_total: { USD_MICROCENTS: '30000000000', RISK_POINTS: '60' } };
  const asked = (caps: VoteCaps): unknown => checkVoteCaps(requestFor(undefined, { caps: policy }), { amount: '100.00' }, caps)?.pointer;
  test.each<[string, VoteCaps]>([
    ['less than policy', { max_total: { USD_MICROCENTS: '20000000000' } }],
    ['as much as policy', { max_total: { USD_MICROCENTS: '30000000000', RISK_POINTS: '60' } }],
    ['a unit nobody limited', { max_total: { TOKENS: '5' } }],
    ['less than one proposed use, and less a use', { max_amount: { USD_MICROCENTS: '1000000000' }, max_total: { USD_MICROCENTS: '5000000000' } }],
  ])('%s', (_, caps) => expect(asked(caps)).toBeUndefined());
  test.each<[string, VoteCaps, string]>([
    ['more than policy', { max_total: { USD_MICROCENTS: '30000000001' } }, '/caps/max_total/USD_MICROCENTS'],
    ['less than one use holds', { max_total: { RISK_POINTS: '19' } }, '/caps/max_total/RISK_POINTS'],
  ])('refused: %s', (_, caps, pointer) => expect(asked(caps)).toBe(pointer));
});

describe('recipients', () => {
  const to = { recipients: '/to' };
  const narrowTo = (args: JsonValue, allowed: string[]): unknown => {
    const result = narrowArguments(args, to, { allowed_recipients: allowed });
    return isRefusal(result) ? result.code : result.granted_arguments;
  };
  test('those the cap covers stay', () => expect(narrowTo({ to: ['a@x.example', 'b@x.example'] }, ['b@x.example'])).toEqual({ to: ['b@x.example'] }));
  test('a whole domain may be named', () => expect(narrowTo({ to: ['a@x.example', 'b@y.example'] }, ['*@x.example'])).toEqual({ to: ['a@x.example'] }));
  test('a list hidden in one address is no member of the domain at its end', () => expect(narrowTo({ to: 'e@evil.example, a@x.example' }, ['*@x.example'])).toBe('WIDENS_AUTHORITY'));
  test('nobody left is refused', () => expect(narrowTo({ to: ['a@x.example'] }, ['c@x.example'])).toBe('WIDENS_AUTHORITY'));
  test('a person may only name proposed ones', () => {
    const args = { to: ['a@x.example', 'b@x.example'] };
    const request = requestFor(args, { narrowable: to });
    expect(checkVoteCaps(request, args, { allowed_recipients: ['a@x.example'] })).toBeUndefined();
    expect(checkVoteCaps(request, args, { allowed_recipients: ['a@x.example', 'c@x.example'] })).toMatchObject({ code: 'WIDENS_AUTHORITY' });
    expect(checkVoteCaps(request, args, { allowed_recipients: ['*@x.example'] })).toMatchObject({ code: 'WIDENS_AUTHORITY' });
    expect(checkVoteCaps(request, args, { allowed_recipients: [] })).toMatchObject({ code: 'WIDENS_AUTHORITY' });
  });
});

const LONG = process.env['EXEQUATUR_LONG'] === '1';
/** EXEQUATUR_LONG=1 runs a million. */
const RUNS = LONG ? 1_000_000 : 20_000;
const address = fc.constantFrom('a@x.example', 'a@x.example', 'b@x.example', 'c@y.example', '*@x.example', 'A@X.example');
const money = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 30_000 }).map((cents) => (cents / 100).toFixed(2)),
  fc.integer({ min: 0, max: 300 }).map(String),
  fc.constantFrom<JsonValue>('1e3', -1, 'x', null, '0.000000001'),
);
const args = fc.record({ amount: money, to: fc.oneof(address, fc.array(address, { maxLength: 4 })), n: fc.nat({ max: 50 }), other: fc.constantFrom<JsonValue>({ deep: ['x'] }, 1, 'same') });
const voteCaps: fc.Arbitrary<VoteCaps> = fc.record(
  {
    max_amount: fc.record({ USD_MICROCENTS: fc.nat({ max: 300 }).map((dollars) => String(BigInt(dollars) * 100_000_000n)), TOKENS: fc.nat({ max: 50 }).map(String) }, { requiredKeys: [], noNullPrototype: true }),
    allowed_recipients: fc.array(address, { minLength: 1, maxLength: 3 }),
    expires_in_ms: fc.nat({ max: 1_000_000 }),
    max_uses: fc.nat({ max: 2 }),
  },
  { requiredKeys: [], noNullPrototype: true },
);
const narrowable = { amounts: { USD: '/amount', TOKENS: '/n' }, recipients: '/to' };

const amountAt = (value: JsonValue, pointer: string, currency: string): bigint | undefined => readAmountArgument(readPointer(value, pointer), currency)?.amount;
const people = (value: JsonValue): readonly string[] => [readPointer(value, '/to') ?? []].flat() as string[];

test(`invariant 17: ${RUNS} random pairs of proposal and caps, no widening`, () => {
  let narrower = 0;
  fc.assert(
    fc.property(args, voteCaps, (proposed, caps) => {
      const amounts = [{ unit: 'USD_MICROCENTS', amount: String(amountAt(proposed, '/amount', 'USD') ?? 0n) }, { unit: 'TOKENS', amount: String(proposed.n) }];
      const base = requestFor(proposed);
      const request = { ...base, narrowable, facts: { ...base.facts, amounts } };
      if (checkVoteCaps(request, proposed, caps) !== undefined) return;
      const result = narrowArguments(proposed, narrowable, caps);
      if (isRefusal(result)) return;
      const after = result.granted_arguments;
      for (const [currency, pointer, unit] of [['USD', '/amount', 'USD_MICROCENTS'], ['TOKENS', '/n', 'TOKENS']] as const) {
        const limit = caps.max_amount?.[unit];
        const [before, now] = [amountAt(proposed, pointer, currency), amountAt(after, pointer, currency)];
        expect(now === undefined ? undefined : now <= (before ?? 0n)).toBe(before === undefined ? undefined : true);
        if (limit !== undefined) expect(now !== undefined && now <= BigInt(limit)).toBe(true);
      }
      expect(people(after).every((one) => people(proposed).includes(one))).toBe(true);
      if (caps.allowed_recipients !== undefined) expect(capsContain({ allowed_recipients: caps.allowed_recipients }, { allowed_recipients: people(after) })).toBe(true);
      const ceiling = proposedCeiling(request, proposed);
      expect((caps.expires_in_ms ?? 0) <= (ceiling.expires_in_ms ?? 0) && (caps.max_uses ?? 0) <= (ceiling.max_uses ?? 0)).toBe(true);
      // Nothing but the declared places changes, and each keeps its type.
      const untouched = (value: JsonValue): string => canonicalText({ ...(value as object), amount: 0, n: 0, to: 0 });
      expect(untouched(after)).toBe(untouched(proposed));
      expect(typeof readPointer(after, '/amount')).toBe(typeof proposed.amount);
      expect([...result.narrowed].sort()).toEqual([...narrowedPointers(narrowable, proposed, after)].sort());
      if (result.narrowed.length > 0) narrower += 1;
    }),
    { numRuns: RUNS },
  );
  expect(narrower).toBeGreaterThan(RUNS / 50);
}, LONG ? 3_600_000 : 120_000);
