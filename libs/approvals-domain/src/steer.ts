import { assertNever, fromInstant, isRefusal, toInstant } from '@exequatur/kernel';
import type { ApprovalState, OpenState, SteeringCommand, Voter } from './approval.js';
import { rolesOf } from './evolve.js';
import { newView } from './new-view.js';
import { asksForIt, ids, isRequester, notAPerson, openRequest, refused } from './refusing.js';
import type { Decision, Refused } from './refusing.js';

/** Bounds of what people and agents may add to one request. */
export const STEERING_LIMITS = { questions: 10, annotations: 20, annotationsEach: 5, assignmentMs: 3_600_000 } as const;

/** Moves an open request along without deciding it. Nothing here makes anybody eligible that policy has not named. */
export const steer = (command: SteeringCommand, state: ApprovalState): Decision => {
  if (state.status === 'None') return refused('NOT_FOUND');
  const { now } = command.metadata;
  const { voter } = command.data;
  const remark = command.type === 'Annotate' || command.type === 'GiveInformation';
  const noPerson = remark ? undefined : notAPerson(voter);
  if (noPerson !== undefined) return noPerson;
  const found = openRequest(state, now);
  if (isRefusal(found)) return found as Refused;
  const open = found as OpenState;
  if (!remark) {
    const stranger = mayNotSteer(voter, open);
    if (stranger !== undefined) return stranger;
  }
  switch (command.type) {
    case 'Defer':
      return defer(command, open);
    case 'Assign':
      return assign(command, open);
    case 'Escalate':
      return escalate(command, open);
    case 'RequestInformation':
      return requestInformation(command, open);
    case 'GiveInformation':
      return giveInformation(command, open);
    case 'Annotate':
      return annotate(command, open);
    default:
      return assertNever(command);
  }
};

const mayNotSteer = (voter: Voter, open: OpenState): Refused | undefined => {
  if (asksForIt(voter, open)) return refused('SELF_APPROVAL');
  const roles = rolesOf(open);
  const held = [...voter.roles, ...(voter.lent ?? []).map(({ role }) => role)];
  return held.some((role) => roles.includes(role)) ? undefined : refused('NOT_ELIGIBLE', `needs one of: ${roles.join(', ')}`);
};

type CommandOf<T extends SteeringCommand['type']> = Extract<SteeringCommand, { type: T }>;

const defer = ({ data, metadata }: CommandOf<'Defer'>, open: OpenState): Decision => {
  const until = fromInstant(data.until);
  if (until <= metadata.now || until >= fromInstant(open.expiresAt)) return refused('CONFLICT', 'put it off to a time between now and its deadline', '/until');
  const sealed = data.reason === undefined || data.reason.trim() === '' ? {} : { sealed: { reason: data.reason } };
  return [{ type: 'ApprovalDeferred', data: { ...ids(open), person: data.voter.id, until: data.until }, ...sealed }];
};

const assign = ({ data, metadata }: CommandOf<'Assign'>, open: OpenState): Decision => {
  const until = fromInstant(data.until);
  const mine = open.assigned?.person === data.voter.id && fromInstant(open.assigned.until) > metadata.now;
  if (until <= metadata.now && !mine) return refused('CONFLICT', 'it is not assigned to you', '/minutes');
  if (until - metadata.now > STEERING_LIMITS.assignmentMs) return refused('CONFLICT', 'an hour at most', '/minutes');
  return [{ type: 'ApprovalAssigned', data: { ...ids(open), person: data.voter.id, until: data.until } }];
};

const escalate = ({ data }: CommandOf<'Escalate'>, open: OpenState): Decision => {
  const { toRole, toPerson, reason } = data;
  if (toRole === undefined && toPerson === undefined) return refused('REASON_REQUIRED', 'name a role or a person', '/to_role');
  if (toRole !== undefined && toRole !== open.request.demand.escalate_to) {
    return refused('WIDENS_AUTHORITY', open.request.demand.escalate_to === undefined ? 'policy names no role to escalate to' : `policy escalates this to ${open.request.demand.escalate_to} only`, '/to_role');
  }
  if (toPerson !== undefined && isRequester(toPerson, open)) return refused('SELF_APPROVAL', 'the requester cannot decide it', '/to_person');
  const knownRole = toRole === undefined || open.escalation.roles.includes(toRole);
  const knownPerson = toPerson === undefined || open.escalation.people.includes(toPerson);
  if (knownRole && knownPerson) return refused('CONFLICT', 'it is escalated there already');
  const to = { ...(toRole === undefined ? {} : { to_role: toRole }), ...(toPerson === undefined ? {} : { to_person: toPerson }) };
  return [{ type: 'ApprovalEscalated', data: { ...ids(open), cause: 'person', person: data.voter.id, ...to }, ...(reason === undefined || reason.trim() === '' ? {} : { sealed: { reason } }) }];
};

