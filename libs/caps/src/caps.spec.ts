import { describe, expect, test } from '@jest/globals';
import type { Caps } from '@exequatur/contracts';
import fc from 'fast-check';
import { capsAdmit, capsContain, intersectCaps, normalCaps } from './index.js';
import type { ActionFacts } from './index.js';

const NAMES = ['acme.example', 'mail.acme.example', 'eu.mail.acme.example', 'other.example', '10.0.0.1', '[::1]'];
const host = fc.tuple(fc.constantFrom(...NAMES, 'ACME.example'), fc.constantFrom('', ':443', ':8443')).map(([name, port]) => name + port);
const hostEntry = fc.oneof(host, fc.constantFrom('*.acme.example', '*.mail.acme.example', '*.example', '*', '*.0.0.1', '*.acme.example:443', 'not a host'));
const recipient = fc.constantFrom('ann@acme.example', 'bob@acme.example', 'Bob@ACME.example', 'eve@evil.example', '#sales', 'eve@evil.example, ann@acme.example');
const recipientEntry = fc.oneof(recipient, fc.constantFrom('*@acme.example', '*@ACME.example', '*@evil.example', '*@mail.acme.example', '*'));
const word = fc.constantFrom('prod', 'staging', 'dev', '*');
const unit = fc.constantFrom('USD_MICROCENTS', 'RISK_POINTS');
const amount = fc.bigInt({ min: 0n, max: 5n }).map(String);
const small = fc.nat({ max: 4 });
const listOf = (entry: fc.Arbitrary<string>): fc.Arbitrary<string[]> => fc.array(entry, { maxLength: 4 });

const caps: fc.Arbitrary<Caps> = fc.record(
  {
    max_runtime_sec: small,
    network_allowlist: listOf(hostEntry),
    max_amount: fc.dictionary(unit, amount),
    allowed_recipients: listOf(recipientEntry),
    environments: listOf(word),
    tools: listOf(word),
    models: listOf(word),
    row_limit: small,
    expires_in_ms: small,
    max_uses: small,
    max_total: fc.dictionary(unit, amount),
    own: fc.dictionary(fc.constantFrom('attachments', 'pages'), amount),
  },
  { requiredKeys: [], noNullPrototype: true },
);

/** Mostly facts that one of a few loose caps would admit, so that both answers are frequent. */
const facts: fc.Arbitrary<ActionFacts> = fc.record(
  {
    amounts: fc.dictionary(unit, fc.bigInt({ min: 0n, max: 3n })),
    recipients: fc.array(recipient, { maxLength: 2 }),
    environment: word,
    tool: word,
    model: word,
    rows: small,
    hosts: fc.array(host, { maxLength: 2 }),
    runtime_sec: small,
    own: fc.dictionary(fc.constantFrom('attachments', 'pages'), fc.bigInt({ min: 0n, max: 3n })),
  },
  { requiredKeys: ['environment', 'tool', 'model', 'rows', 'runtime_sec'], noNullPrototype: true },
);
/** Caps with one or two dimensions only: for these, containment and admission often hold. */
const looseCaps: fc.Arbitrary<Caps> = fc.tuple(caps, fc.subarray(['max_amount', 'network_allowlist', 'allowed_recipients', 'environments', 'row_limit', 'max_uses', 'max_total', 'own'], { maxLength: 2 })).map(
  ([all, kept]) => Object.fromEntries(Object.entries(all).filter(([dimension]) => kept.includes(dimension))) as Caps,
);

const RUNS = { numRuns: 3_000 };
/** Runs a property and fails when its premise held too rarely to show anything. */
const holds = <T>(input: fc.Arbitrary<T>, premise: (value: T) => boolean, conclusion: (value: T) => void): void => {
  let reached = 0;
  fc.assert(
    fc.property(input, (value) => {
      if (!premise(value)) return;
      reached += 1;
      conclusion(value);
    }),
    RUNS,
  );
  expect(reached).toBeGreaterThan(60);
};

