import { describe, expect, test } from '@jest/globals';
import { MAILBOX } from './mail-settings.js';
import { mailLine, requestMail } from './mail-text.js';

const FACTS = { approval_id: '01890000-0000-7000-8000-000000000002', title: 'payment.refund by support-bot for 100.00 USD', why: 'Above 50 USD', agent: 'support-bot', action_kind: 'payment.refund', environment: 'prod', risk_points: 20, status: 'open', decided_by: null, expires_at: new Date('2026-01-02T03:04:05Z') };

describe('the text of a mail', () => {
  test('says what waits, until when and where; the only link is the login’s door', () => {
    const { subject, text } = requestMail('approval.opened', FACTS, 'https://gate.example');
    expect(subject).toBe('Decision wanted: payment.refund by support-bot for 100.00 USD');
    expect(text).toContain('Decide by: 2 Jan 2026');
    expect(text.match(/https?:\/\/\S+/g)).toEqual(['https://gate.example/approvals/01890000-0000-7000-8000-000000000002']);
  });

  test.each([
    ['a second header', 'x\r\nBcc: all@corp.example', 'x Bcc: all@corp.example'],
    ['a link', 'see https://evil.example/now', 'see https:/ /evil.example/now'],
    ['a link without a scheme', 'see www.evil.example', 'see www .evil.example'],
    ['a script', 'javascript:alert(1)', 'javascript :alert(1)'],
    ['text that runs backwards', 'pay \u202egnitsal', 'pay \\u202egnitsal'],
    ['what nobody sees', 'a\u200bb\u0007', 'a\\u200bb\\u0007'],
  ])('neutralises %s', (_, hostile, shown) => expect(mailLine(hostile, 100)).toBe(shown));

  test('is bounded, whatever stands in the queue', () => {
    const long = 'x'.repeat(100_000);
    const { subject, text } = requestMail('approval.opened', { ...FACTS, title: long, why: `https://${long}`, agent: long }, 'https://gate.example');
    expect(subject.length).toBeLessThanOrEqual(150);
    expect(text.length).toBeLessThan(4_000);
  });

  test.each(['a@b.example, c@d.example', 'a@b.example\r\nBcc: x@y.example', '"A" <a@b.example>', 'a b@c.example', '@x.example', 'a@'])('%j is not one mailbox', (address) => expect(MAILBOX.test(address)).toBe(false));
});