const requestInformation = ({ data }: CommandOf<'RequestInformation'>, open: OpenState): Decision => {
  if (data.question.trim() === '') return refused('REASON_REQUIRED', 'ask something', '/question');
  if (open.questions.length >= STEERING_LIMITS.questions) return refused('CONFLICT', `${STEERING_LIMITS.questions} questions were asked already`);
  return [{ type: 'InformationRequested', data: { ...ids(open), person: data.voter.id, question_id: data.questionId }, sealed: { question: data.question } }];
};

const giveInformation = ({ data }: CommandOf<'GiveInformation'>, open: OpenState): Decision => {
  const { voter, questionId, answer, content } = data;
  if (!asksForIt(voter, open) || (voter.type !== 'agent' && voter.type !== 'person')) return refused('NOT_ELIGIBLE', 'the agent of the action or its owner answers');
  const question = open.questions.find(({ id }) => id === questionId);
  if (question === undefined) return refused('NOT_FOUND', 'no such question', '/question_id');
  if (question.answered) return refused('CONFLICT', 'it is answered already', '/question_id');
  if (answer.trim() === '') return refused('REASON_REQUIRED', 'say something', '/answer');
  const exchanges = content.context.exchanges.map((exchange) => (exchange.question_id === questionId ? { ...exchange, answered_by: voter.id, answer } : exchange));
  const view = newView(open.request, content, { ...content.context, exchanges });
  return [{ type: 'InformationGiven', data: { ...ids(open), by: voter.id, by_type: voter.type, question_id: questionId, ...view.data }, sealed: { answer, ...view.sealed } }];
};

const annotate = ({ data }: CommandOf<'Annotate'>, open: OpenState): Decision => {
  const { voter, source, score, text, content } = data;
  if (voter.type !== 'agent' && voter.type !== 'person') return refused('NOT_ELIGIBLE', 'people and agents remark');
  if (text.trim() === '') return refused('REASON_REQUIRED', 'say something', '/text');
  if (open.annotators.length >= STEERING_LIMITS.annotations || open.annotators.filter((by) => by === voter.id).length >= STEERING_LIMITS.annotationsEach) return refused('CONFLICT', 'there are enough remarks on this request');
  const scored = score === undefined ? {} : { score };
  const annotations = [...content.context.annotations, { by: voter.id, by_type: voter.type, source, ...scored, text }];
  const view = newView(open.request, content, { ...content.context, annotations });
  return [{ type: 'ApprovalAnnotated', data: { ...ids(open), by: voter.id, by_type: voter.type, source, ...scored, ...view.data }, sealed: { text, ...view.sealed } }];
};

/** When the SLA counts as running out: policy's own time after the request was made. Undefined without one. */
export const slaDue = ({ request }: { readonly request: OpenState['request'] }): number | undefined => {
  const { sla_ms, ttl_ms } = request.demand;
  return sla_ms === undefined ? undefined : fromInstant(request.expires_at) - ttl_ms + Math.floor(sla_ms * SLA_WARNING);
};

/** Before the SLA is over, so that there is time left to keep it. */
const SLA_WARNING = 0.8;

/** What is due now besides the deadline. */
export const remind = (state: ApprovalState, now: number): Decision => {
  if (state.status !== 'Open' || fromInstant(state.expiresAt) <= now) return [];
  const due = slaDue(state);
  const { escalate_to } = state.request.demand;
  const late = due !== undefined && !state.reminded && due <= now;
  const called = late && (escalate_to !== undefined ? [{ type: 'ApprovalEscalated', data: { ...ids(state), cause: 'sla', to_role: escalate_to } } as const] : [{ type: 'ApprovalReminded', data: { ...ids(state), cause: 'sla' } } as const]);
  const deferralOver = state.deferred !== undefined && fromInstant(state.deferred.until) <= now;
  return [...(called === false ? [] : called), ...(deferralOver ? [{ type: 'ApprovalReminded', data: { ...ids(state), cause: 'deferred' } } as const] : [])];
};

/** The deadline. A second term where policy escalates silence, once; then, and everywhere else, the end. */
export const expire = (state: ApprovalState, now: number): Decision => {
  if (state.status !== 'Open' || now < fromInstant(state.expiresAt)) return [];
  const { on_timeout, escalate_to, escalation_ms, ttl_ms } = state.request.demand;
  if (on_timeout === 'escalate' && escalate_to !== undefined && !state.escalation.overtime) {
    return [{ type: 'ApprovalEscalated', data: { ...ids(state), cause: 'timeout', to_role: escalate_to, expires_at: toInstant(now + (escalation_ms ?? ttl_ms)) } }];
  }
  return [{ type: 'ApprovalExpired', data: { ...ids(state), on_timeout, expires_at: state.expiresAt } }];
};