describe('the order of caps', () => {
  test('invariant 17: an intersection is contained in both sides', () => {
    fc.assert(
      fc.property(caps, caps, (a, b) => {
        const both = intersectCaps(a, b);
        expect(capsContain(a, both)).toBe(true);
        expect(capsContain(b, both)).toBe(true);
      }),
      RUNS,
    );
  });

  test('an intersection is the widest that both contain', () => {
    holds(
      fc.tuple(looseCaps, looseCaps, caps),
      ([a, b, inner]) => capsContain(a, inner) && capsContain(b, inner),
      ([a, b, inner]) => expect(capsContain(intersectCaps(a, b), inner)).toBe(true),
    );
  });

  test('intersecting does not depend on order or grouping, and the same caps again change nothing', () => {
    fc.assert(
      fc.property(caps, caps, caps, (a, b, c) => {
        expect(intersectCaps(a, b)).toEqual(intersectCaps(b, a));
        expect(intersectCaps(a, intersectCaps(b, c))).toEqual(intersectCaps(intersectCaps(a, b), c));
        expect(intersectCaps(a, a)).toEqual(normalCaps(a));
      }),
      RUNS,
    );
  });

  test('containment is reflexive', () => {
    fc.assert(
      fc.property(caps, (a) => capsContain(a, a) && capsContain(a, normalCaps(a)) && capsContain(normalCaps(a), a)),
      RUNS,
    );
  });

  test('containment is transitive', () => {
    holds(
      fc.tuple(looseCaps, looseCaps, looseCaps),
      ([a, b, c]) => capsContain(a, b) && capsContain(b, c),
      ([a, , c]) => expect(capsContain(a, c)).toBe(true),
    );
  });

  test('caps that contain each other have one normal form', () => {
    holds(
      fc.tuple(looseCaps, looseCaps),
      ([a, b]) => capsContain(a, b) && capsContain(b, a),
      ([a, b]) => expect(normalCaps(a)).toEqual(normalCaps(b)),
    );
  });

  test('invariant 17: what an intersection admits, each side admits', () => {
    holds(
      fc.tuple(looseCaps, looseCaps, facts),
      ([a, b, action]) => capsAdmit(intersectCaps(a, b), action) === undefined,
      ([a, b, action]) => {
        expect(capsAdmit(a, action)).toBeUndefined();
        expect(capsAdmit(b, action)).toBeUndefined();
      },
    );
  });

  test('what both sides admit, the intersection admits', () => {
    holds(
      fc.tuple(looseCaps, looseCaps, facts),
      ([a, b, action]) => capsAdmit(a, action) === undefined && capsAdmit(b, action) === undefined,
      ([a, b, action]) => expect(capsAdmit(intersectCaps(a, b), action)).toBeUndefined(),
    );
  });

  test('invariant 17: what contained caps admit, the containing ones admit', () => {
    holds(
      fc.tuple(looseCaps, looseCaps, facts),
      ([outer, inner, action]) => capsContain(outer, inner) && capsAdmit(inner, action) === undefined,
      ([outer, , action]) => expect(capsAdmit(outer, action)).toBeUndefined(),
    );
  });
});

describe('what is wider', () => {
  test.each<[string, Caps, Caps]>([
    ['no bound where there was one', { row_limit: 5 }, {}],
    ['a larger number', { max_uses: 1 }, { max_uses: 2 }],
    ['a number that is none', { max_uses: 1 }, { max_uses: Number.NaN }],
    ['a larger amount', { max_amount: { USD_MICROCENTS: '9007199254740992' } }, { max_amount: { USD_MICROCENTS: '9007199254740993' } }],
    ['an amount in another unit only', { max_amount: { USD_MICROCENTS: '1' } }, { max_amount: { CALLS: '1' } }],
    ['an amount that is none', { max_amount: { CALLS: '10' } }, { max_amount: { CALLS: '1e0' } }],
    ['an inherited name as unit', { max_amount: { toString: '1' } }, { max_amount: {} }],
    ['another recipient', { allowed_recipients: ['ann@acme.example'] }, { allowed_recipients: ['ann@acme.example', 'eve@evil.example'] }],
    ['a domain for an address', { allowed_recipients: ['ann@acme.example'] }, { allowed_recipients: ['*@acme.example'] }],
    ['a list of addresses in one text', { allowed_recipients: ['*@acme.example'] }, { allowed_recipients: ['eve@evil.example, ann@acme.example'] }],
    ['a subdomain of a recipient domain', { allowed_recipients: ['*@acme.example'] }, { allowed_recipients: ['ann@mail.acme.example'] }],
    ['a wildcard for a host', { network_allowlist: ['api.acme.example'] }, { network_allowlist: ['*.acme.example'] }],
    ['any port for one', { network_allowlist: ['api.acme.example:443'] }, { network_allowlist: ['api.acme.example'] }],
    ['the domain itself for what is below it', { network_allowlist: ['*.acme.example'] }, { network_allowlist: ['acme.example'] }],
    ['a name that only ends alike', { network_allowlist: ['*.acme.example'] }, { network_allowlist: ['evilacme.example'] }],
    ['a star', { network_allowlist: ['*.acme.example'] }, { network_allowlist: ['*'] }],
  ])('%s', (_, outer, inner) => {
    expect(capsContain(outer, inner)).toBe(false);
    expect(capsContain(outer, intersectCaps(outer, inner))).toBe(true);
  });

  test('an empty list allows nothing, and is contained in any', () => {
    expect(capsContain({ tools: ['mailer.send'] }, { tools: [] })).toBe(true);
    expect(capsAdmit({ tools: [] }, { tool: 'mailer.send' })?.code).toBe('CAP_EXCEEDED');
    expect(intersectCaps({ tools: ['a'] }, { tools: ['b'] })).toEqual({ tools: [] });
  });
});

