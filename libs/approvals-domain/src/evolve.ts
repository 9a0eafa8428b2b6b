import { intersectCaps } from '@exequatur/caps';
import { assertNever } from '@exequatur/kernel';
import type { ApprovalEvent, ApprovalState, Vote } from './approval.js';
import { requestOf } from './request-facts.js';

export const initialState = (): ApprovalState => ({ status: 'None' });

export const evolve = (state: ApprovalState, event: ApprovalEvent): ApprovalState => {
  if (event.type === 'ApprovalOpened') {
    const request = requestOf(event.data);
    return {
      status: 'Open',
      request,
      viewHash: event.data.view_hash,
      votes: [],
      stage: 0,
      caps: request.caps ?? {},
      expiresAt: request.expires_at,
      escalation: { roles: [], people: [], overtime: false },
      reminded: false,
      questions: [],
      annotators: [],
      checkpoints: 0,
      ...(event.data.canary === undefined ? {} : { canary: { plantedBy: event.data.canary.planted_by } }),
    };
  }
  if (state.status === 'None') return state;
  switch (event.type) {
    case 'ApprovalVoted':
      // A rejecting or answering vote ends the request with the next event; it counts towards no quorum.
      return event.data.vote === 'approve' ? withVotes({ ...state, caps: intersectCaps(state.caps, event.data.caps ?? {}), ...stillVarying(state.varies, event.data.varies) }, [...state.votes, voteOf(event)]) : state;
    case 'VoteLapsed':
      return withVotes(state, state.votes.filter(({ voteEventId }) => voteEventId !== event.data.vote_event_id));
    case 'ApprovalEdited': {
      const { person, edited, view_hash, max_amount } = event.data;
      const caps = intersectCaps(state.request.caps ?? {}, max_amount === undefined ? {} : { max_amount });
      const { varies: _ofEarlierVotes, ...rest } = state;
      return { ...rest, viewHash: view_hash, votes: [], stage: 0, caps, edit: { person, pointers: edited } };
    }
    case 'ApprovalGranted':
      return { ...state, status: 'Granted', grantExpiresAt: event.data.expires_at, ...decidedBy(event.data.approver_ids.at(-1)) };
    case 'ApprovalRejected':
      return { ...state, status: 'Rejected', ...decidedBy(event.data.person) };
    case 'ApprovalAnswered':
      return { ...state, status: 'Answered', ...decidedBy(event.data.person) };
    case 'ApprovalExpired':
      return { ...state, status: 'Expired' };
    case 'ApprovalCancelled':
      return { ...state, status: 'Cancelled' };
    case 'GrantRevoked':
      return { ...state, status: 'Revoked', ...(event.data.cause === undefined ? decidedBy(event.data.person) : {}) };
    case 'ApprovalDeferred':
      return { ...state, deferred: { person: event.data.person, until: event.data.until } };
    case 'ApprovalAssigned':
      return { ...state, assigned: { person: event.data.person, until: event.data.until } };
    case 'ApprovalReminded':
      return event.data.cause === 'sla' ? { ...state, reminded: true } : withoutDeferral(state);
    case 'ApprovalEscalated':
      return escalated(state, event.data);
    case 'InformationRequested':
      return { ...state, questions: [...state.questions, { id: event.data.question_id, answered: false }] };
    case 'InformationGiven': {
      const questions = state.questions.map((question) => (question.id === event.data.question_id ? { ...question, answered: true } : question));
      return { ...state, questions, viewHash: event.data.view_hash };
    }
    case 'ApprovalAnnotated':
      return { ...state, annotators: [...state.annotators, event.data.by], viewHash: event.data.view_hash };
    case 'GlassBroken':
      return { ...state, emergency: { person: event.data.person, reviewed: false } };
    case 'EmergencyReviewed':
      return state.emergency === undefined ? state : { ...state, emergency: { ...state.emergency, reviewed: true } };
    case 'RevocationTookEffect':
      return { ...state, revocationEffective: true };
    case 'EditProposed':
      return { ...state, ...decidedBy(event.data.person) };
    case 'CanaryAnswered': {
      const { person, noticed } = event.data;
      return { ...state, status: 'Cancelled', ...decidedBy(person), ...(state.canary === undefined ? {} : { canary: { ...state.canary, answered: { person, noticed } } }) };
    }
    case 'CheckpointStored':
      return { ...state, checkpoints: state.checkpoints + 1 };
    default:
      return assertNever(event);
  }
};

const decidedBy = (person: string | undefined): { readonly decidedBy?: string } => (person === undefined ? {} : { decidedBy: person });

type Known = Exclude<ApprovalState, { status: 'None' }>;

const voteOf = ({ id, data }: Extract<ApprovalEvent, { type: 'ApprovalVoted' }>): Vote => ({ person: data.person, role: data.role, stage: data.stage, voteEventId: id, ...(data.on_behalf_of === undefined ? {} : { onBehalfOf: data.on_behalf_of }) });

const withVotes = <S extends Known>(state: S, votes: readonly Vote[]): S => ({ ...state, votes, stage: stageAfter(state.request.demand.stages, votes) });

const withoutDeferral = <S extends Known>(state: S): S => {
  const { deferred: _over, ...rest } = state;
  return rest as S;
};

const escalated = <S extends Known>(state: S, { cause, to_role, to_person, expires_at }: Extract<ApprovalEvent, { type: 'ApprovalEscalated' }>['data']): S => ({
  ...state,
  escalation: {
    roles: to_role === undefined ? state.escalation.roles : [...new Set([...state.escalation.roles, to_role])],
    people: to_person === undefined ? state.escalation.people : [...new Set([...state.escalation.people, to_person])],
    overtime: state.escalation.overtime || cause === 'timeout',
  },
  reminded: state.reminded || cause === 'sla',
  expiresAt: expires_at ?? state.expiresAt,
});

/** The first stage whose quorum is not met; the number of stages when all are. */
export const stageAfter = (stages: readonly { readonly quorum: number }[], votes: readonly Vote[]): number => {
  const open = stages.findIndex(({ quorum }, stage) => votes.filter((vote) => vote.stage === stage).length < quorum);
  return open === -1 ? stages.length : open;
};

/** Roles that may answer the stage now: its own, and the senior role after an escalation. */
export const currentRoles = ({ request, stage, escalation }: Known): readonly string[] => {
  const own = request.demand.stages[stage]?.roles;
  return own === undefined ? [] : [...new Set([...own, ...escalation.roles])];
};

/** Roles that take part at all. */
export const rolesOf = ({ request, escalation }: Known): readonly string[] => [...new Set([...request.demand.stages.flatMap(({ roles }) => roles), ...escalation.roles])];

/** What the votes before and this one both let differ; absent says all. */
export const stillVarying = (before: readonly string[] | undefined, vote: readonly string[] | undefined): { readonly varies?: readonly string[] } => {
  if (before === undefined || vote === undefined) return (before ?? vote) === undefined ? {} : { varies: before ?? vote ?? [] };
  return { varies: before.filter((pointer) => vote.includes(pointer)) };
};
