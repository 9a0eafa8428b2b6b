import { isJsonObject } from './json.js';
import type { JsonArray, JsonValue } from './json.js';

/** The steps of an RFC 6901 pointer, unescaped; undefined when it is not well formed. '' has no steps. */
export const pointerSteps = (pointer: string): readonly string[] | undefined => {
  if (pointer === '') return [];
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined;
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
};

/** The pointer to a place, from its keys and indexes. */
export const pointerText = (steps: readonly (string | number)[]): string =>
  steps.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** The value a pointer names, or undefined when it is absent or the pointer is not well formed. */
export const readPointer = (value: JsonValue, pointer: string): JsonValue | undefined => {
  const steps = pointerSteps(pointer);
  if (steps === undefined) return undefined;
  let here: JsonValue | undefined = value;
  for (const step of steps) {
    if (here === undefined) return undefined;
    here = child(here, step);
  }
  return here;
};

/**
 * A copy of `value` in which the pointer names `newValue`; what is not on the way is shared, nothing is changed.
 * Only replaces: undefined when nothing is there, so a narrowed argument can never add one.
 */
export const replaceAtPointer = (value: JsonValue, pointer: string, newValue: JsonValue): JsonValue | undefined => {
  const steps = pointerSteps(pointer);
  return steps === undefined ? undefined : replaceAtSteps(value, steps, newValue);
};

const replaceAtSteps = (value: JsonValue, steps: readonly string[], newValue: JsonValue): JsonValue | undefined => {
  const [step, ...rest] = steps;
  if (step === undefined) return newValue;
  const old = child(value, step);
  if (old === undefined) return undefined;
  const replaced = replaceAtSteps(old, rest, newValue);
  if (replaced === undefined) return undefined;
  if (isJsonObject(value)) return { ...value, [step]: replaced };
  return (value as JsonArray).map((element, index) => (index === Number(step) ? replaced : element));
};

/** RFC 6901 section 4: an array index is 0 or has no leading zero; `-` names the element after the last, which is absent. */
const child = (value: JsonValue, step: string): JsonValue | undefined => {
  if (isJsonObject(value)) return Object.hasOwn(value, step) ? value[step] : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  return /^(?:0|[1-9]\d{0,9})$/.test(step) ? (value as JsonArray)[Number(step)] : undefined;
};
