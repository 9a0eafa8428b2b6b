import { visibleText, type RequestFacts } from '@exequatur/approvals-domain';
import type { JsonValue } from '@exequatur/kernel';
import type { ShownRequest } from '../show-request/show-request.js';
import { argumentsText, LONGEST_ARGUMENTS } from './arguments-field.js';
import { amountFields, recipientChoices, type FormName, type SentForm } from './decision-form.js';
import { editFields, sentOr } from './edit-fields.js';
import { described, fault, options } from './fields.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { csrfField } from './layout.js';
import type { PageSession } from './sessions.js';
import { INSTRUCTIONS, reasonWords } from './rejection-words.js';

export interface DecisionForms {
  readonly session: PageSession;
  readonly shown: ShownRequest;
  readonly request: RequestFacts;
  readonly proposed: JsonValue | undefined;
  readonly reasonCodes: readonly string[];
  readonly sent?: SentForm | undefined;
}

export const sentTo = (forms: DecisionForms, form: FormName): SentForm | undefined => (forms.sent?.form === form ? forms.sent : undefined);

export interface TextField {
  readonly form: FormName;
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly required?: boolean;
  readonly rows?: number;
  readonly maxLength: number;
}

export const textField = (forms: DecisionForms, { form, name, label, hint, required = false, rows = 2, maxLength }: TextField): Markup => {
  const sent = sentTo(forms, form);
  const id = `${form}-${name}`;
  return html`<div class="field"><label for="${id}">${label}${required ? undefined : html` <span class="optional">(optional)</span>`}</label>
<textarea id="${id}" name="${name}" rows="${rows}" maxlength="${maxLength}"${required ? html` required` : undefined}${described(id, sent?.faults[name], hint !== undefined)}>${sent?.values[name] ?? ''}</textarea>
${hint === undefined ? undefined : html`<p class="hint" id="${id}-hint">${hint}</p>`}${fault(id, sent?.faults[name])}</div>`;
};

const formStart = (forms: DecisionForms, form: FormName): Markup => html`${csrfField(forms.session)}<input type="hidden" name="version" value="${forms.shown.version}"><input type="hidden" name="view_hash" value="${forms.shown.view_hash}">${fault(form, sentTo(forms, form)?.faults[''])}`;

export const buttons = (label: string, look: string): Markup =>
  html`<div class="buttons"><button type="submit" class="${look}">${label}</button><button type="submit" name="then" value="next" class="second">${label}, then the next</button></div>`;

const actionOf = ({ shown }: DecisionForms, form: FormName): string => `/approvals/${shown.approval_id}/${form}`;

const approveForm = (forms: DecisionForms): Markup => html`<form id="approve-form" method="post" action="${actionOf(forms, 'approve')}">${formStart(forms, 'approve')}
${textField(forms, { form: 'approve', name: 'rationale', label: 'Why you approve', maxLength: 4_000 })}
${buttons(forms.shown.narrowed.length === 0 ? 'Approve' : 'Approve as narrowed', 'primary')}</form>`;

export const folded = (forms: DecisionForms, form: FormName, title: string, body: HtmlValue): Markup =>
  html`<details class="choice"${sentTo(forms, form) === undefined ? undefined : html` open`}><summary>${title}</summary><form id="${form}-form" method="post" action="${actionOf(forms, form)}">${formStart(forms, form)}${body}</form></details>`;

const narrowForm = (forms: DecisionForms): HtmlValue => {
  const sent = sentTo(forms, 'narrow');
  const choices = recipientChoices(forms.request, forms.proposed);
  const amounts = amountFields(forms.request).map(({ name, currency, proposed }) => {
    const id = `narrow-${name}`;
    return html`<div class="field"><label for="${id}">At most, in ${currency}</label><input id="${id}" name="${name}" inputmode="decimal" autocomplete="off" maxlength="40" value="${sent?.values[name] ?? ''}"${described(id, sent?.faults[name], true)}><p class="hint" id="${id}-hint">Proposed: ${proposed}. Empty leaves it.</p>${fault(id, sent?.faults[name])}</div>`;
  });
  const recipients =
    choices.length === 0
      ? undefined
      : html`<fieldset${described('narrow-recipients', sent?.faults['recipients'])}><legend>Recipients to keep</legend>${choices.map((recipient, index) => {
          const checked = sent === undefined || sent.values[`recipient_${index}`] !== undefined;
          return html`<label class="check"><input type="checkbox" name="recipient_${index}" value="keep"${checked ? html` checked` : undefined}> <span class="text">${visibleText(recipient, 320).text}</span></label>`;
        })}${fault('narrow-recipients', sent?.faults['recipients'])}</fieldset>`;
  return folded(
    forms,
    'narrow',
    'Approve narrower',
    html`<p class="hint">Exactly the narrowed arguments run; never more than was proposed.</p>${amounts}${recipients}
<div class="field"><label for="narrow-minutes">Valid for at most, in minutes</label><input id="narrow-minutes" name="minutes" inputmode="numeric" autocomplete="off" maxlength="6" value="${sent?.values['minutes'] ?? ''}"${described('narrow-minutes', sent?.faults['minutes'])}>${fault('narrow-minutes', sent?.faults['minutes'])}</div>
${textField(forms, { form: 'narrow', name: 'rationale', label: 'Why you approve', maxLength: 4_000 })}${buttons('Approve narrower', 'primary')}`,
  );
};

