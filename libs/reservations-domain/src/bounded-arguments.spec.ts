import { describe, expect, test } from '@jest/globals';
import type { ArgumentBound, Grant } from '@exequatur/contracts';
import { canonicalBytes, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { fixedHashOf } from '@exequatur/caps';
import type { ArgumentVariation } from '@exequatur/policy-domain';
import { decideReserve } from './decide-reserve.js';
import type { ReserveDecision } from './decide-reserve.js';
import { aGrant, aQuestion, aRequest, id } from './reserve-question.fixture.js';
import type { ReserveQuestion } from './reserve-question.js';

/** Refunds in steps: up to 5.00 dollars each, to one of two accounts, 12.00 altogether. */
const SALT = Buffer.alloc(16, 7);
const BOUNDS: readonly ArgumentBound[] = [
  { pointer: '/amount', unit: 'USD', max: '500000000' },
  { pointer: '/to', one_of: ['acct-1', 'acct-2'] },
];
const args = (amount: JsonValue, to: JsonValue = 'acct-1', memo = 'partial refund'): JsonValue => ({ amount, to, memo });
const bounded = (changes: Partial<Grant> = {}): Grant =>
  aGrant({ binding: 'bounded', fixed_hash: fixedHashOf(SALT, args('1.00'), BOUNDS), bounded: BOUNDS, max_uses: 5, risk_points: 1, amounts: [{ unit: 'USD_MICROCENTS', amount: '500000000' }], ...changes });
const hashOf = (value: JsonValue): string => saltedHash(SALT, canonicalBytes(value));
const use = (value: JsonValue, changes: { grant?: Partial<Grant>; useNo?: number; claimed?: Record<string, bigint>; hash?: string; salt?: Buffer } = {}): ReserveQuestion =>
  aQuestion({
    grant: { claims: bounded(changes.grant), usesTaken: new Set(), ...(changes.claimed === undefined ? {} : { claimed: changes.claimed }) },
    request: { ...aRequest({ use_no: changes.useNo ?? 1 }), arguments_hash: changes.hash ?? hashOf(value), arguments: value, salt: (changes.salt ?? SALT).toString('base64url') },
    budgets: aQuestion().budgets.map((budget) => ({ ...budget, cap: 10_000_000_000n })),
  });
const codeOf = (decision: ReserveDecision): string => (decision.held ? 'held' : `${decision.code}${decision.pointer === undefined ? '' : ` ${decision.pointer}`}`);

describe('bounded grants', () => {
  test('invariant 3: each use has its own hash and holds what it asks for; the fixed part is the granted one', () => {
    const decisions = [args('4.20'), args(5, 'acct-2')].map((value, index) => decideReserve(use(value, { useNo: index + 1 })));
    expect(decisions).toMatchObject([
      { held: true, data: { use_no: 1, granted_arguments_hash: hashOf(args('4.20')), fixed_hash: bounded().fixed_hash, holds: [{}, {}, { unit: 'USD_MICROCENTS', amount: '420000000' }] } },
      { held: true, data: { use_no: 2, granted_arguments_hash: hashOf(args(5, 'acct-2')), holds: [{}, {}, { amount: '500000000' }] } },
    ]);
    expect(codeOf(decideReserve(aQuestion({ ...use(args('4.20')), grant: { claims: bounded(), usesTaken: new Set([1]) } })))).toBe('GRANT_EXHAUSTED');
  });

  test.each<[string, string, ReserveQuestion]>([
    ['another fixed part', 'ARGUMENTS_MISMATCH', use(args('1.00', 'acct-1', 'other'))],
    ['an argument more', 'ARGUMENTS_MISMATCH', use({ ...(args('1.00') as object), extra: 1 } as JsonValue)],
    ['a bounded argument left out', 'ARGUMENTS_MISMATCH', use({ amount: '1.00', memo: 'partial refund' })],
    ['a hash of something else', 'ARGUMENTS_MISMATCH', use(args('1.00'), { hash: hashOf(args('2.00')) })],
    ['another salt', 'ARGUMENTS_MISMATCH', use(args('1.00'), { salt: Buffer.alloc(16, 8) })],
    ['a short salt', 'ARGUMENTS_MISMATCH', use(args('1.00'), { salt: Buffer.alloc(8, 7) })],
    ['no bounds in the grant', 'ARGUMENTS_MISMATCH', use(args('1.00'), { grant: { bounded: [] } })],
    ['no arguments', 'ARGUMENTS_MISMATCH', aQuestion({ grant: { claims: bounded(), usesTaken: new Set() } })],
    ['an amount past its bound', 'CAP_EXCEEDED /amount', use(args('5.00000001'))],
    ['an amount that is none', 'CAP_EXCEEDED /amount', use(args('-1'))],
    ['an amount of another type', 'CAP_EXCEEDED /amount', use(args(['1.00']))],
    ['a number with an exponent', 'CAP_EXCEEDED /amount', use(args(1e-7))],
    ['a name that is not listed', 'CAP_EXCEEDED /to', use(args('1.00', 'acct-3'))],
    ['a list with a name that is not listed', 'CAP_EXCEEDED /to', use(args('1.00', ['acct-1', 'acct-3']))],
    ['an empty list', 'CAP_EXCEEDED /to', use(args('1.00', []))],
    ['null in place of a bounded value', 'CAP_EXCEEDED /to', use(args('1.00', null))],
    ['a bound without a limit', 'CAP_EXCEEDED /amount', use(args('1.00'), { grant: { bounded: [{ pointer: '/amount' }, { pointer: '/to', one_of: ['acct-1'] }] } })],
  ])('refuses %s with %s', (_, code, question) => expect(codeOf(decideReserve(question))).toBe(code));

  test('a list among the listed passes', () => expect(codeOf(decideReserve(use(args('1.00', ['acct-2', 'acct-1']))))).toBe('held'));

  test('no more altogether than granted, in points and amounts, released uses included', () => {
    const totals = { total_points: 3, total_amounts: [{ unit: 'USD_MICROCENTS', amount: '1200000000' }] };
    const first = decideReserve(use(args('5.00'), { grant: totals }));
    expect(first).toMatchObject({ held: true, claimed: { RISK_POINTS: 1n, USD_MICROCENTS: 500_000_000n } });
    const claimed = { RISK_POINTS: 2n, USD_MICROCENTS: 1_000_000_000n };
    expect(codeOf(decideReserve(use(args('2.00'), { grant: totals, useNo: 3, claimed })))).toBe('held');
    expect(codeOf(decideReserve(use(args('2.00000001'), { grant: totals, useNo: 3, claimed })))).toBe('GRANT_EXHAUSTED');
    expect(codeOf(decideReserve(use(args('0.01'), { grant: totals, useNo: 4, claimed: { ...claimed, RISK_POINTS: 3n } })))).toBe('POINTS_EXCEEDED');
  });
  test('a cap of the grant bounds each use beside its bound', () => {
    expect(codeOf(decideReserve(use(args('4.00'), { grant: { caps: { max_amount: { USD_MICROCENTS: '300000000' } } } })))).toBe('CAP_EXCEEDED /max_amount/USD_MICROCENTS');
  });
  test('an exact grant pays no attention to what is presented beside it', () => {
    expect(codeOf(decideReserve(aQuestion({ request: { ...aRequest(), arguments: { anything: 1 }, salt: 'x', grant_id: id(1) } })))).toBe('held');
  });

  describe('under a newer policy', () => {
    const under = (question: ReserveQuestion, varies: readonly ArgumentVariation[] | undefined, granted: Partial<Grant> = {}): string => {
      const claims = { ...bounded(), policy_version: 1, policy_hash: `sha256:${'1'.repeat(64)}`, ...granted };
      return codeOf(decideReserve({ ...question, grant: { claims, usesTaken: new Set() }, policy: { version: 9, hash: `sha256:${'9'.repeat(64)}`, opinionOn: () => ({ verdict: 'ALLOW_WITH_CAPS', caps: {}, ...(varies === undefined ? {} : { varies }) }) } }));
    };
    const all: readonly ArgumentVariation[] = [{ argument: '/amount' }, { argument: '/to', one_of: ['acct-1', 'acct-2', 'acct-3'] }];
    test('invariant 17: a use differs only in what that lets differ too', () => {
      expect(under(use(args('4.20')), all)).toBe('held');
      expect(under(use(args('4.20')), undefined)).toBe('CAP_EXCEEDED /amount');
      expect(under(use(args('4.20')), all.slice(1))).toBe('CAP_EXCEEDED /amount');
      expect(under(use(args('4.20')), all.slice(0, 1))).toBe('CAP_EXCEEDED /to');
      expect(under(use(args('4.20')), [{ argument: '/amount' }, { argument: '/to', one_of: ['acct-1'] }])).toBe('CAP_EXCEEDED /to');
    });
    test('what was granted itself may still run', () => expect(under(use(args('4.20')), undefined, { granted_arguments_hash: hashOf(args('4.20')) })).toBe('held'));
  });
});
