/** Text that is HTML already. Only `html` makes it, so nothing gets into a page unescaped. */
export class Markup {
  constructor(readonly text: string) {}
}
export type HtmlValue = string | number | Markup | undefined | null | false | readonly HtmlValue[];

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escapeText = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);

const shown = (value: HtmlValue): string => {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'string' || typeof value === 'number') return escapeText(String(value));
  return value.map(shown).join('');
};

/**
 * html`<p title="${text}">${children}</p>`: every value is escaped unless it is Markup itself; lists are joined, nothing
 * stands for undefined, null and false. Values belong between tags or inside quoted attributes, nowhere else.
 */
export const html = (parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup =>
  new Markup(parts.reduce((text, part, index) => text + shown(values[index - 1]) + part));
