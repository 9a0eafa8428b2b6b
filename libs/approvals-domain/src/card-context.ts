import { canonicalText, parseStrict } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';

/** The last action like this one that people approved. Only what stands in the open of it: its content may be erased any day. */
export interface SimilarApproved {
  readonly approval_id: string;
  readonly decided_at: string;
  readonly decided_by: readonly string[];
  readonly amounts: readonly { readonly unit: string; readonly amount: string }[];
  /** pointers of the arguments: other value, only now, only then; and how many are the same */
  readonly changed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: number;
}

/** A request like this one that a person rejected, in the same run or but for places its rule names; the words stay with that request. */
export interface EarlierRejection {
  readonly approval_id: string;
  readonly at: string;
  readonly person: string;
  readonly reason_code: string;
  readonly instruction: string;
}

export interface Exchange {
  readonly question_id: string;
  readonly asked_by: string;
  readonly question: string;
  readonly answered_by?: string;
  readonly answer?: string;
}

export interface Annotation {
  readonly by: string;
  readonly by_type: 'person' | 'agent';
  /** what made it: a model's or a tool's name, or the person's */
  readonly source: string;
  /** fraction as decimal text */
  readonly score?: string;
  readonly text: string;
}

export interface Edit {
  readonly by: string;
  readonly changes: readonly { readonly pointer: string; readonly before: string; readonly now: string }[];
}

/** What a card shows besides the proposal. Sealed beside the card, so that the card can be recomputed from it. */
export interface CardContext {
  readonly similar?: SimilarApproved;
  readonly rejections: readonly EarlierRejection[];
  readonly exchanges: readonly Exchange[];
  readonly annotations: readonly Annotation[];
  readonly edit?: Edit;
}

export const EMPTY_CONTEXT: CardContext = { rejections: [], exchanges: [], annotations: [] };

export const contextText = (context: CardContext): string => canonicalText(context as unknown as JsonValue);
export const contextOf = (text: string | undefined): CardContext => (text === undefined ? EMPTY_CONTEXT : (parseStrict(text) as unknown as CardContext));

/** Most pointers that a comparison names, of each sort. */
export const MOST_POINTERS = 30;
