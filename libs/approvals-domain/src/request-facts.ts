import type { ApprovalOpened, ApprovalRequired, DataOf } from '@exequatur/contracts';

/** What policy asked approvals to decide, free of personal data: the data of ApprovalRequired. */
export type RequestFacts = DataOf<typeof ApprovalRequired>;
export type OpenedData = DataOf<typeof ApprovalOpened>;

/** The data of ApprovalOpened, from which `requestOf` gives the request back. */
export const openedData = (request: RequestFacts, view: { readonly view_hash: string; readonly renderer: string }): OpenedData => {
  const { approval_id, action_id, agent_owner, demand, policy_hash, policy_version, rule_id, expires_at, ...terms } = request;
  return {
    approval_id,
    action_id,
    agent: request.facts.agent,
    ...(agent_owner === undefined ? {} : { agent_owner }),
    demand,
    ...view,
    policy_hash,
    policy_version,
    rule_id,
    expires_at,
    terms,
  };
};

/** @throws Error when the event carries no terms: this service has never written one without. */
export const requestOf = (opened: OpenedData): RequestFacts => {
  const { approval_id, action_id, agent_owner, demand, policy_hash, policy_version, rule_id, expires_at, terms } = opened;
  if (terms === undefined) throw new Error(`ApprovalOpened of ${approval_id} carries no terms`);
  return { approval_id, action_id, ...(agent_owner === undefined ? {} : { agent_owner }), demand, policy_hash, policy_version, rule_id, expires_at, ...terms };
};
