import type { CircuitSettings } from '@exequatur/contracts';
import { circuitIdOf, countOutcome, measureRate, mustOpen } from '@exequatur/reservations-domain';
import type { CircuitOutcome, CircuitScope, OutcomeCounts } from '@exequatur/reservations-domain';
import type { SeenOutcome } from './seen-outcomes.js';

/** A circuit's row as it is folded into. */
export interface FoldedCircuit extends CircuitScope {
  readonly status: 'Closed' | 'Open' | 'HalfOpen';
  readonly fenceEpoch: number;
  /** Unix ms; what was seen before the circuit last moved says nothing about it now */
  readonly movedAtMs: number;
  counts: OutcomeCounts;
  readonly probes: number;
  probesLeft: number;
  succeeded: number;
  failed: 'refused' | 'unknown' | undefined;
  due: boolean;
}

/** An outcome with when it was seen, and of which circuits it is a probe. */
export interface OutcomeToFold extends SeenOutcome {
  readonly atMs: number;
}

export interface ProbeOf {
  readonly circuitId: string;
  readonly fenceEpoch: number;
}

export const isDecided = (outcome: SeenOutcome['outcome']): outcome is CircuitOutcome => !outcome.startsWith('probe_');

/** The two circuits of an agent's action. */
export const circuitsOf = (tenant: string, { agent, actionKind }: Pick<SeenOutcome, 'agent' | 'actionKind'>): readonly { readonly circuitId: string; readonly scope: CircuitScope }[] => [
  { circuitId: circuitIdOf(tenant, { agent }), scope: { agent } },
  { circuitId: circuitIdOf(tenant, { agent, actionKind }), scope: { agent, actionKind } },
];

/** A decided action counts for both of its circuits; a refusal after approval under a half-open one is a failed probe. */
export const foldDecided = (circuit: FoldedCircuit, outcome: CircuitOutcome, settings: CircuitSettings, atMs: number): void => {
  if (atMs < circuit.movedAtMs) return;
  circuit.counts = countOutcome(circuit.counts, outcome, settings, atMs);
  if (circuit.status === 'HalfOpen' && outcome === 'denied_after_approval') fail(circuit, 'refused');
  if (circuit.status === 'Closed' && mustOpen(measureRate(circuit.counts, settings, atMs), settings)) circuit.due = true;
};

/** What became of a probe; of an earlier half-opening it says nothing. */
export const foldProbe = (circuit: FoldedCircuit, { fenceEpoch }: ProbeOf, outcome: SeenOutcome['outcome']): void => {
  if (circuit.status !== 'HalfOpen' || circuit.fenceEpoch !== fenceEpoch) return;
  if (outcome === 'probe_unknown') fail(circuit, 'unknown');
  if (outcome === 'probe_given_back') circuit.probesLeft = Math.min(circuit.probes, circuit.probesLeft + 1);
  if (outcome !== 'probe_committed') return;
  circuit.succeeded = Math.min(circuit.probes, circuit.succeeded + 1);
  if (circuit.succeeded === circuit.probes) circuit.due = true;
};

const fail = (circuit: FoldedCircuit, failed: 'refused' | 'unknown'): void => {
  circuit.failed ??= failed;
  circuit.due = true;
};
