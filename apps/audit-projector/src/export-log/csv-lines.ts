import type { ShownEvent } from './shown-event.js';

/** What a spreadsheet would take for a formula, or a character it drops before looking. */
const FORMULA = /^[\s\p{Cc}\p{Cf}]*[=+\-@|%]/u;

/** RFC 4180; always quoted, and a cell that a spreadsheet would compute begins with an apostrophe. */
const cell = (value: string | number | undefined): string => {
  const text = value === undefined ? '' : String(value).replaceAll('\0', '\ufffd');
  return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
};

const COLUMNS: readonly (readonly [name: string, of: (event: ShownEvent) => string | number | undefined])[] = [
  ['sequence', ({ sequence }) => sequence],
  ['time', ({ time }) => time],
  ['event', ({ name }) => name],
  ['service', ({ service }) => service],
  ['actor_type', ({ actor_type: type }) => type],
  ['actor_id', ({ actor_id: id }) => id],
  ['action_id', ({ action_id: id }) => id],
  ['agent', ({ agent }) => agent],
  ['action_kind', ({ action_kind: kind }) => kind],
  ['code', ({ data }) => text(data['code'])],
  ['rule_id', ({ data }) => text(data['rule_id'])],
  ['outcome', ({ data }) => text(data['outcome'])],
  ['event_id', ({ event_id: id }) => id],
  ['event_hash', ({ event_hash: hash }) => hash],
  ['data', ({ data }) => JSON.stringify(data)],
];
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export const CSV_HEADER = `${COLUMNS.map(([name]) => cell(name)).join(',')}\r\n`;
export const csvLine = (event: ShownEvent): string => `${COLUMNS.map(([, of]) => cell(of(event))).join(',')}\r\n`;
