import { normalCaps, widerPart } from '@exequatur/caps';
import type { Caps, Code, DataOf, DelegatedAuthority, DelegationGranted, DelegationRevoked, Grant, UnitAmount } from '@exequatur/contracts';
import { MAX_DELEGATION_DEPTH } from '@exequatur/contracts';
import { assertNever, formatAmount, fromInstant, parseAmount, refuse } from '@exequatur/kernel';
import type { Amounts, Refusal } from '@exequatur/kernel';

export type DelegationParent = DataOf<typeof DelegationGranted>['parent'];

/** What has been claimed under a delegation, by its child and everyone below: released claims stay counted, like uses of a grant. */
export interface AuthorityUse {
  readonly uses: number;
  /** by unit, RISK_POINTS included */
  readonly amounts: Amounts;
}
export const NOTHING_USED: AuthorityUse = { uses: 0, amounts: {} };

export interface Delegation {
  readonly delegationId: string;
  readonly parent: DelegationParent;
  readonly fromAgent: string;
  readonly toAgent: string;
  readonly runId: string;
  /** 1 for a delegation of a grant or run */
  readonly depth: number;
  readonly authority: DelegatedAuthority;
  readonly revoked: boolean;
  /** a row of state, not of events: claims say which delegations they are charged to */
  readonly used: AuthorityUse;
}

export type DelegationState = { readonly status: 'None' } | ({ readonly status: 'Granted' | 'Revoked' } & Omit<Delegation, 'used' | 'revoked'>);

/** Whose authority is handed down, and how much of it there is. */
export interface DelegatingParent {
  readonly parent: DelegationParent;
  /** the agent that holds it: of a grant its agent, of a run the agent that runs, of a delegation its child */
  readonly holder: string;
  readonly runId: string;
  readonly authority: DelegatedAuthority;
  /** 0 for grants and runs */
  readonly depth: number;
  /** it, or anything above it, was revoked or closed */
  readonly ended: boolean;
}

export type DelegationCommand =
  | {
      readonly type: 'GrantDelegation';
      readonly data: { readonly delegationId: string; readonly parent: DelegatingParent; readonly fromAgent: string; readonly toAgent: string; /** what is left out is inherited */ readonly authority: Partial<DelegatedAuthority>; readonly nowMs: number };
    }
  | { readonly type: 'RevokeDelegation'; readonly data: { readonly reason: string } };

export type DelegationEvent =
  | { readonly type: 'DelegationGranted'; readonly data: DataOf<typeof DelegationGranted> }
  | { readonly type: 'DelegationRevoked'; readonly data: DataOf<typeof DelegationRevoked> };

export const initialDelegation = (): DelegationState => ({ status: 'None' });

/**
 * - AGENT_MISMATCH: the authority is not this agent's. GRANT_REVOKED, GRANT_EXPIRED: it has ended.
 * - WIDENS_AUTHORITY, with the pointer: more than the parent has, on any dimension, or deeper than MAX_DELEGATION_DEPTH.
 * - INVALID: to itself. CONFLICT: it exists already. NOT_FOUND, REASON_REQUIRED.
 */
export const decideDelegation = (command: DelegationCommand, state: DelegationState): readonly DelegationEvent[] | Refusal<Code> => {
  switch (command.type) {
    case 'GrantDelegation':
      return state.status === 'None' ? grantDelegation(command.data) : refuse('CONFLICT', 'this delegation exists already');
    case 'RevokeDelegation':
      if (state.status === 'None') return refuse('NOT_FOUND');
      if (state.status === 'Revoked') return [];
      if (command.data.reason.trim() === '') return refuse('REASON_REQUIRED');
      return [{ type: 'DelegationRevoked', data: { delegation_id: state.delegationId, reason: command.data.reason } }];
    default:
      return assertNever(command);
  }
};

