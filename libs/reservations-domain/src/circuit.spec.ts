import { describe, expect, test } from '@jest/globals';
import type { Code } from '@exequatur/contracts';
import { specFor } from '@exequatur/testing';
import { circuitCovers, circuitIdOf, countOutcome, decideCircuit, evolveCircuit, initialCircuit, measureRate, mustOpen } from './circuit.js';
import type { ActiveCircuit, Circuit, CircuitCommand, CircuitEvent, CircuitOutcome, OutcomeCounts } from './circuit.js';
import { decideReserve } from './decide-reserve.js';
import { detectDrift, stabilityIndexPpm } from './drift.js';
import { aQuestion, id, NOW } from './reserve-question.fixture.js';

const HOUR = 3_600_000;
const counted = (outcomes: readonly CircuitOutcome[], from: OutcomeCounts = [], nowMs = NOW): OutcomeCounts => outcomes.reduce((counts, outcome) => countOutcome(counts, outcome, {}, nowMs), from);
const many = (outcome: CircuitOutcome, times: number): readonly CircuitOutcome[] => Array.from({ length: times }, () => outcome);

describe('the rate', () => {
  test('is of rejections and denials after approval in everything decided, above 15 % and not below 20 in an hour', () => {
    const counts = counted([...many('accepted', 17), 'rejected', 'denied_after_approval', 'rejected']);
    expect(measureRate(counts, {}, NOW)).toEqual({ rejections: 2, denials_after_approval: 1, volume: 20, rate_ppm: 150_000, threshold_ppm: 150_000, window_ms: HOUR });
    expect(mustOpen(measureRate(counts, {}, NOW), {})).toBe(false);
    expect(mustOpen(measureRate(counted(['rejected'], counts), {}, NOW), {})).toBe(true);
    expect(mustOpen(measureRate(counted(many('rejected', 19)), {}, NOW), {})).toBe(false);
    expect(mustOpen(measureRate([], { minimum_volume: 0 }, NOW), { minimum_volume: 0 })).toBe(false);
  });
  test('forgets what has left the window, and stays small', () => {
    let counts = counted(many('rejected', 30));
    expect(measureRate(counts, {}, NOW + 2 * HOUR).volume).toBe(0);
    for (let minute = 0; minute < 600; minute++) counts = countOutcome(counts, 'accepted', {}, NOW + minute * 60_000);
    expect(counts.length).toBeLessThanOrEqual(11);
    expect(measureRate(counts, {}, NOW + 599 * 60_000).volume).toBeGreaterThanOrEqual(60);
  });
});

describe('a circuit', () => {
  const circuit = specFor<Circuit, CircuitCommand, CircuitEvent, Code>({ decide: decideCircuit, evolve: evolveCircuit, initialState: initialCircuit });
  const rate = { rejections: 4, denials_after_approval: 0, volume: 20, rate_ppm: 200_000, threshold_ppm: 150_000, window_ms: HOUR };
  const judge: CircuitCommand = { type: 'JudgeCircuit', data: { circuitId: id(7), agent: 'a', actionKind: 'k', rate, settings: {}, fenceEpoch: 5 } };
  const of = { circuit_id: id(7), agent: 'a', action_kind: 'k' };
  const opened: CircuitEvent = { type: 'CircuitOpened', data: { ...of, ...rate, because: 'rate', fence_epoch: 5 } };
  const half: CircuitCommand = { type: 'HalfOpenCircuit', data: { probes: 2, reason: 'prompt fixed', fenceEpoch: 6 } };
  const halfOpened: CircuitEvent = { type: 'CircuitHalfOpened', data: { ...of, probes: 2, reason: 'prompt fixed', fence_epoch: 6 } };
  const probe = (ended: 'committed' | 'refused' | 'unknown' | 'given_back', succeeded = 1): CircuitCommand => ({ type: 'JudgeProbe', data: { ended, succeeded, rate, fenceEpoch: 7 } });
  const close: CircuitCommand = { type: 'CloseCircuit', data: { reason: 'looked at it', fenceEpoch: 8 } };

  test('opens by the rate, once', () => {
    circuit.given().when(judge).then(opened);
    circuit.given(opened).when(judge).thenNothing();
    circuit.given().when({ ...judge, data: { ...judge.data, rate: { ...rate, rate_ppm: 150_000 } } } as CircuitCommand).thenNothing();
  });
  test('half-opens by a person, with a reason and a number of probes', () => {
    circuit.given(opened).when(half).then(halfOpened);
    circuit.given(opened, halfOpened).when(half).thenRefused('CONFLICT');
    circuit.given().when(half).thenRefused('CONFLICT');
    circuit.given(opened).when({ ...half, data: { ...half.data, reason: ' ' } } as CircuitCommand).thenRefused('REASON_REQUIRED');
    circuit.given(opened).when({ ...half, data: { ...half.data, probes: 0 } } as CircuitCommand).thenRefused('INVALID');
  });
  test('closes when every probe ended well, opens again at the first that did not', () => {
    circuit.given(opened, halfOpened).when(probe('committed', 1)).thenNothing();
    circuit.given(opened, halfOpened).when(probe('committed', 2)).then({ type: 'CircuitClosed', data: { ...of, because: 'probes_succeeded', fence_epoch: 7 } });
    circuit.given(opened, halfOpened).when(probe('given_back')).thenNothing();
    for (const ended of ['refused', 'unknown'] as const) circuit.given(opened, halfOpened).when(probe(ended)).then({ type: 'CircuitOpened', data: { ...of, ...rate, because: 'probe_failed', fence_epoch: 7 } });
    circuit.given(opened).when(probe('committed', 2)).thenNothing();
  });
  test('is closed by a person from either, once', () => {
    const closed: CircuitEvent = { type: 'CircuitClosed', data: { ...of, because: 'person', reason: 'looked at it', fence_epoch: 8 } };
    circuit.given(opened).when(close).then(closed);
    circuit.given(opened, halfOpened).when(close).then(closed);
    circuit.given(opened, closed).when(close).thenRefused('CONFLICT');
    circuit.given(opened, closed).when(judge).then(opened);
    circuit.given(opened).when({ type: 'CloseCircuit', data: { reason: '', fenceEpoch: 8 } }).thenRefused('REASON_REQUIRED');
  });
  test('of an agent and of the agent and kind are two', () => {
    expect(circuitIdOf('acme', { agent: 'a' })).not.toBe(circuitIdOf('acme', { agent: 'a', actionKind: 'k' }));
    expect([circuitCovers({ agent: 'a' }, 'a', 'x'), circuitCovers({ agent: 'a', actionKind: 'k' }, 'a', 'x'), circuitCovers({ agent: 'a', actionKind: 'k' }, 'a', 'k'), circuitCovers({ agent: 'a' }, 'b', 'x')]).toEqual([true, false, true, false]);
  });
});