const rejectForm = (forms: DecisionForms): Markup => {
  const values = sentTo(forms, 'reject')?.values ?? {};
  return folded(
    forms,
    'reject',
    'Reject',
    html`<div class="field"><label for="reject-code">Reason</label><select id="reject-code" name="reason_code">${options(forms.reasonCodes.map((code) => [code, reasonWords(code)] as const), values['reason_code'] ?? forms.reasonCodes[0] ?? '')}</select></div>
${textField(forms, { form: 'reject', name: 'reason', label: 'In your words', hint: 'The agent is told this.', required: true, rows: 3, maxLength: 4_000 })}
<div class="field"><label for="reject-instruction">What the agent should do now</label><select id="reject-instruction" name="instruction">${options(INSTRUCTIONS, values['instruction'] ?? 'abort')}</select></div>
${buttons('Reject', 'danger')}`,
  );
};

const respondForm = (forms: DecisionForms): Markup =>
  folded(forms, 'respond', 'Answer instead of running it', html`${textField(forms, { form: 'respond', name: 'response', label: 'Your answer', hint: 'Nothing runs. The agent gets these words as the tool’s result.', required: true, rows: 3, maxLength: 20_000 })}${buttons('Send the answer', 'primary')}`);

const editForm = (forms: DecisionForms): HtmlValue => {
  const fields = editFields(forms.proposed);
  if (fields.length === 0) return undefined;
  const sent = sentTo(forms, 'edit');
  const inputs = fields.map((field) => {
    const id = `edit-${field.name}`;
    const value = sentOr(sent?.values, field);
    const input =
      field.kind === 'text' && (field.value.includes('\n') || field.value.length > 60)
        ? html`<textarea id="${id}" name="${field.name}" rows="4" maxlength="8000"${described(id, sent?.faults[field.name])}>\n${value}</textarea>`
        : html`<input id="${id}" name="${field.name}" autocomplete="off" maxlength="8000" value="${value}"${described(id, sent?.faults[field.name])}>`;
    return html`<div class="field"><label for="${id}"><code>${visibleText(field.pointer, 100).text}</code></label>${input}${fault(id, sent?.faults[field.name])}</div>`;
  });
  return folded(
    forms,
    'edit',
    'Change the arguments',
    html`<p class="hint">Never a larger amount, another recipient or another target. Votes for the earlier arguments no longer count; yours is for these.</p>${fault('edit-arguments', sent?.faults['arguments'])}${inputs}
${textField(forms, { form: 'edit', name: 'rationale', label: 'Why you change it', maxLength: 4_000 })}${buttons('Approve as changed', 'primary')}`,
  );
};

/** Arguments beyond what was asked for: policy decides on them, so nothing is approved here. */
const newActionForm = (forms: DecisionForms): HtmlValue => {
  const proposed = forms.proposed === undefined ? undefined : argumentsText(forms.proposed);
  if (proposed === undefined || proposed.length > LONGEST_ARGUMENTS) return undefined;
  const sent = sentTo(forms, 'new-action');
  const text = sent?.values['arguments'] ?? proposed;
  return folded(
    forms,
    'new-action',
    'Propose other arguments',
    html`<p class="hint">Beyond what was asked for. This request ends, and policy decides on your version as an action of its own, which somebody else approves. What stays within this request is recorded here as a change.</p>
<div class="field"><label for="new-action-arguments">Arguments, as JSON</label><textarea id="new-action-arguments" name="arguments" class="code" rows="${Math.min(20, Math.max(6, text.split('\n').length + 1))}" required spellcheck="false"${described('new-action-arguments', sent?.faults['arguments'])}>\n${text}</textarea>${fault('new-action-arguments', sent?.faults['arguments'])}</div>
${textField(forms, { form: 'new-action', name: 'rationale', label: 'Why you propose it', maxLength: 4_000 })}<div class="buttons"><button type="submit">Propose as a new action</button></div>`,
  );
};

/** The forms of a person who may vote now. */
export const voteForms = (forms: DecisionForms): Markup => html`${approveForm(forms)}${narrowForm(forms)}${editForm(forms)}${newActionForm(forms)}${rejectForm(forms)}${respondForm(forms)}`;

/** The form of a person who may take a grant back. */
export const revokeForm = (forms: DecisionForms): Markup =>
  folded(forms, 'revoke', 'Revoke the grant', html`${textField(forms, { form: 'revoke', name: 'reason', label: 'Why it is taken back', hint: 'Nothing more starts under this grant. What already ran is not undone.', required: true, rows: 3, maxLength: 4_000 })}<div class="buttons"><button type="submit" class="danger">Revoke</button></div>`);
