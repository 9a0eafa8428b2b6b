import { describe, expect, test } from '@jest/globals';
import { refuse, type Refusal } from '@exequatur/kernel';
import { specFor } from './index.js';

type Lamp = { lit: boolean; times: readonly number[] };
type Command = { type: 'Light'; at: number } | { type: 'Break' };
type Lit = { type: 'Lit'; data: { at: number } };

const decide = (command: Command, state: Lamp): Lit[] | Refusal<'BROKEN' | 'OTHER'> => {
  if (command.type === 'Break') return refuse('BROKEN', 'glass everywhere');
  return state.lit ? [] : [{ type: 'Lit', data: { at: command.at } }];
};
const evolve = (state: Lamp, event: Lit): Lamp => ({ lit: true, times: [...state.times, event.data.at] });
const initialState = (): Lamp => ({ lit: false, times: [] });
const lit = (at: number): Lit => ({ type: 'Lit', data: { at } });

const lamp = specFor({ decide, evolve, initialState });

describe('given, when, then', () => {
  test('passes where the decider does what is said', () => {
    lamp.given().when({ type: 'Light', at: 1 }).then(lit(1));
    lamp.given(lit(1)).when({ type: 'Light', at: 2 }).thenNothing();
    lamp.given(lit(1)).when({ type: 'Break' }).thenRefused('BROKEN');
  });

  test.each<[string, () => void]>([
    ['other events', () => lamp.given().when({ type: 'Light', at: 1 }).then(lit(2))],
    ['an event more', () => lamp.given().when({ type: 'Light', at: 1 }).then(lit(1), lit(1))],
    ['events where there is nothing', () => lamp.given(lit(1)).when({ type: 'Light', at: 2 }).then(lit(2))],
    ['nothing where there are events', () => lamp.given().when({ type: 'Light', at: 1 }).thenNothing()],
    ['events where it refused', () => lamp.given().when({ type: 'Break' }).then(lit(1))],
    ['nothing where it refused', () => lamp.given().when({ type: 'Break' }).thenNothing()],
    ['another code', () => lamp.given().when({ type: 'Break' }).thenRefused('OTHER')],
    ['a refusal where there are events', () => lamp.given().when({ type: 'Light', at: 1 }).thenRefused('BROKEN')],
    ['no expectation at all', () => lamp.given(lit(1)).when({ type: 'Light', at: 2 }).then()],
  ])('fails on %s', (_what, wrong) => {
    expect(wrong).toThrow();
  });

  test('fails when evolve mutates the state it was given', () => {
    const mutating = specFor({ decide, initialState, evolve: (state: Lamp, event: Lit) => Object.assign(state, { lit: true, times: [event.data.at] }) });
    expect(() => mutating.given(lit(1)).when({ type: 'Light', at: 2 })).toThrow(TypeError);
  });

  test('fails when deciding twice differs', () => {
    let at = 0;
    const forgetful = specFor({ evolve, initialState, decide: (): Lit[] => [lit((at += 1))] });
    expect(() => forgetful.given().when({ type: 'Light', at: 2 })).toThrow('twice');
  });
});
