import type { OpenedContent } from './approval.js';
import { contextText } from './card-context.js';
import type { CardContext } from './card-context.js';
import { RENDERER } from './card.js';
import { cardBytes, renderCard, viewHash } from './render-card.js';
import type { RequestFacts } from './request-facts.js';

export interface NewView {
  readonly data: { readonly view_hash: string; readonly renderer: string };
  readonly sealed: { readonly card: string; readonly context: string };
}

/** The card as it stands with another context, or with edited arguments: what is recorded of it, and what is sealed. */
export const newView = (request: RequestFacts, content: OpenedContent, context: CardContext): NewView => {
  const proposal = content.editedArguments === undefined ? content.proposal : { ...content.proposal, arguments: content.editedArguments };
  const card = renderCard(request, proposal, context);
  return { data: { view_hash: viewHash(content.salt, card), renderer: RENDERER }, sealed: { card: Buffer.from(cardBytes(card)).toString('utf8'), context: contextText(context) } };
};
