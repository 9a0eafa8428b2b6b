import { describe, expect, test } from '@jest/globals';
import { classifyOutcome, effectiveCaps, httpAnswer, judgeCall, runtimeMs } from './index.js';
import type { CallEnding } from './index.js';

const outcomeOf = (ending: CallEnding): string => {
  const outcome = classifyOutcome(ending);
  return outcome.outcome === 'SUCCEEDED' ? 'SUCCEEDED' : `${outcome.outcome} ${outcome.code}`;
};

describe('the table of outcomes', () => {
  test.each<[CallEnding, string]>([
    [{ phase: 'not_sent', because: 'too_late' }, 'FAILED EXECUTE_BY_PASSED'],
    [{ phase: 'not_sent', because: 'egress' }, 'FAILED EGRESS_NOT_ALLOWED'],
    [{ phase: 'not_sent', because: 'cap' }, 'FAILED CAP_EXCEEDED'],
    [{ phase: 'not_sent', because: 'refused' }, 'FAILED CONNECTOR_REFUSED'],
    [{ phase: 'not_sent', because: 'unreachable' }, 'FAILED PROVABLY_NOT_SENT'],
    [{ phase: 'not_sent', because: 'abandoned' }, 'FAILED PROVABLY_NOT_SENT'],
    [{ phase: 'sent', because: 'timeout' }, 'UNKNOWN TIMED_OUT_UNKNOWN'],
    [{ phase: 'sent', because: 'connection_lost' }, 'UNKNOWN CONNECTION_LOST_UNKNOWN'],
  ])('%j is %s', (ending, expected) => expect(outcomeOf(ending)).toBe(expected));

  test.each([
    [200, 'SUCCEEDED'],
    [202, 'SUCCEEDED'],
    [299, 'SUCCEEDED'],
    [302, 'UNKNOWN CONNECTION_LOST_UNKNOWN'],
    [400, 'FAILED CONNECTOR_REFUSED'],
    [429, 'FAILED CONNECTOR_REFUSED'],
    [499, 'FAILED CONNECTOR_REFUSED'],
    [500, 'UNKNOWN CONNECTION_LOST_UNKNOWN'],
    [503, 'UNKNOWN CONNECTION_LOST_UNKNOWN'],
    [504, 'UNKNOWN TIMED_OUT_UNKNOWN'],
  ])('invariant 6: HTTP %i is %s', (status, expected) => expect(outcomeOf(httpAnswer(status))).toBe(expected));
});

describe('invariant 17: caps at the moment of the effect', () => {
  const grant = { amounts: [{ unit: 'USD_MICROCENTS', amount: '500' }], risk_points: 20, tool: { name: 'mailer.send' }, facts: {} };
  const host = 'mail.example:25';

  test.each([
    ['no caps', {}, undefined],
    ['an allowed host', { network_allowlist: ['mail.example'] }, undefined],
    ['another host', { network_allowlist: ['other.example'] }, 'egress'],
    ['no host at all', { network_allowlist: [] }, 'egress'],
    ['an amount within', { max_amount: { USD_MICROCENTS: '500' } }, undefined],
    ['an amount above', { max_amount: { USD_MICROCENTS: '499' } }, 'cap'],
    ['risk points above', { max_amount: { RISK_POINTS: '19' } }, 'cap'],
    ['allowed recipients', { allowed_recipients: ['*@a.example'] }, undefined],
    ['a recipient too many', { allowed_recipients: ['x@a.example'] }, 'cap'],
  ])('%s', (_, caps, because) => {
    expect(judgeCall(caps, grant, { host, recipients: ['x@a.example', 'y@a.example'] })?.because).toBe(because);
  });

  test('recipients that nobody knows are not admitted', () => expect(judgeCall({ allowed_recipients: ['*@a.example'] }, grant, { host })?.because).toBe('cap'));
  test('the narrower of grant and reservation counts', () => expect(runtimeMs(effectiveCaps({ max_runtime_sec: 30 }, { max_runtime_sec: 5 }))).toBe(5_000));
  test('a runtime is bounded where no cap names one', () => expect(runtimeMs({})).toBe(60_000));
});
