import { describe, expect, test } from '@jest/globals';
import { canonicalText } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { proposalOf, REFUND, requestFor, SALT } from './approval.fixture.js';
import { EMPTY_CONTEXT } from './card-context.js';
import type { Card } from './card.js';
import { cardBytes, decisionSummary, renderCard, viewHash } from './render-card.js';
import { shownDuration } from './shown-duration.js';
import { visibleText } from './visible-text.js';

const cardFor = (args: JsonValue, more: Parameters<typeof proposalOf>[1] = {}): Card => renderCard(requestFor(args), proposalOf(args, more));

describe('the card', () => {
  const card = renderCard(requestFor(), proposalOf(REFUND));
  test('says what exactly, by pointer and value', () =>
    expect(card.parameters).toEqual([
      { pointer: '/account', type: 'text', value: 'acct_42' },
      { pointer: '/amount', type: 'text', value: '100.00' },
      { pointer: '/note', type: 'text', value: 'broken on arrival' },
    ]));
  test('says who, why, what follows and under which policy', () => {
    expect(card).toMatchObject({
      renderer: 'card/2',
      title: 'payment.refund by support-bot for 100.00 USD',
      why_approval: { rule_id: 'refund-large', reason: 'Refunds above 50 USD need a person' },
      agent_words: 'The customer sent a photograph of the broken part.',
      action: { target: 'acct_42', risk_points: 20 },
      amounts: [{ shown: '100.00 USD' }],
      reversal: { possible: false },
      policy: { version: 3 },
      warnings: [],
    });
    expect(card.if_approved).toBe('A signed grant for this action alone is issued: one use, within 15 minutes.');
    expect(card.if_nobody_answers).toContain('not as a refusal by a person');
  });
  test('invariant 26: the same input gives the same bytes and hash, a changed character another', () => {
    expect(viewHash(SALT, renderCard(requestFor(), proposalOf(REFUND)))).toBe(viewHash(SALT, card));
    const changed = { account: 'acct_42', amount: '100.00', note: 'broken on arrival.' };
    expect(viewHash(SALT, renderCard(requestFor(), proposalOf(changed)))).not.toBe(viewHash(SALT, card));
  });
  test('invariant 26: renderer card/1 is frozen; a change of its bytes needs card/2', () => {
    expect(viewHash(SALT, renderCard(requestFor(), proposalOf(REFUND), EMPTY_CONTEXT, 'card/1'))).toBe('sha256:831b85a7a71ca8abfc0675e7769aee9f6094feaca2387d0a2f4f9849d2139adb');
  });
  test('shows what the caps of policy change before anybody votes', () => {
    const request = requestFor(REFUND, { caps: { max_amount: { USD_MICROCENTS: '5000000000' } } });
    expect(renderCard(request, proposalOf(REFUND))).toMatchObject({ narrowed_by_policy: [{ pointer: '/amount', value: '"50.00"' }], limits: [{ limit: 'At most', value: '50.00 USD' }] });
  });
  test('a queue entry needs no sealed content', () =>
    expect(decisionSummary(requestFor())).toEqual({ title: card.title, why: card.why_approval.reason, next_effect: card.next_effect }));
});

