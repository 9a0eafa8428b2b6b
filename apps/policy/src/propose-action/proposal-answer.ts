import { capsShape, CODES, count, hash, instant, jws, object, oneOf, optional, record, STOP_REASONS, text, uuid, VERDICTS } from '@exequatur/contracts';
import type { Code, Shape } from '@exequatur/contracts';
import { stopOf } from '@exequatur/policy-domain';
import type { ActionView } from '../action-view/action-view.js';
import { linksOf } from '../action-view/links.js';
import type { DecidedProposal } from './decide-proposal.js';

export const proposedAnswer = object({
  action_id: uuid(),
  status: oneOf('allowed', 'awaiting_approval', 'quarantined', 'denied'),
  verdict: oneOf(...VERDICTS),
  tier: optional(oneOf('AUTO', 'LOG')),
  code: optional(oneOf(...(Object.keys(CODES) as Code[]))),
  stop_reason: optional(oneOf(...STOP_REASONS)),
  rule_id: text(200),
  reason: text(1_000),
  instruction: optional(text()),
  policy_hash: hash(),
  policy_version: count(),
  caps: optional(capsShape),
  /** base64url; with it the proposer can recompute every salted hash of this action */
  salt: text(32),
  arguments_hash: hash(),
  target_hash: optional(hash()),
  action_hash: hash(),
  grant_id: optional(uuid()),
  grant: optional(jws()),
  approval_id: optional(uuid()),
  expires_at: optional(instant()),
  links: record(text()),
});

/** Every verdict is a 201; the view is the action's, folded from the events just decided. */
export const answerOf = ({ sealed }: DecidedProposal, view: ActionView, publicUrl: string): Shape<typeof proposedAnswer> => ({
  action_id: view.action_id,
  status: view.status as 'allowed',
  verdict: view.verdict,
  ...pick(view, 'tier'),
  ...pick(view, 'code'),
  ...(stopOf(view.verdict, view.code) ?? {}),
  rule_id: view.rule_id,
  reason: view.reason,
  policy_hash: view.policy_hash,
  policy_version: view.policy_version,
  ...pick(view, 'caps'),
  salt: sealed.salt,
  arguments_hash: view.arguments_hash,
  ...pick(view, 'target_hash'),
  action_hash: view.action_hash,
  ...pick(view, 'grant_id'),
  ...pick(view, 'grant'),
  ...pick(view, 'approval_id'),
  ...pick(view, 'expires_at'),
  links: linksOf(publicUrl, view),
});

const pick = <T, K extends keyof T>(from: T, key: K): { [P in K]?: Exclude<T[P], undefined> } => (from[key] === undefined ? {} : ({ [key]: from[key] } as { [P in K]?: Exclude<T[P], undefined> }));