describe('claims under a circuit', () => {
  const standing = (changes: Partial<ActiveCircuit>): ActiveCircuit => ({ circuitId: id(7), agent: 'mailer-agent', status: 'Open', probesLeft: 0, ...changes });
  const decided = (...circuits: readonly ActiveCircuit[]) => {
    const decision = decideReserve(aQuestion({ circuits }));
    return decision.held ? (decision.probes ?? 'held') : `${decision.code} ${decision.data.refused_by}`;
  };
  test('an open one refuses its agent, and its agent and kind; a half-open one lets probes through', () => {
    expect(decided(standing({}))).toBe(`CIRCUIT_OPEN ${id(7)}`);
    expect(decided(standing({ actionKind: 'message.email.send' }))).toBe(`CIRCUIT_OPEN ${id(7)}`);
    expect(decided(standing({ actionKind: 'payment.refund' }))).toBe('held');
    expect(decided(standing({ agent: 'other' }))).toBe('held');
    expect(decided(standing({ status: 'HalfOpen', probesLeft: 1 }))).toEqual([id(7)]);
    expect(decided(standing({ status: 'HalfOpen', probesLeft: 0 }))).toBe(`CIRCUIT_OPEN ${id(7)}`);
    expect(decided(standing({ status: 'HalfOpen', probesLeft: 1 }), standing({ circuitId: id(8), actionKind: 'message.email.send' }))).toBe(`CIRCUIT_OPEN ${id(8)}`);
  });
  test('the claim says of which circuit it is a probe', () => {
    const decision = decideReserve(aQuestion({ circuits: [standing({ status: 'HalfOpen', probesLeft: 3 })] }));
    expect(decision).toMatchObject({ held: true, data: { probe_of: id(7) } });
  });
});

describe('drift', () => {
  const baseline = { 'message.email.send': 90, 'record.read': 10 };
  const shifted = { 'message.email.send': 40, 'payment.refund': 60 };
  const ask = { agent: 'a', baseline, recent: shifted, settings: {}, nowMs: NOW, warnedAtMs: undefined };
  test('the index is 0 for the same shares, whatever the volume, and grows with the shift', () => {
    expect(stabilityIndexPpm(baseline, { 'message.email.send': 900, 'record.read': 100 })).toBe(0);
    expect(stabilityIndexPpm({}, baseline)).toBe(0);
    // (0.8 - 0.5) ln(0.8 / 0.5) + (0.2 - 0.5) ln(0.2 / 0.5) = 0.41589
    expect(stabilityIndexPpm({ a: 50, b: 50 }, { a: 80, b: 20 })).toBe(415_888);
  });
  test('warns on a shift with enough volume, once a window, naming what moved', () => {
    expect(detectDrift(ask)).toMatchObject({ agent: 'a', baseline_volume: 100, recent_volume: 100, kinds: [{ action_kind: 'payment.refund', baseline_ppm: 0, recent_ppm: 600_000 }, { action_kind: 'message.email.send', recent_ppm: 400_000 }, {}] });
    expect(detectDrift({ ...ask, warnedAtMs: NOW - HOUR + 1 })).toBeUndefined();
    expect(detectDrift({ ...ask, warnedAtMs: NOW - HOUR })).toBeDefined();
    expect(detectDrift({ ...ask, recent: { 'payment.refund': 49 } })).toBeUndefined();
    expect(detectDrift({ ...ask, recent: baseline })).toBeUndefined();
  });
});
