import { isRefusal } from '@exequatur/kernel';
import type { ApprovalCommand, ApprovalEvent, ApprovalState } from './approval.js';
import { ids } from './refusing.js';
import type { Decision } from './refusing.js';

type Answered = Extract<ApprovalEvent, { type: 'CanaryAnswered' }>['data']['vote'];
type Deciding = Extract<ApprovalCommand, { type: 'Vote' | 'Edit' | 'BreakGlass' }>;

const isDeciding = (command: ApprovalCommand): command is Deciding => command.type === 'Vote' || command.type === 'Edit' || command.type === 'BreakGlass';
const NOTICING: readonly Answered[] = ['reject', 'respond'];

/**
 * A planted request is refused and answered like any other, so that nobody can tell it by trying. What a decision on it would
 * have led to is dropped here, the one way out of the decider: the first decision of a person ends it, and no vote and no grant
 * ever leaves.
 */
export const answerCanary = (command: ApprovalCommand, state: ApprovalState, decided: Decision): Decision => {
  if (state.status === 'None' || state.canary === undefined || !isDeciding(command) || isRefusal(decided)) return decided;
  const { voter, dwellMs } = command.data;
  const vote: Answered = command.type === 'Vote' ? command.data.vote : command.type === 'Edit' ? 'edit' : 'break-glass';
  return [{ type: 'CanaryAnswered', data: { ...ids(state), person: voter.id, vote, noticed: NOTICING.includes(vote), view_hash: state.viewHash, ...(dwellMs === undefined ? {} : { dwell_ms: dwellMs }) } }];
};
