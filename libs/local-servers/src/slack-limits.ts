/** Limits of Block Kit as Slack documents them: a message that breaks one is refused as a whole. */
const LIMITS = { blocks: 50, header: 150, sectionText: 3_000, fields: 10, fieldText: 2_000, elements: 25, contextElements: 10, buttonText: 75, value: 2_000, url: 3_000 } as const;

type Fields = Readonly<Record<string, unknown>>;

const length = (text: unknown): number => {
  const value = (text as Fields | undefined)?.['text'];
  return typeof value === 'string' ? value.length : 0;
};
const between = (size: number, most: number): boolean => size >= 1 && size <= most;
const each = (value: unknown, most: number, holds: (element: Fields) => boolean): boolean => Array.isArray(value) && between(value.length, most) && value.every((element) => holds(element as Fields));

const button = ({ text, value = '', url = '' }: Fields): boolean => between(length(text), LIMITS.buttonText) && (value as string).length <= LIMITS.value && (url as string).length <= LIMITS.url;

const holds = (block: Fields): boolean => {
  switch (block['type']) {
    case 'header':
      return between(length(block['text']), LIMITS.header);
    case 'section':
      return (block['text'] !== undefined || block['fields'] !== undefined) && (block['text'] === undefined || between(length(block['text']), LIMITS.sectionText)) && (block['fields'] === undefined || each(block['fields'], LIMITS.fields, (field) => between(length(field), LIMITS.fieldText)));
    case 'context':
      return each(block['elements'], LIMITS.contextElements, (element) => between(length({ text: element['text'] }), LIMITS.sectionText));
    case 'actions':
      return each(block['elements'], LIMITS.elements, button);
    case 'divider':
      return true;
    default:
      return false;
  }
};

/** `invalid_blocks` as chat.postMessage answers; undefined when Slack would take them, or there are none. */
export const blocksFault = (blocks: unknown): string | undefined => {
  if (blocks === undefined) return undefined;
  return Array.isArray(blocks) && blocks.length <= LIMITS.blocks && blocks.every((block) => holds(block as Fields)) ? undefined : 'invalid_blocks';
};
