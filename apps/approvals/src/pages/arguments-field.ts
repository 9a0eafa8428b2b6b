import { visibleText } from '@exequatur/approvals-domain';
import { parseStrict, StrictJsonError, type JsonValue, type StrictJsonReason } from '@exequatur/kernel';

/** Longer arguments are written over the API: as a form they could exceed what a page takes. */
export const LONGEST_ARGUMENTS = 60_000;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** The arguments as JSON to edit: what a reader cannot see is written as JSON escapes, which are the same value. */
export const argumentsText = (value: JsonValue): string => {
  const text = JSON.stringify(value, null, 2);
  return visibleText(text, NO_LIMIT).text === text ? text : [...text].map(visibleCharacter).join('');
};

const visibleCharacter = (character: string): string =>
  visibleText(character, NO_LIMIT).text === character ? character : [...Array(character.length).keys()].map((unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`).join('');

const FAULTS: Readonly<Record<StrictJsonReason, string>> = {
  syntax: 'this is not JSON here',
  too_large: 'this is too large',
  invalid_utf8: 'this is no text',
  bom: 'there is a byte-order mark; take it away',
  too_deep: 'this is nested too deeply',
  duplicate_key: 'this name stands here twice',
  forbidden_key: 'this name is not allowed',
  lone_surrogate: 'this is half a character',
  unsafe_number: 'this number would lose digits; write it as text',
  negative_zero: 'write 0 without a minus',
};

export type ReadArguments = { readonly value: JsonValue; readonly fault?: undefined } | { readonly value?: undefined; readonly fault: string };

/** What a person wrote as JSON, or what is wrong with it and in which line. */
export const argumentsIn = (sent: string): ReadArguments => {
  // Browsers send line ends as CR LF.
  const text = sent.replaceAll('\r\n', '\n');
  if (text.trim() === '') return { fault: 'Write the arguments as JSON.' };
  if (text.length > LONGEST_ARGUMENTS) return { fault: `Use at most ${LONGEST_ARGUMENTS} characters here; longer arguments are sent over the API.` };
  try {
    return { value: parseStrict(text) };
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const before = text.slice(0, error.position).split('\n');
    return { fault: `Line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${FAULTS[error.reason]}.` };
  }
};
