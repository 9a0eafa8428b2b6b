import { leavesOf, visibleText } from '@exequatur/approvals-domain';
import { parseStrict, replaceAtPointer } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';

/** More values than this are edited over the API. */
const MOST_FIELDS = 40;
const LONGEST_VALUE = 8_000;

/** One value of the arguments as a form shows it. */
export interface EditField {
  readonly name: string;
  readonly pointer: string;
  readonly value: string;
  readonly kind: 'text' | 'number' | 'truth';
}

/** Values a person can edit in a form: short, and with nothing in them that a form would hide. */
export const editFields = (proposed: JsonValue | undefined): readonly EditField[] => {
  if (proposed === undefined) return [];
  const leaves = leavesOf(proposed);
  if (leaves.length > MOST_FIELDS) return [];
  return leaves.flatMap(({ pointer, value }, index): EditField[] => {
    const field = { name: `leaf_${index}`, pointer };
    if (typeof value === 'number') return [{ ...field, kind: 'number', value: JSON.stringify(value) }];
    if (typeof value === 'boolean') return [{ ...field, kind: 'truth', value: String(value) }];
    if (typeof value !== 'string') return [];
    const { text, oddities } = visibleText(value, LONGEST_VALUE);
    return oddities.length === 0 && !value.includes('\r') ? [{ ...field, kind: 'text', value: text }] : [];
  });
};

/** The arguments with the sent values in their places; what no field stands for stays as it is. */
export const editedArguments = (fields: Readonly<Record<string, string>>, proposed: JsonValue | undefined): { readonly edited: JsonValue; readonly faults: Readonly<Record<string, string>> } => {
  const faults: Record<string, string> = {};
  let edited: JsonValue = proposed ?? null;
  for (const { name, pointer, kind, value } of editFields(proposed)) {
    // Browsers send line ends as CR LF, whatever stood there.
    const sent = fields[name]?.replaceAll('\r\n', '\n');
    if (sent === undefined || sent === value) continue;
    const next = valueOf(sent, kind);
    if (next === undefined) faults[name] = kind === 'number' ? 'Write a number, such as 42 or 0.5.' : 'Write true or false.';
    else edited = replaceAtPointer(edited, pointer, next) ?? edited;
  }
  if (Object.keys(faults).length === 0 && JSON.stringify(edited) === JSON.stringify(proposed)) faults[''] = 'Nothing is changed here. Change a value, or approve as proposed.';
  return { edited, faults };
};

const valueOf = (text: string, kind: EditField['kind']): JsonValue | undefined => {
  if (kind === 'text') return text;
  try {
    const value = parseStrict(text.trim());
    return typeof value === (kind === 'number' ? 'number' : 'boolean') ? value : undefined;
  } catch {
    return undefined;
  }
};

/** Whether an edited value differs, for the form that is shown again. */
export const sentOr = (values: Readonly<Record<string, string>> | undefined, { name, value }: EditField): string => values?.[name] ?? value;