describe('what is admitted', () => {
  const policy: Caps = { max_amount: { USD_MICROCENTS: '4200000000' }, allowed_recipients: ['*@acme.example'], network_allowlist: ['api.acme.example:443', '*.tools.example'], tools: ['billing.refund'], row_limit: 10 };
  const action: ActionFacts = { amounts: { USD_MICROCENTS: 4_200_000_000n }, recipients: ['ann@Acme.example'], hosts: ['API.acme.example:443', 'a.b.tools.example:9'], tool: 'billing.refund', rows: 10 };

  test('an action at every limit', () => {
    expect(capsAdmit(policy, action)).toBeUndefined();
    expect(capsAdmit({}, {})).toBeUndefined();
  });

  test.each<[string, Partial<Record<keyof ActionFacts, unknown>>, string]>([
    ['one micro-cent more', { amounts: { USD_MICROCENTS: 4_200_000_001n } }, '/max_amount/USD_MICROCENTS'],
    ['a negative amount', { amounts: { USD_MICROCENTS: -1n } }, '/max_amount/USD_MICROCENTS'],
    ['an amount in another unit', { amounts: { EUR_MICROCENTS: 1n } }, '/max_amount/USD_MICROCENTS'],
    ['an unknown amount', { amounts: undefined }, '/max_amount/USD_MICROCENTS'],
    ['a second recipient elsewhere', { recipients: ['ann@acme.example', 'eve@evil.example'] }, '/allowed_recipients'],
    ['two addresses in one text', { recipients: ['eve@evil.example,ann@acme.example'] }, '/allowed_recipients'],
    ['a quoted address', { recipients: ['"eve@evil.example"@acme.example'] }, '/allowed_recipients'],
    ['a line break in an address', { recipients: ['ann@acme.example\nBcc: eve@evil.example'] }, '/allowed_recipients'],
    ['the wildcard itself as recipient', { recipients: ['*@acme.example'] }, '/allowed_recipients'],
    ['unknown recipients', { recipients: undefined }, '/allowed_recipients'],
    ['another port', { hosts: ['api.acme.example:444'] }, '/network_allowlist'],
    ['no port where one is asked for', { hosts: ['api.acme.example'] }, '/network_allowlist'],
    ['a host with a trailing dot', { hosts: ['x.tools.example.'] }, '/network_allowlist'],
    ['a host with user info', { hosts: ['x.tools.example@evil.example'] }, '/network_allowlist'],
    ['the wildcard itself as host', { hosts: ['*.tools.example'] }, '/network_allowlist'],
    ['another tool', { tool: 'billing.Refund' }, '/tools'],
    ['one row more', { rows: 11 }, '/row_limit'],
    ['rows that are no number', { rows: Number.NaN }, '/row_limit'],
  ])('not %s', (_, change, pointer) => {
    const changed = Object.fromEntries(Object.entries({ ...action, ...change }).filter(([, fact]) => fact !== undefined)) as ActionFacts;
    expect(capsAdmit(policy, changed)).toMatchObject({ code: 'CAP_EXCEEDED', pointer });
  });

  test('a caller may judge only what it can know', () => {
    expect(capsAdmit({ max_runtime_sec: 5, tools: ['a'] }, { tool: 'a' }, ['tools'])).toBeUndefined();
    expect(capsAdmit({ max_runtime_sec: 5, tools: ['a'] }, { tool: 'a' })).toMatchObject({ pointer: '/max_runtime_sec' });
  });
});
