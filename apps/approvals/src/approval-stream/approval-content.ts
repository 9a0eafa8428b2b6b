import { contextOf, RENDERERS, type CardContext, type OpenedContent, type Renderer } from '@exequatur/approvals-domain';
import { ApprovalAnnotated, ApprovalEdited, ApprovalOpened, ApprovalVoted, InformationGiven, InformationRequested } from '@exequatur/contracts';
import type { DataOf, EventDefinition, SealedOf } from '@exequatur/contracts';
import type { RecordedEvent } from '@exequatur/event-store';
import { eventsOf, type RecordedApproval } from './recorded-approval.js';

/** Opens the sealed part of one event of the request; undefined where it has none. */
export type OpenSealed = (event: RecordedEvent) => unknown;

/** The sealed side of a request: what the next decision is about, and the card that stands in it now. */
export interface ApprovalContent extends OpenedContent {
  /** canonical JSON, as it was hashed */
  readonly card: string;
  readonly renderer: Renderer;
  readonly read: OpenSealed;
}

/** Events that put another card into the request. */
const VIEWS: readonly EventDefinition[] = [ApprovalOpened, ApprovalEdited, InformationGiven, ApprovalAnnotated];
/** Events that change what the next approving vote accepts. */
const ACCEPTING: readonly EventDefinition[] = [ApprovalEdited, ApprovalVoted];

export const contentOf = (approval: RecordedApproval, read: OpenSealed): ApprovalContent => {
  const openedEvent = eventsOf(approval, ApprovalOpened)[0];
  if (openedEvent === undefined) throw new Error('a request without ApprovalOpened');
  const opened = read(openedEvent) as SealedOf<typeof ApprovalOpened>;
  const view = approval.events.filter(isOneOf(VIEWS)).at(-1) ?? openedEvent;
  const shown = read(view) as { readonly card: string; readonly context?: string };
  const editedEvent = eventsOf(approval, ApprovalEdited).at(-1);
  const edited = editedEvent === undefined ? undefined : (read(editedEvent) as SealedOf<typeof ApprovalEdited>).arguments;
  const accepted = approval.events
    .filter(isOneOf(ACCEPTING))
    .map((event) => acceptedIn(event, read))
    .filter((text) => text !== undefined)
    .at(-1);
  return {
    salt: Buffer.from(opened.salt, 'base64url'),
    proposal: opened.proposal,
    context: withQuestions(contextOf(shown.context), approval, read),
    card: shown.card,
    renderer: rendererOf(view),
    read,
    ...(edited === undefined ? {} : { editedArguments: edited }),
    ...(accepted === undefined ? {} : { acceptedArguments: accepted }),
  };
};

const isOneOf =
  (definitions: readonly EventDefinition[]) =>
  ({ envelope }: RecordedEvent): boolean =>
    definitions.some(({ type }) => type === envelope.type);

const acceptedIn = (event: RecordedEvent, read: OpenSealed): string | undefined =>
  event.envelope.type === ApprovalEdited.type ? (read(event) as SealedOf<typeof ApprovalEdited>).arguments : (read(event) as SealedOf<typeof ApprovalVoted> | undefined)?.granted_arguments;

const rendererOf = ({ envelope }: RecordedEvent): Renderer => {
  const { renderer } = envelope.data as { readonly renderer: string };
  const known = RENDERERS.find((each) => each === renderer);
  if (known === undefined) throw new Error(`no renderer ${renderer}`);
  return known;
};

/** Questions asked since the card was made stand in the next one. */
const withQuestions = (context: CardContext, approval: RecordedApproval, read: OpenSealed): CardContext => {
  const asked = eventsOf(approval, InformationRequested).map((event) => {
    const { question_id, person } = event.envelope.data as DataOf<typeof InformationRequested>;
    return { question_id, asked_by: person, question: (read(event) as SealedOf<typeof InformationRequested>).question };
  });
  const missing = asked.filter(({ question_id }) => !context.exchanges.some((exchange) => exchange.question_id === question_id));
  return missing.length === 0 ? context : { ...context, exchanges: [...context.exchanges, ...missing] };
};
