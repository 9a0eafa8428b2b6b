import type { JsonValue } from '@exequatur/kernel';
import { leavesOf } from './argument-changes.js';
import type { ParameterRow } from './card.js';
import { suspicionsIn } from './suspicious-text.js';
import type { Suspicion } from './suspicious-text.js';
import { visibleText } from './visible-text.js';
import type { Oddity } from './visible-text.js';

/** How much of the arguments a card shows: `rows` at most, `text` UTF-16 units over all rows. */
export interface Density {
  readonly rows: number;
  readonly text: number;
}

/** A row is never shorter than this, so that a card with many rows still says something in each. */
const LEAST_TEXT = 60;
const MOST_TEXT = 16_000;
const POINTER_LIMIT = 100;

export interface ParameterRows {
  readonly rows: readonly ParameterRow[];
  readonly not_shown: number;
  readonly warnings: readonly { readonly where: string; readonly found: Oddity | Suspicion }[];
}

/** Every leaf of the arguments as one row, in the order of the canonical text. */
export const parameterRows = (proposed: JsonValue, density: Density, suspect: typeof suspicionsIn = suspicionsIn): ParameterRows => {
  const leaves = leavesOf(proposed);
  const textLimit = Math.max(LEAST_TEXT, Math.min(MOST_TEXT, Math.floor(density.text / Math.min(leaves.length, density.rows))));
  const warnings: { where: string; found: Oddity | Suspicion }[] = [];
  const rows = leaves.slice(0, density.rows).map(({ pointer, value }): ParameterRow => {
    const place = visibleText(pointer, POINTER_LIMIT);
    const text = visibleText(leafText(value), textLimit);
    for (const found of new Set([...place.oddities, ...text.oddities, ...suspect(pointer), ...suspect(leafText(value))])) warnings.push({ where: place.text, found });
    return { pointer: place.text, type: leafType(value), value: text.text };
  });
  return { rows, not_shown: leaves.length - rows.length, warnings };
};

const leafType = (value: JsonValue): ParameterRow['type'] => {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
      return 'number';
    case 'boolean':
      return 'true or false';
    default:
      return Array.isArray(value) ? 'empty list' : 'empty object';
  }
};

const leafText = (value: JsonValue): string => {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? '' : String(value);
};
