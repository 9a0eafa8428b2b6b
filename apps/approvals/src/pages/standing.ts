import type { PersonPrincipal } from '@exequatur/service-kit';
import type { QueueEntry } from '../list-requests/list-requests.js';

export interface Standing {
  readonly mayVote: boolean;
  readonly label: string;
  /** look of the label */
  readonly tone: 'yours' | 'waits' | 'good' | 'bad' | 'ended';
}

type Entry = Pick<QueueEntry, 'status' | 'quorum' | 'agent_owner' | 'current_roles'>;

const ENDED: Readonly<Record<string, Standing>> = {
  granted: { mayVote: false, label: 'Granted', tone: 'good' },
  rejected: { mayVote: false, label: 'Rejected', tone: 'bad' },
  answered: { mayVote: false, label: 'Answered', tone: 'ended' },
  expired: { mayVote: false, label: 'Expired', tone: 'ended' },
  cancelled: { mayVote: false, label: 'Cancelled', tone: 'ended' },
  revoked: { mayVote: false, label: 'Revoked', tone: 'bad' },
};

/** What a request is to this person now, as a page says it. The decider judges again when they vote. */
export const standingOf = ({ status, quorum, agent_owner, current_roles: roles }: Entry, person: PersonPrincipal, distinct = true): Standing => {
  const ended = ENDED[status];
  if (ended !== undefined) return ended;
  if (agent_owner === person.id) return { mayVote: false, label: 'Your own agent', tone: 'waits' };
  if (quorum.approvals.some((approval) => approval.person === person.id && (distinct || approval.stage === quorum.stage))) return { mayVote: false, label: 'You voted', tone: 'waits' };
  if (person.roles.some((role) => roles.includes(role))) return { mayVote: true, label: 'You can decide', tone: 'yours' };
  return { mayVote: false, label: `Waits for ${roles.join(' or ')}`, tone: 'waits' };
};
