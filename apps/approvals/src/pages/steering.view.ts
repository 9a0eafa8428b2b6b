import { BREAK_GLASS_ROLE } from '@exequatur/approvals-domain';
import { folded, sentTo, textField, type DecisionForms } from './decision.view.js';
import { described, fault, options } from './fields.js';
import { html, type HtmlValue, type Markup } from './html.js';

const one = (label: string, look = ''): Markup => html`<div class="buttons"><button type="submit" class="${look}">${label}</button></div>`;

const DEFERRALS: readonly (readonly [string, string])[] = [
  ['15', '15 minutes'],
  ['60', 'an hour'],
  ['240', '4 hours'],
  ['1440', 'a day'],
];

const deferForm = (forms: DecisionForms): Markup => {
  const sent = sentTo(forms, 'defer');
  return folded(
    forms,
    'defer',
    'Put it off',
    html`<div class="field"><label for="defer-minutes">For</label><select id="defer-minutes" name="minutes"${described('defer-minutes', sent?.faults['minutes'], true)}>${options(DEFERRALS, sent?.values['minutes'] ?? '60')}</select><p class="hint" id="defer-minutes-hint">Its deadline stays where it is.</p>${fault('defer-minutes', sent?.faults['minutes'])}</div>
${textField(forms, { form: 'defer', name: 'reason', label: 'Why', maxLength: 4_000 })}${one('Put it off')}`,
  );
};

const askForm = (forms: DecisionForms): Markup =>
  folded(forms, 'ask', 'Ask the agent', html`${textField(forms, { form: 'ask', name: 'question', label: 'Your question', hint: 'The answer will stand in the card, as the agent’s words.', required: true, rows: 3, maxLength: 4_000 })}${one('Ask')}`);

const escalateForm = (forms: DecisionForms): Markup => {
  const sent = sentTo(forms, 'escalate');
  const senior = forms.request.demand.escalate_to;
  const role = senior === undefined || forms.shown.escalated_to.roles.includes(senior) ? undefined : html`<label class="check"><input type="checkbox" name="to_role" value="${senior}"${sent?.values['to_role'] === undefined ? undefined : html` checked`}> Let <strong>${senior}</strong> answer too</label>`;
  return folded(
    forms,
    'escalate',
    'Escalate',
    html`${role}<div class="field"><label for="escalate-to">Ask a person by name${role === undefined ? undefined : html` <span class="optional">(optional)</span>`}</label><input id="escalate-to" name="to_person" autocomplete="off" maxlength="128" value="${sent?.values['to_person'] ?? ''}"${described('escalate-to', sent?.faults['to'], true)}><p class="hint" id="escalate-to-hint">They see the request; their roles say whether they may decide it.</p>${fault('escalate-to', sent?.faults['to'])}</div>
${textField(forms, { form: 'escalate', name: 'reason', label: 'Why', maxLength: 4_000 })}${one('Escalate')}`,
  );
};

const assignForm = (forms: DecisionForms, person: string): Markup => {
  const mine = forms.shown.assigned?.person === person;
  return folded(
    forms,
    'assign',
    mine ? 'Give it back' : 'Take it',
    html`<p class="hint">${mine ? 'Others see again that nobody looks at it.' : 'Others see that you look at it, for 15 minutes. Nobody is locked out.'}</p><input type="hidden" name="minutes" value="${mine ? 0 : 15}">${one(mine ? 'Give it back' : 'Take it')}`,
  );
};

/** What a person who takes part can do besides deciding. */
export const steeringForms = (forms: DecisionForms, person: string): Markup => html`<div class="steering" role="group" aria-labelledby="not-yet"><h3 id="not-yet">Not yet</h3>${askForm(forms)}${assignForm(forms, person)}${deferForm(forms)}${escalateForm(forms)}</div>`;

/** The form of a person with the role, for a request that cannot wait for the others. */
export const breakGlassForm = (forms: DecisionForms, roles: readonly string[]): HtmlValue =>
  roles.includes(BREAK_GLASS_ROLE) &&
  folded(
    forms,
    'break-glass',
    'Break the glass',
    html`<p class="banner warn">You approve alone, outside the quorum: one use, five minutes. It is recorded as an emergency, and somebody else reviews it.</p>
${textField(forms, { form: 'break-glass', name: 'reason', label: 'What the emergency is', required: true, rows: 3, maxLength: 4_000 })}${one('Approve alone', 'danger')}`,
  );

/** The form of a person who may judge an emergency afterwards. */
export const reviewForm = (forms: DecisionForms): Markup =>
  folded(
    forms,
    'review',
    'Review the emergency',
    html`<div class="field"><label for="review-judgement">Breaking the glass was</label><select id="review-judgement" name="judgement">${options([['justified', 'justified'], ['not_justified', 'not justified']], sentTo(forms, 'review')?.values['judgement'] ?? 'justified')}</select></div>
${textField(forms, { form: 'review', name: 'words', label: 'Why', required: true, rows: 3, maxLength: 4_000 })}${one('Record the review', 'primary')}`,
  );
