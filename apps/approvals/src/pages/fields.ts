import { html, type HtmlValue, type Markup } from './html.js';

/** What is wrong with a field, beside it. */
export const fault = (id: string, text: string | undefined): HtmlValue => (text === undefined ? undefined : html`<p class="fault" id="${id}-fault" role="alert">${text}</p>`);
/** Attributes that tie a field to its hint and its fault. */
export const described = (id: string, text: string | undefined, hint = false): HtmlValue => {
  const ids = [...(hint ? [`${id}-hint`] : []), ...(text === undefined ? [] : [`${id}-fault`])];
  return html`${ids.length === 0 ? undefined : html` aria-describedby="${ids.join(' ')}"`}${text === undefined ? undefined : html` aria-invalid="true"`}`;
};

export const options = (choices: readonly (readonly [string, string])[], chosen: string): Markup[] => choices.map(([code, words]) => html`<option value="${code}"${code === chosen ? html` selected` : undefined}>${words}</option>`);
