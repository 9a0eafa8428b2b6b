/**
 * Makes text from an agent safe to judge by eye. What a reader cannot see, or what reorders what a reader sees, is written
 * as `\uXXXX`; nothing is dropped. Shown text is therefore a pure function of the text and its limit.
 */
export type Oddity = 'control_characters' | 'direction_controls' | 'invisible_characters' | 'mixed_scripts' | 'shortened';

export interface VisibleText {
  readonly text: string;
  readonly oddities: readonly Oddity[];
}

/** C0 and C1 controls without tab and line feed, which stay: a mail's text has lines. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/gu;
/** Unicode UAX #9 explicit directional formatting, isolates and marks ("Trojan Source"). */
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** Default-ignorable and blank-looking code points, tags included. */
const INVISIBLE =
  /\u00ad|\u034f|\u115f|\u1160|\u17b4|\u17b5|[\u180b-\u180f]|[\u200b-\u200d]|[\u2060-\u2065]|[\u206a-\u206f]|\u3164|[\ufe00-\ufe0f]|\ufeff|\uffa0|[\ufff0-\ufffb]|[\ud800-\udfff]|[\u{1bca0}-\u{1bca3}]|[\u{1d173}-\u{1d17a}]|[\u{e0000}-\u{e0fff}]/gu;
const WORD = /[\p{L}\p{N}]+/gu;
const LATIN = /\p{Script=Latin}/u;
const LOOKS_LATIN = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;

/**
 * Letters of two look-alike alphabets in one word, as in `pаypal` with a Cyrillic а. Word by word, each looked through
 * once: one expression with look-aheads would start anew at each letter of a long word.
 */
const hasMixedWord = (source: string): boolean => LOOKS_LATIN.test(source) && (source.match(WORD) ?? []).some((word) => LATIN.test(word) && LOOKS_LATIN.test(word));

const escaped = (found: string): string => {
  const codePoint = found.codePointAt(0) ?? 0;
  const hex = codePoint.toString(16);
  return codePoint > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
};

/**
 * @param limit most UTF-16 units shown; of a longer text its head and its end are shown, with the length said between them,
 * since what an agent wants unseen would else stand at the end
 */
export const visibleText = (source: string, limit: number): VisibleText => {
  const oddities: Oddity[] = [];
  if (source.search(CONTROLS) >= 0) oddities.push('control_characters');
  if (source.search(DIRECTION) >= 0) oddities.push('direction_controls');
  if (source.search(INVISIBLE) >= 0) oddities.push('invisible_characters');
  if (hasMixedWord(source)) oddities.push('mixed_scripts');
  const shown = source.replace(CONTROLS, escaped).replace(DIRECTION, escaped).replace(INVISIBLE, escaped);
  if (shown.length <= limit) return { text: shown, oddities };
  return { text: shortened(shown, source.length, limit), oddities: [...oddities, 'shortened'] };
};

const END_SHARE = 4;

const shortened = (shown: string, sourceLength: number, limit: number): string => {
  const end = Math.floor(limit / END_SHARE);
  const head = withoutTornPair(shown.slice(0, limit - end));
  const tail = shown.slice(shown.length - end).replace(/^[\udc00-\udfff]/, '');
  return `${head} [… shortened, ${sourceLength} characters in all …] ${tail}`;
};

const withoutTornPair = (text: string): string => text.replace(/[\ud800-\udbff]$/, '');
