import { describe, expect, test } from '@jest/globals';
import { computeMetrics, stabilityIndex } from './compute-metrics.js';
import { foldFact } from './fold-fact.js';
import type { ActionFact } from './fold-fact.js';

const T0 = Date.parse('2026-11-20T09:00:00.000Z');
const at = (seconds: number): string => new Date(T0 + seconds * 1_000).toISOString();
const event = (name: string, seconds: number, data: object = {}) => ({ name, time: at(seconds), data: JSON.stringify(data) });
const folded = (...events: readonly ReturnType<typeof event>[]): ActionFact => events.reduce(foldFact, {});

const proposed = (kind = 'mail', agent = 'bot') => event('ActionProposed', 0, { facts: { action_kind: kind, agent, risk_points: 20 } });
const held = event('ReservationHeld', 30, { reservation_id: 'r', holds: [{ unit: 'RISK_POINTS', amount: '20' }, { unit: 'USD_MICROCENTS', amount: '500' }] });
const committed = (amount: string) => event('ReservationCommitted', 40, { reservation_id: 'r', outcome: 'SUCCEEDED', actual: [{ unit: 'USD_MICROCENTS', amount }] });
const approved = [proposed(), event('ApprovalRequired', 1), event('ApprovalOpened', 2), event('ApprovalGranted', 12, { narrowed: [] })];

const metricsOf = (...facts: readonly ActionFact[]) => computeMetrics({ facts, baseline: [], fromMs: T0 - 23 * 3_600_000, toMs: T0 + 3_600_000 });

describe('workflow metrics', () => {
  test('invariant 22: the order of events changes no fact', () => {
    const events = [...approved, held, committed('499'), event('ReservationRefused', 50, { code: 'GRANT_EXHAUSTED', after_approval: true })];
    const expected = folded(...events);
    for (let turn = 0; turn < events.length; turn += 1) expect(folded(...events.slice(turn), ...events.slice(0, turn))).toEqual(expected);
    expect(folded(...[...events].reverse())).toEqual(expected);
  });

  test('the nine, the median and the reasons, by their formulas', () => {
    const executed = folded(...approved, held, committed('500'));
    const narrowedAndOtherwise = folded(proposed(), event('ApprovalOpened', 2), event('ApprovalGranted', 32, { narrowed: ['/amount'] }), held, committed('400'));
    const grantedOnly = folded(...approved, event('ReservationRefused', 50, { code: 'FROZEN', after_approval: true }), event('ReservationRefused', 51, { code: 'GRANT_EXHAUSTED', after_approval: true }));
    const rejected = folded(proposed('pay'), event('ApprovalOpened', 2), event('ApprovalRejected', 6, { reason_code: 'too-risky' }));
    const expired = folded(proposed('pay'), event('ApprovalOpened', 2), event('ApprovalExpired', 60));
    expect(metricsOf(executed, narrowedAndOtherwise, grantedOnly, rejected, expired)).toMatchObject({
      actions: 5,
      volume_by_kind: { mail: 3, pay: 2 },
      approval_to_execution_rate: 2 / 3,
      denied_after_approval: 2,
      stale_expiries: 1,
      edit_rate: 1 / 3,
      override_rate: 2 / 4,
      duplicate_execution_attempts: 1,
      approval_to_commit_mismatches: 1,
      risk_points_approved: 60,
      median_seconds_to_decision: 10,
      rejection_reasons: { 'too-risky': 1 },
    });
  });

  test('of nothing there is no rate', () => {
    expect(metricsOf()).toMatchObject({ actions: 0, approval_to_execution_rate: null, edit_rate: null, override_rate: null, median_seconds_to_decision: null, timeout_spike: { last_hour: 0, alert: false }, drift: [] });
  });

  test('a spike of timeouts is told from many all day', () => {
    const timeout = (seconds: number): ActionFact => folded(proposed(), event('ApprovalOpened', seconds - 5), event('ApprovalExpired', seconds));
    const sudden = Array.from({ length: 6 }, (_, n) => timeout(60 + n));
    expect(metricsOf(...sudden).timeout_spike).toEqual({ last_hour: 6, hourly_mean_before: 0, alert: true });
    const always = Array.from({ length: 24 * 6 }, (_, n) => timeout(n * 600 - 23 * 3_600 + 1));
    expect(metricsOf(...always).timeout_spike).toMatchObject({ last_hour: 6, alert: false });
  });

  test('drift: the population stability index of kinds by agent, against the week before', () => {
    expect(stabilityIndex({ mail: 90, pay: 10 }, { mail: 90, pay: 10 })).toBe(0);
    // (0.5 − 0.9) · ln(0.5 / 0.9) + (0.5 − 0.1) · ln(0.5 / 0.1), but for the half action that is added.
    expect(stabilityIndex({ mail: 500, pay: 500 }, { mail: 900, pay: 100 })).toBeCloseTo(0.8789, 1);
    const many = (mail: number, pay: number): ActionFact[] => [...Array.from({ length: mail }, () => folded(proposed('mail'))), ...Array.from({ length: pay }, () => folded(proposed('pay')))];
    const drift = (now: ActionFact[], before: ActionFact[]) => computeMetrics({ facts: now, baseline: before, fromMs: T0, toMs: T0 + 1 }).drift[0];
    expect(drift(many(50, 50), many(90, 10))).toMatchObject({ agent: 'bot', actions: 100, baseline_actions: 100, alert: true });
    expect(drift(many(90, 10), many(90, 10))).toMatchObject({ psi: 0, alert: false });
    expect(drift(many(5, 5), many(9, 1))?.alert).toBe(false);
    expect(drift(many(50, 50), [])).toMatchObject({ psi: 0, alert: false });
  });
});
