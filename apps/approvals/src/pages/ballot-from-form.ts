import type { RequestFacts } from '@exequatur/approvals-domain';
import type { JsonValue } from '@exequatur/kernel';
import { Problem, shaped } from '@exequatur/service-kit';
import { approveBody, breakGlassBody, editBody, rejectBody, respondBody, type Ballot } from '../vote-on-request/ballots.js';
import { argumentsIn } from './arguments-field.js';
import type { BALLOT_FORMS } from './decision-form.js';
import { capsFromForm } from './decision-form.js';
import { editedArguments } from './edit-fields.js';

type Fields = Readonly<Record<string, string>>;
export interface BallotFromForm {
  readonly ballot: Ballot;
  readonly faults: Readonly<Record<string, string>>;
}

const given = (name: string, text: string | undefined): Record<string, string> => (text === undefined || text.trim() === '' ? {} : { [name]: text });

/** The same ballot that the API takes, from a form. @throws Problem INVALID when hidden fields were tampered with */
export const ballotFromForm = (form: (typeof BALLOT_FORMS)[number], fields: Fields, request: RequestFacts, proposed: JsonValue | undefined): BallotFromForm => {
  const view_hash = fields['view_hash'] ?? '';
  switch (form) {
    case 'approve':
      return { ballot: { vote: 'approve', ...shaped(approveBody, { view_hash, ...given('rationale', fields['rationale']) }) }, faults: {} };
    case 'narrow': {
      const { caps, faults } = capsFromForm(fields, request, proposed);
      return { ballot: { vote: 'approve', ...shaped(approveBody, { view_hash, caps, ...given('rationale', fields['rationale']) }) }, faults };
    }
    case 'edit': {
      const { edited, faults } = editedArguments(fields, proposed);
      return { ballot: { vote: 'edit', ...shaped(editBody, { view_hash, arguments: edited, ...given('rationale', fields['rationale']) }) }, faults };
    }
    case 'new-action': {
      const { value = null, fault } = argumentsIn(fields['arguments'] ?? '');
      const ballot = { vote: 'edit' as const, ...shaped(editBody, { view_hash, arguments: value, as_new_action: true, ...given('rationale', fields['rationale']) }) };
      return { ballot, faults: fault === undefined ? {} : { arguments: fault } };
    }
    case 'break-glass':
      return { ballot: { vote: 'break-glass', ...shaped(breakGlassBody, { view_hash, ...given('reason', fields['reason']) }) }, faults: {} };
    case 'reject':
      return { ballot: { vote: 'reject', ...shaped(rejectBody, { view_hash, ...given('reason_code', fields['reason_code']), ...given('reason', fields['reason']), ...given('instruction', fields['instruction']) }) }, faults: {} };
    case 'respond':
      return { ballot: { vote: 'respond', ...shaped(respondBody, { view_hash, ...given('response', fields['response']) }) }, faults: {} };
    default:
      throw new Problem('NOT_FOUND');
  }
};
