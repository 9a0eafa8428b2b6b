import type { CircuitClosed, CircuitHalfOpened, CircuitOpened, CircuitSettings, Code, DataOf } from '@exequatur/contracts';
import { assertNever, derivedId, refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';

export const DEFAULT_CIRCUIT = { threshold_ppm: 150_000, window_ms: 3_600_000, minimum_volume: 20, drift_ppm: 250_000 } as const satisfies Required<CircuitSettings>;
export const MAX_PROBES = 1_000;

/** A circuit stands for one agent, or for one agent and kind. */
export interface CircuitScope {
  readonly agent: string;
  readonly actionKind?: string;
}

/** Every agent has two circuits for a kind: its own and the kind's. */
export const circuitIdOf = (tenant: string, { agent, actionKind }: CircuitScope): string => derivedId('circuit', tenant, agent, ...(actionKind === undefined ? [] : [actionKind]));

/** How one decided action ended: people or policy agreed, a person rejected it, the authority refused it after an approval. */
export type CircuitOutcome = 'accepted' | 'rejected' | 'denied_after_approval';

/** What was seen in one tenth of the window. */
export interface OutcomeSlice {
  readonly startMs: number;
  readonly volume: number;
  readonly rejected: number;
  readonly denied: number;
}

/** At most 11 of them, oldest first. */
export type OutcomeCounts = readonly OutcomeSlice[];

const SLICES = 10;
const sliceMsOf = (windowMs: number): number => Math.max(1, Math.ceil(windowMs / SLICES));

/** Only what still lies in the window, whole slices of it. */
const standing = (counts: OutcomeCounts, windowMs: number, nowMs: number): OutcomeCounts => counts.filter(({ startMs }) => startMs > nowMs - windowMs - sliceMsOf(windowMs));

/** Counts one outcome and forgets what has left the window. */
export const countOutcome = (counts: OutcomeCounts, outcome: CircuitOutcome, settings: CircuitSettings, nowMs: number): OutcomeCounts => {
  const windowMs = settings.window_ms ?? DEFAULT_CIRCUIT.window_ms;
  const startMs = nowMs - (((nowMs % sliceMsOf(windowMs)) + sliceMsOf(windowMs)) % sliceMsOf(windowMs));
  const kept = standing(counts, windowMs, nowMs);
  const here = kept.find((slice) => slice.startMs === startMs) ?? { startMs, volume: 0, rejected: 0, denied: 0 };
  const counted = { startMs, volume: here.volume + 1, rejected: here.rejected + (outcome === 'rejected' ? 1 : 0), denied: here.denied + (outcome === 'denied_after_approval' ? 1 : 0) };
  return [...kept.filter((slice) => slice.startMs !== startMs), counted].sort((a, b) => a.startMs - b.startMs);
};

export interface MeasuredRate {
  readonly rejections: number;
  readonly denials_after_approval: number;
  readonly volume: number;
  readonly rate_ppm: number;
  readonly threshold_ppm: number;
  readonly window_ms: number;
}

export const measureRate = (counts: OutcomeCounts, settings: CircuitSettings, nowMs: number): MeasuredRate => {
  const windowMs = settings.window_ms ?? DEFAULT_CIRCUIT.window_ms;
  let volume = 0;
  let rejections = 0;
  let denials = 0;
  for (const slice of standing(counts, windowMs, nowMs)) {
    volume += slice.volume;
    rejections += slice.rejected;
    denials += slice.denied;
  }
  const ratePpm = volume === 0 ? 0 : Math.floor(((rejections + denials) * 1_000_000) / volume);
  return { rejections, denials_after_approval: denials, volume, rate_ppm: ratePpm, threshold_ppm: settings.threshold_ppm ?? DEFAULT_CIRCUIT.threshold_ppm, window_ms: windowMs };
};

/** Above the threshold, and seen often enough to mean something. */
export const mustOpen = (rate: MeasuredRate, settings: CircuitSettings): boolean => rate.volume >= Math.max(1, settings.minimum_volume ?? DEFAULT_CIRCUIT.minimum_volume) && rate.rate_ppm > rate.threshold_ppm;

export type Circuit =
  | { readonly status: 'Closed' }
  | ({ readonly status: 'Open'; readonly circuitId: string } & CircuitScope)
  | ({ readonly status: 'HalfOpen'; readonly circuitId: string; readonly probes: number } & CircuitScope);

/** A circuit that is not closed, as claims are judged under it. `probesLeft` of a half-open one may still be claimed. */
export interface ActiveCircuit extends CircuitScope {
  readonly circuitId: string;
  readonly status: 'Open' | 'HalfOpen';
  readonly probesLeft: number;
}

/** True when the circuit stands over this agent's claims of this kind. */
export const circuitCovers = (circuit: CircuitScope, agent: string, actionKind: string): boolean => circuit.agent === agent && (circuit.actionKind === undefined || circuit.actionKind === actionKind);

export type CircuitCommand =
  /** After each outcome, in a transaction of its own under the exclusive fence. Opens at most once. */
  | { readonly type: 'JudgeCircuit'; readonly data: { readonly circuitId: string; readonly rate: MeasuredRate; readonly settings: CircuitSettings; readonly fenceEpoch: number } & CircuitScope }
  | { readonly type: 'HalfOpenCircuit'; readonly data: { readonly probes: number; readonly reason: string; readonly fenceEpoch: number } }
  /** A probe's claim ended: well when it was committed; one that was given back says nothing. `succeeded` counts since it half-opened, this one included. */
  | { readonly type: 'JudgeProbe'; readonly data: { readonly ended: 'committed' | 'refused' | 'unknown' | 'given_back'; readonly succeeded: number; readonly rate: MeasuredRate; readonly fenceEpoch: number } }
  | { readonly type: 'CloseCircuit'; readonly data: { readonly reason: string; readonly fenceEpoch: number } };

export type CircuitEvent =
  | { readonly type: 'CircuitOpened'; readonly data: DataOf<typeof CircuitOpened> }
  | { readonly type: 'CircuitHalfOpened'; readonly data: DataOf<typeof CircuitHalfOpened> }
  | { readonly type: 'CircuitClosed'; readonly data: DataOf<typeof CircuitClosed> };

export const initialCircuit = (): Circuit => ({ status: 'Closed' });

const scopeData = (circuitId: string, { agent, actionKind }: CircuitScope) => ({ circuit_id: circuitId, agent, ...(actionKind === undefined ? {} : { action_kind: actionKind }) });

/**
 * Closed → Open by the rate; Open → HalfOpen by a person, with a number of probes; HalfOpen → Closed when all of them ended
 * well, → Open at the first that did not; a person closes it from either. When it closes, its counts begin anew.
 * CONFLICT: there is nothing to half-open or close. REASON_REQUIRED. INVALID: no probes, or more than 1,000.
 */
export const decideCircuit = (command: CircuitCommand, state: Circuit): readonly CircuitEvent[] | Refusal<Code> => {
  switch (command.type) {
    case 'JudgeCircuit': {
      const { circuitId, rate, settings, fenceEpoch } = command.data;
      if (state.status !== 'Closed' || !mustOpen(rate, settings)) return [];
      return [{ type: 'CircuitOpened', data: { ...scopeData(circuitId, command.data), ...rate, because: 'rate', fence_epoch: fenceEpoch } }];
    }
    case 'HalfOpenCircuit': {
      const { probes, reason, fenceEpoch } = command.data;
      if (state.status !== 'Open') return refuse('CONFLICT', 'the circuit is not open');
      if (reason.trim() === '') return refuse('REASON_REQUIRED');
      if (!Number.isInteger(probes) || probes < 1 || probes > MAX_PROBES) return refuse('INVALID', `1 to ${MAX_PROBES} probes`, '/probes');
      return [{ type: 'CircuitHalfOpened', data: { ...scopeData(state.circuitId, state), probes, reason, fence_epoch: fenceEpoch } }];
    }
    case 'JudgeProbe': {
      const { ended, succeeded, rate, fenceEpoch } = command.data;
      if (state.status !== 'HalfOpen' || ended === 'given_back') return [];
      if (ended !== 'committed') return [{ type: 'CircuitOpened', data: { ...scopeData(state.circuitId, state), ...rate, because: 'probe_failed', fence_epoch: fenceEpoch } }];
      if (succeeded < state.probes) return [];
      return [{ type: 'CircuitClosed', data: { ...scopeData(state.circuitId, state), because: 'probes_succeeded', fence_epoch: fenceEpoch } }];
    }
    case 'CloseCircuit': {
      const { reason, fenceEpoch } = command.data;
      if (state.status === 'Closed') return refuse('CONFLICT', 'the circuit is closed');
      if (reason.trim() === '') return refuse('REASON_REQUIRED');
      return [{ type: 'CircuitClosed', data: { ...scopeData(state.circuitId, state), because: 'person', reason, fence_epoch: fenceEpoch } }];
    }
    default:
      return assertNever(command);
  }
};

export const evolveCircuit = (state: Circuit, event: CircuitEvent): Circuit => {
  const { circuit_id, agent, action_kind } = event.data;
  const standsFor = { circuitId: circuit_id, agent, ...(action_kind === undefined ? {} : { actionKind: action_kind }) };
  switch (event.type) {
    case 'CircuitOpened':
      return { status: 'Open', ...standsFor };
    case 'CircuitHalfOpened':
      return state.status === 'Closed' ? state : { status: 'HalfOpen', ...standsFor, probes: event.data.probes };
    case 'CircuitClosed':
      return { status: 'Closed' };
  }
};
