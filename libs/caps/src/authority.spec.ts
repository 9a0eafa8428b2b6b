import { describe, expect, test } from '@jest/globals';
import type { DelegatedAuthority } from '@exequatur/contracts';
import fc from 'fast-check';
import { authorityContains, scopeCovers, toolCovers, widerPart } from './index.js';

const place = fc.constantFrom('tenant:a', 'tenant:a/app:x', 'tenant:a/app:x/run:1', 'tenant:a/app:xy', 'tenant:b');
const tool = fc.constantFrom('mailer.send', 'mailer.send@1', 'mailer.send@2', 'mailer');
const amount = fc.record({ unit: fc.constantFrom('USD_MICROCENTS', 'TOKENS'), amount: fc.bigInt({ min: 0n, max: 3n }).map(String) });
const authority: fc.Arbitrary<DelegatedAuthority> = fc.record(
  {
    scope_path: place,
    kinds: fc.array(fc.constantFrom('k', 'l'), { maxLength: 2 }),
    tools: fc.array(tool, { maxLength: 2 }),
    targets: fc.array(fc.constantFrom('sha256:1', 'sha256:2'), { maxLength: 2 }),
    caps: fc.record({ row_limit: fc.nat(2), environments: fc.array(fc.constantFrom('prod', 'dev'), { maxLength: 2 }) }, { requiredKeys: [], noNullPrototype: true }),
    max_uses: fc.nat(3),
    total_points: fc.nat(3),
    total_amounts: fc.array(amount, { maxLength: 2 }),
    expires_at: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.500Z', '2026-01-02T00:00:00Z'),
  },
  { requiredKeys: ['scope_path', 'caps', 'expires_at'], noNullPrototype: true },
);

/** One claim, as far as an authority can judge it. */
const claim = fc.record({ scope: place, kind: fc.constantFrom('k', 'l'), tool: fc.constantFrom('mailer.send@1', 'mailer.send@2'), target: fc.constantFrom('sha256:1', 'sha256:2'), uses: fc.nat(4), points: fc.nat(4), amount, at: fc.constantFrom(0, 1_767_225_600_000, 1_767_225_600_400, 1_767_300_000_000) });
const admits = (a: DelegatedAuthority, c: typeof claim extends fc.Arbitrary<infer T> ? T : never): boolean =>
  scopeCovers(a.scope_path, c.scope) &&
  (a.kinds?.includes(c.kind) ?? true) &&
  (a.tools?.some((one) => toolCovers(one, c.tool)) ?? true) &&
  (a.targets?.includes(c.target) ?? true) &&
  c.uses <= (a.max_uses ?? Infinity) &&
  c.points <= (a.total_points ?? Infinity) &&
  (a.total_amounts ?? []).every((most) => most.unit !== c.amount.unit || BigInt(c.amount.amount) <= BigInt(most.amount)) &&
  c.at < Date.parse(a.expires_at);

describe('authority contains', () => {
  test('invariant 17: what the inner admits, the outer admits', () => {
    let contained = 0;
    fc.assert(
      fc.property(authority, authority, claim, (outer, some, asked) => {
        // Half of the inners are narrowed from their outer, so that containment is frequent.
        const inner = asked.uses % 2 === 0 ? { ...outer, ...(some.scope_path.startsWith(outer.scope_path) ? { scope_path: some.scope_path } : {}), max_uses: Math.min(outer.max_uses ?? 9, some.max_uses ?? 9) } : some;
        if (!authorityContains(outer, inner)) return;
        contained += 1;
        if (admits(inner, asked)) expect(admits(outer, asked)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    expect(contained).toBeGreaterThan(500);
  });
  test('is reflexive and transitive', () => {
    fc.assert(
      fc.property(authority, authority, authority, (a, b, c) => {
        expect(authorityContains(a, a)).toBe(true);
        if (authorityContains(a, b) && authorityContains(b, c)) expect(authorityContains(a, c)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
  test('names the first part that is wider', () => {
    const outer: DelegatedAuthority = { scope_path: 'tenant:a/app:x', caps: {}, max_uses: 2, expires_at: '2026-01-01T00:00:00Z' };
    expect(widerPart(outer, outer)).toBeUndefined();
    expect(widerPart(outer, { ...outer, scope_path: 'tenant:a/app:xy' })).toBe('scope_path');
    const { max_uses: _, ...unbounded } = outer;
    expect(widerPart(outer, unbounded)).toBe('max_uses');
    expect(widerPart(outer, { ...outer, expires_at: '2026-01-01T00:00:00.001Z' })).toBe('expires_at');
  });
});
