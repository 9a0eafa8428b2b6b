import { describe, expect, test } from '@jest/globals';
import { proposalOf, REFUND, requestFor } from './approval.fixture.js';
import { cardSections } from './card-sections.js';
import { renderCard } from './render-card.js';

describe('a card as lines', () => {
  const textOf = (...given: Parameters<typeof renderCard>): string => cardSections(renderCard(...given)).flatMap(({ title, rows }) => [title, ...rows.map(({ label, text }) => `${label}: ${text}`)]).join('\n');

  test('says everything that would run, whose words they are, and what follows', () => {
    const text = textOf(requestFor(), proposalOf(REFUND));
    for (const line of ['Action: payment.refund', '/account: acct_42', '/amount: 100.00', '/note: broken on arrival', 'Reason: Refunds above 50 USD need a person', 'What the agent says (nobody has checked it)', 'Can be undone: no', 'Policy: version 3', 'Decide by: 1 Mar 2026, 14:00 UTC']) expect(text).toContain(line);
  });

  test('every parameter, every piece of evidence and every warning of the card stands in it', () => {
    const evidence = [{ title: 'Photograph', url: 'https://files.example/1' }];
    const card = renderCard(requestFor({ a: '', b: [], c: {}, d: null, e: 'x\u202ey' }), proposalOf({ a: '', b: [], c: {}, d: null, e: 'x\u202ey' }, { evidence }));
    const rows = cardSections(card).flatMap((section) => section.rows);
    for (const { pointer } of card.parameters) expect(rows.filter(({ label }) => label === pointer).length).toBeGreaterThan(0);
    expect(rows).toContainEqual({ label: '/e', text: 'characters that reverse the reading direction, written as \\u codes' });
    expect(rows).toContainEqual({ label: '/e', text: 'x\\u202ey' });
    expect(rows).toContainEqual({ label: '/a', text: '(empty text)' });
    expect(rows).toContainEqual({ label: 'Evidence', text: 'Photograph https://files.example/1' });
  });
});
