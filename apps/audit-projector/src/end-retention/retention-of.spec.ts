import { describe, expect, test } from '@jest/globals';
import type { TimelineRow } from '../timeline-view/project.js';
import { DEFAULT_RETENTION_MS, retentionOf, rulingOf, SHORTEST_RETENTION_MS } from './retention-of.js';

const row = (time: string, data: object = {}): TimelineRow => ({ tenant: 'acme', event_id: 'e', action_id: 'a', sequence: 0, name: 'n', type: 't', service: 'policy', version: 1, time, actor_type: 'agent', actor_id: 'x', event_hash: 'h', data: JSON.stringify(data) });
const rows = [row('2026-01-02T00:00:00.000Z'), row('2026-03-01T00:00:00.000Z'), row('2026-02-01T00:00:00.000Z')];
const classes = { short: { retention_ms: 1_000 }, year: { retention_ms: 31_536_000_000 }, silent: {} };

describe('how long an action is kept', () => {
  test.each([
    ['year', 31_536_000_000],
    ['short', SHORTEST_RETENTION_MS],
    ['silent', DEFAULT_RETENTION_MS],
    ['unknown', DEFAULT_RETENTION_MS],
    [undefined, DEFAULT_RETENTION_MS],
  ] as const)('class %s', (actionClass, retentionMs) => {
    expect(retentionOf(rows, actionClass, classes)).toEqual({ actionClass, retentionMs, lastEventAt: '2026-03-01T00:00:00.000Z', dueMs: Date.parse('2026-03-01T00:00:00.000Z') + retentionMs });
  });

  test('without its policy, or without events, no shorter than the default', () => {
    expect(retentionOf(rows, 'short', undefined).retentionMs).toBe(DEFAULT_RETENTION_MS);
    expect(retentionOf([], undefined, undefined).dueMs).toBeGreaterThan(Date.parse('9999-01-01T00:00:00Z'));
  });

  test('the class is that of a verdict', () => {
    expect(rulingOf([row('2026-01-01T00:00:00Z'), row('2026-01-01T00:00:00Z', { policy_hash: 'p' }), row('2026-01-01T00:00:00Z', { policy_hash: 'q', action_class: 'c' })])).toEqual({ policy_hash: 'q', action_class: 'c' });
    expect(rulingOf(rows)).toEqual({});
  });
});
