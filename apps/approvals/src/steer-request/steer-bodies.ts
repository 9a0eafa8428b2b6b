import { count, fraction, instant, list, name, object, optional, text, uuid } from '@exequatur/contracts';

/** Missing words are REASON_REQUIRED, the decider's to say, not a malformed body. */
export const deferBody = object({ until: instant(), reason: optional(text(4_000)) });
/** `minutes: 0` gives it back. */
export const assignBody = object({ minutes: optional(count(60)) });
export const escalateBody = object({ to_role: optional(name()), to_person: optional(name()), reason: optional(text(4_000)) });
export const requestInformationBody = object({ question: optional(text(4_000)) });
export const giveInformationBody = object({ question_id: uuid(), answer: optional(text(8_000)) });
/** `source`: what made the remark, such as a model's name */
export const annotateBody = object({ source: optional(name()), score: optional(fraction()), text: optional(text(4_000)) });

export const remarkAnswer = object({ approval_id: uuid(), version: count() });
export const questionsAnswer = object({
  approval_id: uuid(),
  items: list(object({ question_id: uuid(), question: text(4_000), answered: { json: { type: 'boolean' } } })),
});

/** An assignment without a time stands this long. */
export const DEFAULT_ASSIGNMENT_MINUTES = 15;
