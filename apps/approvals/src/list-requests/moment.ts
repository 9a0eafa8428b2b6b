import { problem } from '@exequatur/service-kit';

const FIRST = Date.parse('0001-01-01T00:00:00Z');

/** The text, when it names a moment and not only looks like one. @throws Problem INVALID */
export const moment = (text: string, pointer: string): string => {
  const at = Date.parse(text);
  return Number.isNaN(at) || at < FIRST ? problem('INVALID', undefined, [{ pointer, expected: 'a moment that there is' }]) : text;
};
