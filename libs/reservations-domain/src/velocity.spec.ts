import { describe, expect, test } from '@jest/globals';
import type { VelocityRule } from '@exequatur/contracts';
import fc from 'fast-check';
import { matchesPattern } from './name-pattern.js';
import { decideReserve } from './decide-reserve.js';
import { aQuestion, NOW } from './reserve-question.fixture.js';
import { countVelocity, isVelocityExceeded, SLICES, velocityKeysOf } from './velocity.js';
import type { VelocityCounter, VelocitySubject } from './velocity.js';

const HOUR = 3_600_000;
const subject = (changes: Partial<VelocitySubject> = {}): VelocitySubject => ({ agent: 'mailer', actionKind: 'message.email.send', targetKey: undefined, ...changes });
const rule = (changes: Partial<VelocityRule> = {}): VelocityRule => ({ id: 'mails', by: ['agent'], window_ms: HOUR, max_count: 3, ...changes });

/** The rows as storage keeps them. */
const counterRows = (rules: readonly VelocityRule[]) => {
  let rows: readonly VelocityCounter[] = [];
  return {
    claim: (nowMs: number, of = subject(), amount = 0n): 'held' | number | 'never' => {
      const counted = countVelocity(rules, [of], { USD_MICROCENTS: amount }, rows, nowMs);
      if (isVelocityExceeded(counted)) return counted.retryAfterMs ?? 'never';
      const same = (a: VelocityCounter, b: VelocityCounter): boolean => a.ruleId === b.ruleId && a.subject === b.subject && a.sliceStartMs === b.sliceStartMs;
      rows = [...rows.filter((row) => !counted.some((now) => same(now, row))), ...counted];
      return 'held';
    },
  };
};

