/** Whatever a terminal would act on, or would not show: C0 and C1 controls (escape sequences begin with one), direction controls, what has no width. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

const escaped = (found: string): string => {
  const hex = (found.codePointAt(0) ?? 0).toString(16);
  return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
};

/** One line of a terminal that holds what it shows. Servers do this too; a terminal trusts none. */
export const visibleLine = (text: string): string => text.replace(UNSEEN, escaped);

/** Lines of at most `width` characters each, broken where the text is; never fewer than one. */
export const visibleLines = (text: string, width: number): readonly string[] => text.split('\n').flatMap((line) => wrapped(visibleLine(line), width));

const wrapped = (line: string, width: number): readonly string[] => {
  const lines: string[] = [];
  let rest = [...line];
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const end = space > width / 2 ? space : width;
    lines.push(rest.slice(0, end).join(''));
    rest = rest.slice(rest[end] === ' ' ? end + 1 : end);
  }
  return [...lines, rest.join('')];
};
