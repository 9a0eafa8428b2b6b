import type { Code, Grant } from '@exequatur/contracts';
import { isRefusal, refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { judgeBoundedUse } from './bounded-arguments.js';
import { chainReaches, chainStands } from './judge-delegation.js';
import type { ReserveFindings } from './reserve-findings.js';
import type { ReserveQuestion } from './reserve-question.js';

export type Check = (question: ReserveQuestion, findings: ReserveFindings) => Refusal<Code> | undefined;
/** A check that needs the grant; the first check makes sure there is one. */
export type GrantCheck = (question: ReserveQuestion, grant: Grant, findings: ReserveFindings) => Refusal<Code> | undefined;

export const unless = (holds: boolean, code: Code): Refusal<Code> | undefined => (holds ? undefined : refuse(code));
export const withGrant = (check: GrantCheck): Check => (question, findings) => (findings.grant === undefined ? refuse('GRANT_UNKNOWN') : check(question, findings.grant, findings));

const grantKnown: Check = ({ grant }, findings) => {
  findings.grant = grant?.claims;
  // A tombstone without a grant is the more telling answer, and comes next.
  return unless(grant?.claims !== undefined || grant?.closed !== undefined, 'GRANT_UNKNOWN');
};
const grantOpen: Check = ({ grant }) => unless(grant?.closed === undefined, 'GRANT_REVOKED');
const sameTenant = withGrant(({ caller }, grant) => unless(grant.tenant === caller.tenant, 'TENANT_MISMATCH'));
const sameScope = withGrant(({ request }, grant) => unless(request.scope_path === grant.scope_path, 'SCOPE_MISMATCH'));

/** An agent asks for itself; the executor names the agent. A child agent asks under the delegation that leads to it. */
const sameAgent = withGrant(({ caller, request, delegations, nowMs }, grant, findings) => {
  const asked = caller.type === 'agent' ? (request.agent ?? caller.agent) : request.agent;
  if (caller.type === 'agent' && caller.agent !== asked) return refuse('AGENT_MISMATCH');
  findings.agent = asked;
  if (request.delegation_id === undefined) return unless(asked === grant.agent_identity, 'AGENT_MISMATCH');
  const refusal = chainStands(delegations ?? [], asked, grant, request, nowMs);
  if (refusal === undefined) findings.delegations = delegations;
  else findings.refusedBy = request.delegation_id;
  return refusal;
});
const sameRun = withGrant(({ request }, grant) => unless(request.run_id === grant.run_id && request.thread_id === grant.thread_id, 'RUN_MISMATCH'));
const sameKind = withGrant(({ request }, grant) => unless(request.action_kind === grant.action_kind, 'KIND_MISMATCH'));
/** A managed grant is reserved by the executor only, a self grant by the agent only. */
const sameMode = withGrant(({ caller, request }, grant) =>
  unless(request.execution_mode === grant.execution_mode && (caller.type === 'executor') === (grant.execution_mode === 'managed'), 'MODE_MISMATCH'),
);
const sameTool = withGrant(({ request }, grant) => unless(request.tool.name === grant.tool.name && request.tool.version === grant.tool.version, 'TOOL_MISMATCH'));
const sameTarget = withGrant(({ request }, grant) => unless(request.target_hash === grant.target_hash, 'TARGET_MISMATCH'));
/** Exact: what runs is what was granted, byte for byte. Bounded: the fixed part is, and each bounded value lies inside. */
const sameArguments = withGrant(({ request }, grant, findings) => {
  if (grant.binding === 'exact') return unless(request.arguments_hash === grant.granted_arguments_hash, 'ARGUMENTS_MISMATCH');
  const use = judgeBoundedUse(grant, request);
  if (isRefusal(use)) return use as Refusal<Code>;
  findings.boundedUse = use;
  return undefined;
});
const handedOn = withGrant((_, grant, { delegations }) => (delegations === undefined ? undefined : chainReaches(delegations, grant)));

/** Who, what and where: a caller learns nothing of a grant that is not its own. */
export const BINDING_CHECKS: Readonly<Record<string, Check>> = { grantKnown, grantOpen, sameTenant, sameScope, sameAgent, sameRun, sameKind, sameMode, sameTool, sameTarget, sameArguments, handedOn };
