import { isJsonObject, pointerText } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';

export interface Leaf {
  readonly pointer: string;
  readonly value: JsonValue;
}

/** Every value of the arguments that holds no other, in the order of the canonical text. */
export const leavesOf = (value: JsonValue, steps: readonly (string | number)[] = []): readonly Leaf[] => {
  if (isJsonObject(value) && Object.keys(value).length > 0) return Object.entries(value).flatMap(([key, child]) => leavesOf(child, [...steps, key]));
  if (Array.isArray(value) && value.length > 0) return (value as readonly JsonValue[]).flatMap((child, index) => leavesOf(child, [...steps, index]));
  return [{ pointer: pointerText(steps), value }];
};

export interface ArgumentChange {
  readonly pointer: string;
  /** JSON text; absent where nothing stood, or stands */
  readonly before?: string;
  readonly now?: string;
}

/** Where two versions of the arguments differ, leaf by leaf. */
export const argumentChanges = (before: JsonValue, now: JsonValue): { readonly changes: readonly ArgumentChange[]; readonly unchanged: number } => {
  const earlier = new Map(leavesOf(before).map(({ pointer, value }) => [pointer, JSON.stringify(value)]));
  const later = new Map(leavesOf(now).map(({ pointer, value }) => [pointer, JSON.stringify(value)]));
  const changes: ArgumentChange[] = [];
  let unchanged = 0;
  for (const pointer of new Set([...earlier.keys(), ...later.keys()])) {
    const [was, is] = [earlier.get(pointer), later.get(pointer)];
    if (was === is) unchanged += 1;
    else changes.push({ pointer, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { now: is }) });
  }
  return { changes, unchanged };
};