describe('velocity', () => {
  test('the claim past the count is refused, and says after how long it is not', () => {
    const { claim } = counterRows([rule()]);
    expect([claim(NOW), claim(NOW + 1), claim(NOW + 2)]).toEqual(['held', 'held', 'held']);
    const retryAfterMs = claim(NOW + 3);
    expect(retryAfterMs).toBe(HOUR + HOUR / SLICES - 3);
    expect(claim(NOW + 3 + Number(retryAfterMs) - 1)).toBe(1);
    expect(claim(NOW + 3 + Number(retryAfterMs))).toBe('held');
  });
  test('an amount in the window, and one that never fits', () => {
    const { claim } = counterRows([rule({ max_amount: { unit: 'USD_MICROCENTS', amount: '100' } })]);
    expect([claim(NOW, subject(), 60n), claim(NOW, subject(), 41n), claim(NOW, subject(), 40n), claim(NOW, subject(), 101n)]).toEqual(['held', HOUR + HOUR / SLICES, 'held', 'never']);
    expect(counterRows([rule({ max_count: 0 })]).claim(NOW)).toBe('never');
  });
  test('counts apart by agent, kind and target; without a target all count as one', () => {
    const once = (by: VelocityRule['by']) => counterRows([rule({ by, max_count: 1 })]);
    const byAgent = once(['agent']);
    expect([byAgent.claim(NOW), byAgent.claim(NOW, subject({ agent: 'other' })), byAgent.claim(NOW, subject({ actionKind: 'x' }))].map((seen) => seen === 'held')).toEqual([true, true, false]);
    const byTarget = once(['target']);
    expect([byTarget.claim(NOW, subject({ targetKey: 'a' })), byTarget.claim(NOW, subject({ targetKey: 'b' })), byTarget.claim(NOW, subject({ targetKey: 'a', agent: 'other' })), byTarget.claim(NOW), byTarget.claim(NOW)].map((seen) => seen === 'held')).toEqual([true, true, false, true, false]);
    const byNone = once([]);
    expect([byNone.claim(NOW), byNone.claim(NOW, subject({ agent: 'other', actionKind: 'x' }))].map((seen) => seen === 'held')).toEqual([true, false]);
  });
  test('only what the globs name is counted', () => {
    const rules = [rule({ kinds: ['message.*'], agents: ['mailer'], max_count: 1 })];
    expect(velocityKeysOf(rules, [subject()], NOW)).toEqual([{ ruleId: 'mails', subject: '["mailer"]', fromMs: NOW - HOUR }]);
    expect(velocityKeysOf(rules, [subject({ actionKind: 'payment.refund' })], NOW)).toEqual([]);
    const { claim } = counterRows(rules);
    expect([claim(NOW), claim(NOW), claim(NOW, subject({ actionKind: 'payment.refund' }))].map((seen) => seen === 'held')).toEqual([true, false, true]);
  });
  test('a claim of a child counts for every agent behind it, and once where they are one', () => {
    const family = [subject(), subject({ agent: 'child' })];
    expect(velocityKeysOf([rule(), rule({ id: 'all', by: [] })], family, NOW).map((key) => key.subject)).toEqual(['["mailer"]', '["child"]', '[]']);
    const spent = countVelocity([rule({ max_count: 1 })], [subject()], {}, [], NOW) as readonly VelocityCounter[];
    expect(countVelocity([rule({ max_count: 1 })], [subject({ agent: 'child' }), subject()], {}, spent, NOW)).toMatchObject({ ruleId: 'mails' });
  });
  test('when one rule refuses, no rule counts', () => {
    const { claim } = counterRows([rule({ id: 'a', max_count: 2 }), rule({ id: 'b', max_count: 1 })]);
    expect([claim(NOW), claim(NOW), claim(NOW)].map((seen) => seen === 'held')).toEqual([true, false, false]);
  });
  test('never more in any window than allowed, and a claim that waits long enough is never refused', () => {
    const steps = fc.array(fc.nat(HOUR / 4), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (waits, max_count) => {
        const { claim } = counterRows([rule({ max_count })]);
        let nowMs = NOW;
        const held: number[] = [];
        for (const wait of waits) {
          nowMs += wait;
          const recent = held.filter((at) => at > nowMs - HOUR).length;
          const lately = held.filter((at) => at > nowMs - HOUR - (2 * HOUR) / SLICES).length;
          const seen = claim(nowMs);
          if (seen === 'held') held.push(nowMs);
          if (recent >= max_count) expect(seen).not.toBe('held');
          if (lately < max_count) expect(seen).toBe('held');
        }
      }),
      { numRuns: 200 },
    );
  });
  test('invariant 27: rules without their rows refuse what they count; with them the claim says which rule and how long', () => {
    const under = (kinds: readonly string[], velocity?: readonly VelocityCounter[]) =>
      decideReserve(aQuestion({ ...(velocity === undefined ? {} : { velocity }), policy: { version: 3, hash: `sha256:${'d'.repeat(64)}`, opinionOn: () => ({ verdict: 'DENY' }), limits: { velocity: [rule({ kinds, max_count: 1 })] } } }));
    expect(under(['message.*'])).toMatchObject({ held: false, code: 'VELOCITY_EXCEEDED' });
    expect(under(['payment.*'])).toMatchObject({ held: true });
    const first = under(['message.*'], []);
    expect(first).toMatchObject({ held: true, velocity: [{ ruleId: 'mails', subject: '["mailer-agent"]', count: 1 }] });
    expect(under(['message.*'], first.held ? first.velocity : [])).toMatchObject({ held: false, code: 'VELOCITY_EXCEEDED', retryAfterMs: HOUR + HOUR / SLICES, data: { refused_by: 'mails', retry_after_ms: HOUR + HOUR / SLICES } });
  });
  test('patterns: a star is any run of characters', () => {
    expect([matchesPattern('a.*.c', 'a.b.b.c'), matchesPattern('*', ''), matchesPattern('a*', 'ba'), matchesPattern('a', 'ab'), matchesPattern('*a*a', 'aa'), matchesPattern('**b', 'ab')]).toEqual([true, true, false, false, true, true]);
  });
});
