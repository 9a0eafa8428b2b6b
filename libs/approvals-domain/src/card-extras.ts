import { readPointer } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { shownAmount } from './amount-argument.js';
import type { CardContext } from './card-context.js';
import { MOST_POINTERS } from './card-context.js';
import type { CardExtras } from './card.js';
import type { Show } from './render-card.js';
import type { RequestFacts } from './request-facts.js';

const LIMITS = { recipients: 50, recipient: 320, pointer: 100, pointers: MOST_POINTERS, words: 2_000, source: 128, change: 300, changes: 50 } as const;

/** The part of the card that card/2 added. `show` makes text safe to judge by eye and remembers what was odd. */
export const cardExtras = (request: RequestFacts, proposed: JsonValue, context: CardContext, show: Show): CardExtras => {
  const recipients = recipientsIn(request, proposed);
  return {
    recipients: recipients.slice(0, LIMITS.recipients).map((recipient) => show('recipients', recipient, LIMITS.recipient)),
    recipients_not_shown: Math.max(0, recipients.length - LIMITS.recipients),
    similar: similarOf(context, show),
    earlier_rejections: context.rejections.map(({ approval_id, at, person, reason_code, instruction }) => ({ approval_id, at, person, reason_code, instruction })),
    exchanges: context.exchanges.map(({ asked_by, question, answered_by, answer }) => ({
      asked_by,
      question: show('question', question, LIMITS.words),
      answered_by: answered_by ?? '',
      answer: show('answer of the agent side', answer, LIMITS.words),
    })),
    annotations: context.annotations.map(({ by, by_type, source, score, text }) => ({
      by,
      by_type,
      by_requester: by_type === 'agent' && by === request.facts.agent,
      source: show('source of a remark', source, LIMITS.source),
      score: score ?? '',
      text: show('remark', text, LIMITS.words),
    })),
    edited:
      context.edit === undefined
        ? null
        : { by: context.edit.by, changes: context.edit.changes.slice(0, LIMITS.changes).map(({ pointer, before, now }) => ({ pointer: show('edit', pointer, LIMITS.pointer), before: show('edit', before, LIMITS.change), now: show('edit', now, LIMITS.change) })) },
    on_timeout: request.demand.on_timeout,
    escalates_to: request.demand.escalate_to ?? '',
  };
};

const similarOf = ({ similar }: CardContext, show: Show): CardExtras['similar'] => {
  if (similar === undefined) return null;
  const pointers = (list: readonly string[]): string[] => list.slice(0, LIMITS.pointers).map((pointer) => show('comparison', pointer, LIMITS.pointer));
  return {
    approval_id: similar.approval_id,
    decided_at: similar.decided_at,
    decided_by: similar.decided_by.join(', '),
    amounts: similar.amounts.map(({ unit, amount }) => shownAmount(unit, BigInt(amount))).join(', '),
    changed: pointers(similar.changed),
    added: pointers(similar.added),
    removed: pointers(similar.removed),
    unchanged: similar.unchanged,
  };
};

const recipientsIn = ({ narrowable }: RequestFacts, proposed: JsonValue): readonly string[] => {
  const value = narrowable.recipients === undefined ? undefined : readPointer(proposed, narrowable.recipients);
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter((each): each is string => typeof each === 'string') : [];
};
