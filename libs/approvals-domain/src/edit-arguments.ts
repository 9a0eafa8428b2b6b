import { capsContain } from '@exequatur/caps';
import { canonicalText, formatAmount, isRefusal, parseStrict, readPointer, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { readAmountArgument, unitOfExtractor } from './amount-argument.js';
import { argumentChanges, leavesOf } from './argument-changes.js';
import type { ArgumentChange } from './argument-changes.js';
import type { ApprovalState, EditCommand, OpenState } from './approval.js';
import { approve } from './approve.js';
import { ballotOf, eligibleVote } from './eligible-vote.js';
import { evolve } from './evolve.js';
import { newView } from './new-view.js';
import { proposedCeiling } from './narrowing.js';
import { ids, refused } from './refusing.js';
import type { Decision, Refused } from './refusing.js';
import type { RequestFacts } from './request-facts.js';

const LONGEST_SHOWN = 2_000;
const MOST_CHANGES = 50;
const POINTER_LIMIT = 200;

/**
 * A person's own version of the arguments. It must lie within what policy judged: no larger amount, no new recipient, the
 * same target; so policy, asked again, could only have seen the same facts or smaller ones. Whatever lies outside, or cannot
 * be compared, is WIDENS_AUTHORITY, or goes to policy as an action of its own, where the editor asks for that. Votes for the earlier arguments are void; the editor's
 * vote stands for the edited ones where the editor may answer the first stage.
 */
export const edit = ({ data, metadata }: EditCommand, state: ApprovalState): Decision => {
  const ballot = ballotOf(state, data.voter, data.viewHash, metadata);
  if (isRefusal(ballot)) return ballot as Refused;
  const { open } = ballot as Exclude<typeof ballot, Refused>;
  const { content, rationale, dwellMs } = data;
  const proposed = parseStrict(content.proposal.arguments);
  const edited = parseStrict(data.arguments);
  const { changes } = argumentChanges(content.editedArguments === undefined ? proposed : parseStrict(content.editedArguments), edited);
  if (changes.length === 0) return refused('CONFLICT', 'nothing is changed: approve, or change a value', '/arguments');
  const text = canonicalText(edited);
  const fromProposed = argumentChanges(proposed, edited).changes;
  const outside = checkEdit(open.request, proposed, edited, content.proposal.target);
  if (outside !== undefined) return data.asNewAction === true ? proposeEdit(data, open, text, fromProposed) : outside;
  const view = newView(open.request, { ...content, editedArguments: text }, { ...content.context, edit: { by: data.voter.id, changes: fromProposed.slice(0, MOST_CHANGES).map(shownChange) } });
  const maxAmount = smallerAmounts(open.request, edited);
  const event = {
    type: 'ApprovalEdited',
    data: {
      ...ids(open),
      person: data.voter.id,
      ...view.data,
      edited: placesIn(fromProposed),
      edited_arguments_hash: saltedHash(content.salt, Buffer.from(text, 'utf8')),
      ...(Object.keys(maxAmount).length === 0 ? {} : { max_amount: maxAmount }),
    },
    sealed: { arguments: text, ...view.sealed, ...(rationale === undefined ? {} : { rationale }) },
  } as const;
  const after = evolve(open, event) as OpenState;
  const vote = eligibleVote(data.voter, after, metadata.voteEventId);
  if (isRefusal(vote)) return [event];
  const approved = approve({ content: { ...content, editedArguments: text, acceptedArguments: text }, ...(rationale === undefined ? {} : { rationale }), ...(dwellMs === undefined ? {} : { dwellMs }) }, metadata.now, after, vote as Exclude<typeof vote, Refused>);
  return isRefusal(approved) ? (approved as Refused) : [event, ...(approved as Exclude<typeof approved, Refused>)];
};

/**
 * Beyond what was judged, policy has to judge: as an action of its own that follows this one, for which its editor counts as a
 * requester. This request ends with it, so that nobody approves what is no longer wanted.
 */
const proposeEdit = ({ voter, content, rationale }: EditCommand['data'], open: OpenState, text: string, changes: readonly ArgumentChange[]): Decision => [
  {
    type: 'EditProposed',
    data: { ...ids(open), person: voter.id, view_hash: open.viewHash, edited: placesIn(changes), edited_arguments_hash: saltedHash(content.salt, Buffer.from(text, 'utf8')) },
    sealed: { arguments: text, ...(rationale === undefined ? {} : { rationale }) },
  },
  { type: 'ApprovalCancelled', data: { ...ids(open), reason: 'edited' } },
];

const placesIn = (changes: readonly ArgumentChange[]): string[] => [...new Set(changes.map(({ pointer }) => topLevel(pointer)))].slice(0, MOST_CHANGES);

/** In the open stands the name of a tool's parameter only: a deeper key may be somebody's name or address. */
const topLevel = (pointer: string): string => (/^\/[^/]*/.exec(pointer)?.[0] ?? '').slice(0, POINTER_LIMIT);

const shownChange = ({ pointer, before, now }: ArgumentChange): { pointer: string; before: string; now: string } => ({ pointer, before: (before ?? '').slice(0, LONGEST_SHOWN), now: (now ?? '').slice(0, LONGEST_SHOWN) });

const widens = (detail: string, pointer: string): Refused => refused('WIDENS_AUTHORITY', detail, `/arguments${pointer}`);

/** WIDENS_AUTHORITY unless every fact that policy took from the arguments is the same or smaller in the edited ones. */
export const checkEdit = (request: RequestFacts, proposed: JsonValue, edited: JsonValue, target: string | undefined): Refused | undefined =>
  checkAmounts(request, proposed, edited) ?? checkRecipients(request, proposed, edited) ?? checkTarget(request, proposed, edited, target);

const checkAmounts = ({ narrowable, facts }: RequestFacts, proposed: JsonValue, edited: JsonValue): Refused | undefined => {
  const declared = Object.entries(narrowable.amounts ?? {});
  for (const [currency, pointer] of declared) {
    const before = readPointer(proposed, pointer);
    const now = readPointer(edited, pointer);
    if (JSON.stringify(before) === JSON.stringify(now)) continue;
    const [was, is] = [readAmountArgument(before, currency), readAmountArgument(now, currency)];
    if (was === undefined || is === undefined || was.written !== is.written) return widens('this amount cannot be compared with the proposed one', pointer);
    if (is.amount > was.amount) return widens('this is more than was proposed', pointer);
  }
  const unknown = facts.amounts.find(({ unit }) => !declared.some(([currency]) => unitOfExtractor(currency) === unit));
  return unknown === undefined ? undefined : widens(`no argument is declared to carry ${unknown.unit}, so an edit cannot be compared`, '');
};

const checkRecipients = (request: RequestFacts, proposed: JsonValue, edited: JsonValue): Refused | undefined => {
  const pointer = request.narrowable.recipients;
  if (pointer === undefined) return undefined;
  const now = readPointer(edited, pointer);
  if (JSON.stringify(readPointer(proposed, pointer)) === JSON.stringify(now)) return undefined;
  const allowed = proposedCeiling(request, proposed).allowed_recipients;
  const named = typeof now === 'string' ? [now] : now;
  if (allowed === undefined || !Array.isArray(named) || named.length === 0 || !named.every((each): each is string => typeof each === 'string')) return widens('these recipients cannot be compared with the proposed ones', pointer);
  return capsContain({ allowed_recipients: allowed }, { allowed_recipients: named }) ? undefined : widens('a recipient is not among the proposed', pointer);
};

/** Where the target stands in the arguments is the tool table's to say, so every place that holds it stays as it is. */
const checkTarget = ({ target_hash, narrowable }: RequestFacts, proposed: JsonValue, edited: JsonValue, target: string | undefined): Refused | undefined => {
  if (target === undefined) return target_hash === undefined ? undefined : widens('the target is not known here, so an edit cannot be compared', '');
  const holders = leavesOf(proposed).filter(({ value }) => value !== null && typeof value !== 'object' && String(value) === target);
  if (holders.length === 0) return target_hash === undefined && narrowable.recipients === undefined ? undefined : widens('the target stands nowhere in the arguments, so an edit cannot be compared', '');
  const moved = holders.find(({ pointer, value }) => JSON.stringify(readPointer(edited, pointer)) !== JSON.stringify(value));
  return moved === undefined ? undefined : widens('this changes what the action is about', moved.pointer);
};

/** Amounts of the edited arguments that are below those that policy judged, by unit. */
const smallerAmounts = ({ narrowable, facts }: RequestFacts, edited: JsonValue): Record<string, string> => {
  const smaller: Record<string, string> = {};
  for (const [currency, pointer] of Object.entries(narrowable.amounts ?? {})) {
    const amount = readAmountArgument(readPointer(edited, pointer), currency);
    const proposed = facts.amounts.find(({ unit }) => unit === unitOfExtractor(currency));
    if (amount !== undefined && proposed !== undefined && amount.amount < BigInt(proposed.amount)) smaller[amount.unit] = formatAmount(amount.amount);
  }
  return smaller;
};