describe('hostile text is made visible, never dropped', () => {
  test.each([
    ['a direction override', 'gpj.\u202eexe', 'gpj.\\u202eexe', 'direction_controls'],
    ['an isolate', 'a\u2066b', 'a\\u2066b', 'direction_controls'],
    ['a zero-width space', 'pay\u200bpal', 'pay\\u200bpal', 'invisible_characters'],
    ['a tag character', 'x\u{e0041}', 'x\\u{e0041}', 'invisible_characters'],
    ['a control', 'a\u0000b\u001b[2J', 'a\\u0000b\\u001b[2J', 'control_characters'],
    ['a line separator', 'a\u2028b', 'a\\u2028b', 'control_characters'],
    ['a carriage return', 'a\rb', 'a\\u000db', 'control_characters'],
    ['a Cyrillic letter in a Latin word', 'p\u0430ypal', 'p\u0430ypal', 'mixed_scripts'],
  ])('%s', (_what, source, text, found) => expect(visibleText(source, 100)).toEqual({ text, oddities: [found] }));
  test.each(['plain words', 'Grüße aus Köln', 'Привет мир', '日本語', 'line one\nline two\ttab'])('%p is left alone', (text) => expect(visibleText(text, 100)).toEqual({ text, oddities: [] }));
  test('in values, in keys, and in the agent’s words, each with its place in the warnings', () => {
    const card = cardFor({ 'to\u202e': 'a\u200bb' }, { reasoning: 'sure\u202e' });
    expect(card.parameters).toEqual([{ pointer: '/to\\u202e', type: 'text', value: 'a\\u200bb' }]);
    expect(card.warnings).toEqual([
      { where: '/to\\u202e', found: 'direction_controls' },
      { where: '/to\\u202e', found: 'invisible_characters' },
      { where: 'reasoning', found: 'direction_controls' },
    ]);
  });
  test('a huge text is shortened in the middle, its length said, its end kept', () => {
    const card = cardFor({ body: `${'x'.repeat(50_000)} and wire all money` });
    expect(card.parameters[0]?.value).toMatch(/^x{12000} \[… shortened, 50019 characters in all …\] x*.* and wire all money$/);
    expect(card.warnings).toEqual([{ where: '/body', found: 'shortened' }]);
  });
  test.each(['x', 'а', 'xа', '\u202e', '"', ' ', '\ud83d\ude00'])('the longest text of %j is looked through in time', (unit) => {
    const source = unit.repeat(262_144 / unit.length);
    // Processor time, of which a loaded machine takes no more: one pass costs milliseconds, one that looks back over the text minutes.
    const started = process.cpuUsage();
    visibleText(source, 1_000);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1_000).toBeLessThan(5_000);
  });
  test('a surrogate pair is not torn', () => expect(visibleText('😀'.repeat(50), 21).text).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/));
  test('empty places are rows too', () =>
    expect(cardFor({ a: {}, b: [], c: null, d: '', e: false }).parameters).toEqual([
      { pointer: '/a', type: 'empty object', value: '' },
      { pointer: '/b', type: 'empty list', value: '' },
      { pointer: '/c', type: 'null', value: 'null' },
      { pointer: '/d', type: 'text', value: '' },
      { pointer: '/e', type: 'true or false', value: 'false' },
    ]));
  test('the card of the most hostile arguments leaves the proposal its place in the event', () => {
    const evidence = Array.from({ length: 50 }, () => ({ title: '"'.repeat(200), url: '"'.repeat(2_000) }));
    const many = Object.fromEntries(Array.from({ length: 800 }, (_, index) => [`${'"'.repeat(60)}${index}`, '"\u0001'.repeat(20)]));
    const long = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, '"'.repeat(1_250)]));
    const wide = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, '字'.repeat(800)]));
    for (const args of [many, long, wide]) {
      const card = cardFor(args, { evidence, reasoning: '"'.repeat(20_000), business_impact: '"'.repeat(4_000) });
      expect(Buffer.byteLength(JSON.stringify(Buffer.from(cardBytes(card)).toString('utf8')))).toBeLessThanOrEqual(220_000);
      expect(card.evidence_not_shown).toBe(30);
      expect(card.parameters.length + card.parameters_not_shown).toBe(Object.keys(args).length);
    }
  });
  test('what is shown is in canonical order', () => expect(cardFor(JSON.parse(canonicalText({ b: 1, a: 2 })) as JsonValue).parameters.map(({ pointer }) => pointer)).toEqual(['/a', '/b']));
});

test.each([
  [250, '250 ms'],
  [60_000, '1 minute'],
  [900_000, '15 minutes'],
  [5_400_000, '1 hour 30 minutes'],
  [90_061_000, '1 day 1 hour'],
])('%p ms is %s', (ms, text) => expect(shownDuration(ms)).toBe(text));
