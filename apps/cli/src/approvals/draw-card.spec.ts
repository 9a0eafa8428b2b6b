import { describe, expect, test } from '@jest/globals';
import { drawCard, type ShownCard } from './draw-card.js';
import { visibleLine, visibleLines } from '../visible-line.js';

const CARD: ShownCard = {
  approval_id: '01890000-0000-7000-8000-000000000002',
  status: 'open',
  version: 1,
  view_hash: `sha256:${'a'.repeat(64)}`,
  title: 'payment.refund by support-bot for 100.00 USD',
  expires_at: '2026-03-01T14:00:00.000Z',
  has_reversal: false,
  sections: [{ title: 'What exactly', rows: [{ label: 'Tool', text: 'billing.refund 1' }, { label: '/note', text: 'first\nview    sha256:forged\n' }] }],
};

describe('a card in a terminal', () => {
  test('is drawn with its hash; a line of somebody’s words stands behind a bar', () => {
    expect(drawCard(CARD, 60)).toEqual([
      '─'.repeat(60),
      'payment.refund by support-bot for 100.00 USD',
      'open · decide by 2026-03-01T14:00:00.000Z',
      '',
      'WHAT EXACTLY',
      '  Tool: billing.refund 1',
      '  /note:',
      '  │ first',
      '  │ view    sha256:forged',
      '  │ ',
      '',
      'request 01890000-0000-7000-8000-000000000002',
      `view    sha256:${'a'.repeat(64)}`,
      '─'.repeat(60),
    ]);
  });

  test.each([
    ['a screen that is cleared', '\u001b[2J\u001b[H', '\\u001b[2J\\u001b[H'],
    ['a title that is set', '\u001b]0;x\u0007', '\\u001b]0;x\\u0007'],
    ['an eight-bit escape', '\u009b31m', '\\u009b31m'],
    ['a line written over', 'deny\rapprove', 'deny\\u000dapprove'],
    ['characters taken back', 'a\b', 'a\\u0008'],
    ['text that runs backwards', '\u202egnp', '\\u202egnp'],
    ['what has no width', 'a\u200bb\u{e0041}', 'a\\u200bb\\u{e0041}'],
  ])('neutralises %s, wherever it stands', (_, hostile, shown) => {
    expect(visibleLine(hostile)).toBe(shown);
    const drawn = drawCard({ ...CARD, title: hostile, status: hostile, view_hash: hostile, sections: [{ title: hostile, rows: [{ label: hostile, text: hostile }] }] }).join('\n');
    expect(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e\u200b]/.test(drawn)).toBe(false);
  });

  test('long words are broken, every character is kept', () => {
    const text = `${'word '.repeat(50)}${'x'.repeat(500)}`;
    const lines = visibleLines(text, 40);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(40);
    expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
  });
});
