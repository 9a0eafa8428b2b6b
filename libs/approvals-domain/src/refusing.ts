import { refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import type { ApprovalEvent, ApprovalRefusalCode, ApprovalState, OpenState, Voter } from './approval.js';
import { isPast } from './grant-claims.js';

export type Refused = Refusal<ApprovalRefusalCode>;
export type Decision = readonly ApprovalEvent[] | Refused;
export type Known = Exclude<ApprovalState, { status: 'None' }>;

export const refused = (code: ApprovalRefusalCode, detail?: string, pointer?: string): Refused => refuse(code, detail, pointer);

export const ids = ({ request }: Known): { approval_id: string; action_id: string } => ({ approval_id: request.approval_id, action_id: request.action_id });

/** For whoever came too late: how it ended, and by whom. */
export const howDecided = ({ status, decidedBy }: Known): string => `the request is ${status.toLowerCase()}${decidedBy === undefined ? '' : ` by ${decidedBy}`}`;

/** The request, while people can still decide it; else why not, with who decided where somebody did. */
export const openRequest = (state: ApprovalState, now: number): OpenState | Refused => {
  if (state.status === 'None') return refused('NOT_FOUND');
  if (state.status === 'Expired') return refused('APPROVAL_EXPIRED');
  if (state.status !== 'Open') return refused('ALREADY_DECIDED', howDecided(state));
  return isPast(state.expiresAt, now) ? refused('APPROVAL_EXPIRED') : state;
};

/** Who asked for it: the agent, the person of record behind it, and whoever wrote the arguments in the agent's place or planted the request. */
export const isRequester = (id: string, { request, canary }: Known): boolean => id === request.agent_owner || id === request.facts.agent || id === request.edited_by || id === canary?.plantedBy;

/** The same of somebody whose accounts the directory knows: whom the agent acts for asks through it. */
export const asksForIt = ({ id, actedFor }: Pick<Voter, 'id' | 'actedFor'>, state: Known): boolean => actedFor === true || isRequester(id, state);

export const notAPerson = (voter: Voter): Refused | undefined => (voter.type === 'person' ? undefined : refused('NOT_A_PERSON', 'an agent or a service can never decide'));
