import { isRefusal } from '@exequatur/kernel';
import type { ApprovalCommand, ApprovalState, BreakGlassCommand, OpenState, Vote } from './approval.js';
import { accept } from './approve.js';
import { viewChanged } from './eligible-vote.js';
import { rolesOf } from './evolve.js';
import { asksForIt, ids, notAPerson, openRequest, refused } from './refusing.js';
import type { Decision, Refused } from './refusing.js';

/** Whoever holds it may approve alone in an emergency. Nobody holds it unless the directory says so. */
export const BREAK_GLASS_ROLE = 'break-glass';
/** An emergency grant is short and used once, whatever policy would allow. */
export const EMERGENCY_LIFETIME_MS = 5 * 60 * 1_000;

/** Roles that may review an emergency besides those that would have decided. */
const REVIEWING_ROLES: readonly string[] = ['auditor', 'admin'];

/** A grant outside the quorum: by one person with the role, never the requester, within the proposal, one use, minutes. */
export const breakGlass = ({ data, metadata }: BreakGlassCommand, state: ApprovalState): Decision => {
  if (state.status === 'None') return refused('NOT_FOUND');
  const noPerson = notAPerson(data.voter);
  if (noPerson !== undefined) return noPerson;
  const found = openRequest(state, metadata.now);
  if (isRefusal(found)) return found as Refused;
  const open = found as OpenState;
  if (asksForIt(data.voter, open)) return refused('SELF_APPROVAL');
  if (!data.voter.roles.includes(BREAK_GLASS_ROLE)) return refused('NOT_ELIGIBLE', `needs the role ${BREAK_GLASS_ROLE}`);
  if (data.reason.trim() === '') return refused('REASON_REQUIRED', 'say what the emergency is', '/reason');
  const changed = viewChanged(data.viewHash, open);
  if (changed !== undefined) return changed;
  const vote: Vote = { person: data.voter.id, role: BREAK_GLASS_ROLE, stage: open.stage, voteEventId: metadata.voteEventId };
  const accepted = accept({ content: data.content, rationale: data.reason, ...(data.caps === undefined ? {} : { caps: data.caps }), ...(data.dwellMs === undefined ? {} : { dwellMs: data.dwellMs }) }, metadata.now, open, vote);
  if (isRefusal(accepted)) return accepted as Refused;
  const { voted, grant } = accepted as Exclude<typeof accepted, Refused>;
  const granted = grant([...open.votes, vote], { max_uses: 1, expires_in_ms: EMERGENCY_LIFETIME_MS });
  return [
    voted,
    { type: 'GlassBroken', data: { ...ids(open), person: data.voter.id, role: BREAK_GLASS_ROLE, votes_missing: votesMissing(open), view_hash: open.viewHash, expires_at: granted.data.expires_at }, sealed: { reason: data.reason } },
    { ...granted, data: { ...granted.data, emergency: true } },
  ];
};

const votesMissing = ({ request, votes }: OpenState): number => request.demand.stages.reduce((sum, { quorum }, stage) => sum + Math.max(0, quorum - votes.filter((vote) => vote.stage === stage).length), 0);

/** Somebody else's judgement afterwards: of those who would have decided, or an auditor. */
export const review = ({ data }: Extract<ApprovalCommand, { type: 'Review' }>, state: ApprovalState): Decision => {
  if (state.status === 'None') return refused('NOT_FOUND');
  const noPerson = notAPerson(data.voter);
  if (noPerson !== undefined) return noPerson;
  if (state.emergency === undefined) return refused('CONFLICT', 'nobody broke the glass here');
  if (state.emergency.reviewed) return refused('ALREADY_DECIDED', 'it is reviewed already');
  if (data.voter.id === state.emergency.person || asksForIt(data.voter, state)) return refused('SELF_APPROVAL', 'somebody else reviews it');
  const roles = [...REVIEWING_ROLES, ...rolesOf(state)];
  if (!data.voter.roles.some((role) => roles.includes(role))) return refused('NOT_ELIGIBLE', `needs one of: ${roles.join(', ')}`);
  if (data.words.trim() === '') return refused('REASON_REQUIRED', 'say why', '/words');
  return [{ type: 'EmergencyReviewed', data: { ...ids(state), person: data.voter.id, judgement: data.judgement }, sealed: { words: data.words } }];
};
