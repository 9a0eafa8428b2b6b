import { defineEvent } from '../event.js';
import { count, list, name, object, oneOf, optional, text, uuid } from '../schema.js';

const circuits = { context: 'reservations', owner: 'reservations', aggregate: 'circuit', version: 1 } as const;
const circuit = { circuit_id: uuid(), agent: name(), /** absent: all of the agent's kinds */ action_kind: optional(name()) };
const measured = { rejections: count(), denials_after_approval: count(), volume: count(), rate_ppm: count(1_000_000), threshold_ppm: count(1_000_000), window_ms: count() };

export const CircuitOpened = defineEvent({
  ...circuits,
  name: 'CircuitOpened',
  authority: true,
  summary: 'Too much of what this agent asked for was refused by people, or by the authority after approval: it is paused.',
  data: object({ ...circuit, ...measured, because: oneOf('rate', 'probe_failed'), fence_epoch: count() }),
});

export const CircuitHalfOpened = defineEvent({
  ...circuits,
  name: 'CircuitHalfOpened',
  authority: true,
  summary: 'A person lets a number of probe actions through.',
  data: object({ ...circuit, probes: count(1_000), reason: text(1_000), fence_epoch: count() }),
});

export const CircuitClosed = defineEvent({
  ...circuits,
  name: 'CircuitClosed',
  authority: true,
  summary: 'Every probe ended well, or a person closed the circuit; its counts begin anew.',
  data: object({ ...circuit, because: oneOf('probes_succeeded', 'person'), reason: optional(text(1_000)), fence_epoch: count() }),
});

export const DriftDetected = defineEvent({
  ...circuits,
  name: 'DriftDetected',
  aggregate: 'drift',
  summary: 'What kinds of action an agent asks for has shifted against its own past: an early warning, nothing stops.',
  data: object({
    agent: name(),
    /** population stability index, parts per million */
    psi_ppm: count(),
    threshold_ppm: count(),
    baseline_volume: count(),
    recent_volume: count(),
    window_ms: count(),
    /** the kinds that moved most, shares in parts per million */
    kinds: list(object({ action_kind: name(), baseline_ppm: count(1_000_000), recent_ppm: count(1_000_000) }), 20),
  }),
});
