import type { ApprovalStage } from '@exequatur/contracts';

export interface RecordedApprover {
  readonly person: string;
  readonly role: string;
}

/**
 * Do the people who approved under an older rule satisfy every stage of a newer one? A stage wants `quorum` different people
 * holding one of its roles; with `distinct` nobody counts in two stages. People are seats to be filled: a greedy choice could
 * put the only finance-lead on a seat that anyone may take, so this is a maximum matching (augmenting paths; at most 50
 * people and 200 seats).
 */
export const approversSatisfy = (approvers: readonly RecordedApprover[], stages: readonly ApprovalStage[], distinct: boolean): boolean => {
  if (stages.length === 0) return false;
  const rolesOf = new Map<string, Set<string>>();
  for (const { person, role } of approvers) rolesOf.set(person, (rolesOf.get(person) ?? new Set()).add(role));
  if (distinct) return canFill(stages.flatMap(seatsOf), rolesOf);
  return stages.every((stage) => canFill(seatsOf(stage), rolesOf));
};

type Seat = readonly string[];
/** A stage with quorum 0 would be no demand at all; it counts as 1. */
const seatsOf = (stage: ApprovalStage): readonly Seat[] => Array.from({ length: Math.max(1, stage.quorum) }, () => stage.roles);

const canFill = (seats: readonly Seat[], rolesOf: ReadonlyMap<string, ReadonlySet<string>>): boolean => {
  const seatOfPerson = new Map<string, number>();
  const seat = (index: number, tried: Set<string>): boolean => {
    for (const [person, roles] of rolesOf) {
      if (tried.has(person) || !(seats[index] ?? []).some((role) => roles.has(role))) continue;
      tried.add(person);
      const taken = seatOfPerson.get(person);
      if (taken === undefined || seat(taken, tried)) {
        seatOfPerson.set(person, index);
        return true;
      }
    }
    return false;
  };
  return seats.every((_, index) => seat(index, new Set()));
};
