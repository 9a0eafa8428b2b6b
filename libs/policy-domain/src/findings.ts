import { isJsonObject, pointerText } from '@exequatur/kernel';
import type { JsonObject, JsonValue } from '@exequatur/kernel';

/** One fault of a policy file. `path` is a JSON Pointer into the document; the app adds line and column from the YAML text. */
export interface Finding {
  readonly path: string;
  readonly message: string;
  /** characters into the text at `path`, where the fault is inside it */
  readonly offset?: number;
}

/** A place in the document, and where its faults are collected: all of them are told at once. */
export interface Place {
  readonly value: JsonValue | undefined;
  readonly steps: readonly (string | number)[];
  readonly findings: Finding[];
}

export const startAt = (value: JsonValue): Place => ({ value, steps: [], findings: [] });

export const fault = (place: Place, message: string, offset?: number): undefined => {
  place.findings.push({ path: pointerText(place.steps), message, ...(offset === undefined ? {} : { offset }) });
  return undefined;
};

export const below = (place: Place, key: string | number): Place => {
  const { value } = place;
  let inner: JsonValue | undefined;
  if (isJsonObject(value)) inner = Object.hasOwn(value, key) ? value[key] : undefined;
  else if (Array.isArray(value)) inner = (value as readonly JsonValue[])[Number(key)];
  return { value: inner, steps: [...place.steps, key], findings: place.findings };
};

export const isPresent = (place: Place): boolean => place.value !== undefined;

/** A mapping with these keys only; a key outside them is a fault at that key, with the nearest known one where there is one. */
export const closedMapping = (place: Place, known: readonly string[]): place is Place & { value: JsonObject } => {
  if (!isMapping(place)) return false;
  for (const key of Object.keys(place.value)) {
    if (known.includes(key)) continue;
    const meant = known.find((each) => isNear(each, key));
    fault(below(place, key), `unknown key "${key}"${meant === undefined ? `; known are ${known.join(', ')}` : `; did you mean "${meant}"?`}`);
  }
  return true;
};

export const isMapping = (place: Place): place is Place & { value: JsonObject } => {
  if (isJsonObject(place.value)) return true;
  fault(place, 'must be a mapping');
  return false;
};

export const entriesOf = (place: Place): readonly Place[] => {
  if (!isPresent(place)) return [];
  if (!Array.isArray(place.value)) {
    fault(place, 'must be a list');
    return [];
  }
  return place.value.map((_, index) => below(place, index));
};

/** At most one letter changed, added, left out or swapped with its neighbour. */
const isNear = (a: string, b: string): boolean => {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const [restA, restB] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  return (restA.length <= 1 && restB.length <= 1) || (restA.length === 2 && restB === `${restA[1]}${restA[0]}`);
};
