import { deepStrictEqual, fail } from 'node:assert/strict';
import { isRefusal, type Refusal } from '@exequatur/kernel';

/** The three plain functions of a decider (style.md, "A decider"). */
export type Decider<State, Command, Event, Code extends string = string> = {
  decide: (command: Command, state: State) => readonly Event[] | Refusal<Code>;
  evolve: (state: State, event: Event) => State;
  initialState: () => State;
};

export type Expectation<Event, Code extends string = string> = {
  /** Exactly these events, in this order. */
  then(...expected: readonly Event[]): void;
  /** No event: the same submission again. */
  thenNothing(): void;
  /** A refusal with this code. */
  thenRefused(code: Code): void;
};

export type Spec<Command, Event, Code extends string = string> = {
  /** The events so far, folded with `evolve`; none for a fresh stream. */
  given(...events: readonly Event[]): { when(command: Command): Expectation<Event, Code> };
};

/** Freezes plain objects and arrays all the way down, so a decider that mutates its input throws. Bytes stay as they are. */
const frozen = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
};

const expectation = <Event, Code extends string>(outcome: readonly Event[] | Refusal<Code>): Expectation<Event, Code> => {
  const events = (): readonly Event[] =>
    isRefusal(outcome) ? fail(`expected events, but it was refused with ${outcome.code}${outcome.detail === undefined ? '' : `: ${outcome.detail}`}`) : outcome;
  return {
    then: (...expected) => {
      if (expected.length === 0) fail('name the expected events, or say thenNothing()');
      deepStrictEqual(events(), expected);
    },
    thenNothing: () => deepStrictEqual(events(), []),
    thenRefused: (code) => {
      if (!isRefusal(outcome)) fail(`expected the refusal ${code}, but it decided ${JSON.stringify(outcome)}`);
      deepStrictEqual(outcome.code, code);
    },
  };
};

/**
 * Given/when/then for a decider: `specFor(decider).given(...events).when(command).then(...events)`. State and events are
 * frozen, and deciding is done twice and must give the same both times: a decider has no memory, clock or randomness.
 */
export const specFor = <State, Command, Event, Code extends string = string>(
  { decide, evolve, initialState }: Decider<State, Command, Event, Code>,
): Spec<Command, Event, Code> => ({
  given: (...events) => ({
    when: (command) => {
      const state = events.reduce<State>((before, event) => frozen(evolve(before, frozen(event))), frozen(initialState()));
      const outcome = decide(frozen(command), state);
      deepStrictEqual(decide(command, state), outcome, 'deciding twice on the same state must give the same');
      return expectation(outcome);
    },
  }),
});
