/** Text that is HTML already: what `html` made, or a constant of our own. Never anything that came from outside. */
export class Markup {
  constructor(readonly text: string) {}
}
export type HtmlValue = string | number | Markup | undefined | null | false | readonly HtmlValue[];

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** What turns the direction of text, or cannot be seen, is shown by its number: a page must not be able to say two things. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const visible = (text: string): string => text.replace(HIDDEN, (character) => (character === '\n' || character === '\t' ? character : `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`));

const shown = (value: HtmlValue): string => {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'string' || typeof value === 'number') return visible(String(value)).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
  return value.map(shown).join('');
};

/** Every value is escaped unless it is Markup itself. Values belong between tags or inside quoted attributes, nowhere else. */
export const html = (parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup => new Markup(parts.reduce((text, part, index) => text + shown(values[index - 1]) + part));
