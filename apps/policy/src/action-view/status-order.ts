import type { ActionViewStatus } from './action-view.js';

/**
 * How far along an action is. Events of different services arrive in any order; a status never goes back, so that any order
 * ends in the same view.
 */
const ORDER: Readonly<Record<ActionViewStatus, number>> = {
  proposed: 0,
  awaiting_approval: 1,
  allowed: 2,
  denied: 2,
  quarantined: 2,
  granted: 3,
  rejected: 3,
  answered: 3,
  expired: 3,
  cancelled: 4,
  withdrawn: 5,
  reserved: 6,
  executing: 7,
  unknown: 8,
  released: 9,
  failed: 10,
  executed: 11,
};

export const moved = (from: ActionViewStatus, to: ActionViewStatus): ActionViewStatus => (ORDER[to] > ORDER[from] ? to : from);

/** Nothing more happens by itself. */
export const isFinal = (status: ActionViewStatus): boolean => ['denied', 'quarantined', 'rejected', 'answered', 'expired', 'cancelled', 'withdrawn', 'released', 'failed', 'executed'].includes(status);

/** Authority was taken up: the action can no longer be taken back as a whole. */
export const isTakenUp = (status: ActionViewStatus): boolean => ORDER[status] >= ORDER.reserved;