const grantDelegation = ({ delegationId, parent, fromAgent, toAgent, authority, nowMs }: Extract<DelegationCommand, { type: 'GrantDelegation' }>['data']): readonly DelegationEvent[] | Refusal<Code> => {
  if (parent.holder !== fromAgent) return refuse('AGENT_MISMATCH');
  if (parent.ended) return refuse('GRANT_REVOKED');
  if (nowMs >= fromInstant(parent.authority.expires_at)) return refuse('GRANT_EXPIRED');
  if (toAgent === fromAgent) return refuse('INVALID', 'another agent', '/to_agent');
  if (parent.depth >= MAX_DELEGATION_DEPTH) return refuse('WIDENS_AUTHORITY', `at most ${MAX_DELEGATION_DEPTH} below a grant or run`);
  const handed = inherited(parent.authority, authority);
  const wider = widerPart(parent.authority, handed);
  if (wider !== undefined) return refuse('WIDENS_AUTHORITY', 'more than is there to hand on', `/authority/${wider}`);
  if (nowMs >= fromInstant(handed.expires_at)) return refuse('INVALID', 'a time to come', '/authority/expires_at');
  return [{ type: 'DelegationGranted', data: { delegation_id: delegationId, parent: parent.parent, from_agent: fromAgent, to_agent: toAgent, run_id: parent.runId, depth: parent.depth + 1, authority: handed } }];
};

/** What is not narrowed is handed on as it is, cap by cap and unit by unit. */
const inherited = (outer: DelegatedAuthority, asked: Partial<DelegatedAuthority>): DelegatedAuthority => ({ ...outer, ...asked, caps: inheritedCaps(outer.caps, asked.caps ?? {}), ...inheritedTotals(outer.total_amounts, asked.total_amounts) });

const inheritedCaps = (outer: Caps, asked: Caps): Caps => ({ ...outer, ...asked, ...(outer.max_amount === undefined && asked.max_amount === undefined ? {} : { max_amount: { ...outer.max_amount, ...asked.max_amount } }) });

const inheritedTotals = (outer: readonly UnitAmount[] | undefined, asked: readonly UnitAmount[] | undefined): { readonly total_amounts?: readonly UnitAmount[] } => {
  if (outer === undefined && asked === undefined) return {};
  return { total_amounts: [...(asked ?? []), ...(outer ?? []).filter(({ unit }) => asked?.some((each) => each.unit === unit) !== true)] };
};

export const evolveDelegation = (state: DelegationState, event: DelegationEvent): DelegationState => {
  switch (event.type) {
    case 'DelegationGranted': {
      const { delegation_id, parent, from_agent, to_agent, run_id, depth, authority } = event.data;
      return { status: 'Granted', delegationId: delegation_id, parent, fromAgent: from_agent, toAgent: to_agent, runId: run_id, depth, authority };
    }
    case 'DelegationRevoked':
      return state.status === 'None' ? state : { ...state, status: 'Revoked' };
  }
};

const times = (amount: string, uses: number): string => formatAmount(parseAmount(amount) * BigInt(uses));

/** Everything a grant allows, as what may be handed on of it. */
export const authorityOfGrant = (grant: Grant): DelegatedAuthority => ({
  scope_path: grant.scope_path,
  kinds: [grant.action_kind],
  tools: [`${grant.tool.name}@${grant.tool.version}`],
  ...(grant.target_hash === undefined ? {} : { targets: [grant.target_hash] }),
  caps: normalCaps(grant.caps),
  max_uses: grant.max_uses,
  total_points: grant.total_points ?? grant.risk_points * grant.max_uses,
  total_amounts: grant.total_amounts ?? grant.amounts.map(({ unit, amount }) => ({ unit, amount: times(amount, grant.max_uses) })),
  expires_at: grant.expires_at,
});

/** What an agent that runs may hand on: its place, for a time; what its own budgets and policy allow is judged at every claim. */
export const authorityOfRun = (scopePrefix: string, expiresAt: string): DelegatedAuthority => ({ scope_path: scopePrefix, caps: {}, expires_at: expiresAt });
