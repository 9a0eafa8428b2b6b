import { CircuitClosed, CircuitHalfOpened, CircuitOpened } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { Claim, EventLog } from '../log/event-log.js';
import { must, wrong } from './finding.js';
import type { Finding } from './finding.js';

/** From one move of a circuit to the next: what passes while it stands so. */
interface Spell {
  readonly circuit: Pick<DataOf<typeof CircuitOpened>, 'circuit_id' | 'agent' | 'action_kind'>;
  readonly from: number;
  readonly until: number;
  /** 0 while it is open */
  readonly probes: number;
}

const covers = ({ circuit, from, until }: Spell, { data }: Claim): boolean =>
  [data.agent, ...(data.delegated_by ?? [])].includes(circuit.agent) &&
  (circuit.action_kind === undefined || circuit.action_kind === data.action_kind) &&
  data.fence_epoch >= from &&
  data.fence_epoch < until;

const spells = (log: EventLog): readonly Spell[] => {
  const moves = [
    ...log.of(CircuitOpened).map(({ data }) => ({ data, probes: 0 })),
    ...log.of(CircuitHalfOpened).map(({ data }) => ({ data, probes: data.probes })),
    ...log.of(CircuitClosed).map(({ data }) => ({ data, probes: Infinity })),
  ].sort((one, other) => one.data.fence_epoch - other.data.fence_epoch);
  return moves.flatMap(({ data, probes }, index) => {
    const next = moves.slice(index + 1).find((move) => move.data.circuit_id === data.circuit_id);
    return probes === Infinity ? [] : [{ circuit: data, from: data.fence_epoch, until: next?.data.fence_epoch ?? Infinity, probes }];
  });
};

/** An open circuit lets nothing of its agent through, a half-open one at most its probes at a time: what was given back is given again. */
export const paused = (log: EventLog): readonly Finding[] =>
  spells(log).flatMap((spell) =>
    log.claims
      .filter((claim) => covers(spell, claim))
      .flatMap((claim) => (spell.probes === 0 ? [wrong(claim, `claimed under the open circuit ${spell.circuit.circuit_id}`)] : must(claim.data.probe_of !== undefined, claim, `claimed under a half-open circuit, and is no probe`))),
  );
