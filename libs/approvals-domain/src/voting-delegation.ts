import type { VotingDelegated, VotingDelegationEnded, DataOf } from '@exequatur/contracts';
import { assertNever, fromInstant, refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';

/** A role lent by one person to another until a day. */
export type VotingDelegation = { readonly status: 'None' } | ({ readonly status: 'Standing' | 'Ended' } & DataOf<typeof VotingDelegated>);

export type VotingDelegationCommand =
  | { readonly type: 'Lend'; readonly metadata: { readonly now: number }; readonly data: { readonly loan: DataOf<typeof VotingDelegated>; /** own roles of whoever lends, as the directory has them */ readonly ownRoles: readonly string[] } }
  | { readonly type: 'End'; readonly metadata: { readonly now: number }; readonly data: { readonly person: string } };

export type VotingDelegationEvent = { readonly type: 'VotingDelegated'; readonly data: DataOf<typeof VotingDelegated> } | { readonly type: 'VotingDelegationEnded'; readonly data: DataOf<typeof VotingDelegationEnded> };

/** Surface roles and the emergency are bound to their person. */
const NOT_LENT: readonly string[] = ['admin', 'policy-admin', 'operator', 'auditor', 'break-glass'];
export const LONGEST_LOAN_MS = 90 * 86_400_000;

type Code = 'NOT_ELIGIBLE' | 'CONFLICT' | 'NOT_FOUND';

/** A person lends what they hold themselves, so what was borrowed goes no further; the loan is looked at again with each vote. */
export const decideDelegation = (command: VotingDelegationCommand, state: VotingDelegation): readonly VotingDelegationEvent[] | Refusal<Code> => {
  switch (command.type) {
    case 'Lend': {
      if (state.status !== 'None') return [];
      const { loan, ownRoles } = command.data;
      if (!ownRoles.includes(loan.role)) return refuse('NOT_ELIGIBLE', 'you lend only a role that you hold yourself', '/role');
      if (NOT_LENT.includes(loan.role)) return refuse('NOT_ELIGIBLE', 'this role is not lent', '/role');
      if (loan.to === loan.from) return refuse('CONFLICT', 'you hold it already', '/to');
      const [starts, ends] = [fromInstant(loan.starts_at), fromInstant(loan.ends_at)];
      if (ends <= command.metadata.now || ends <= starts) return refuse('CONFLICT', 'it ends before it begins', '/ends_at');
      if (ends - starts > LONGEST_LOAN_MS) return refuse('CONFLICT', '90 days at most', '/ends_at');
      return [{ type: 'VotingDelegated', data: loan }];
    }
    case 'End':
      if (state.status === 'None' || (state.from !== command.data.person && state.to !== command.data.person)) return refuse('NOT_FOUND');
      return state.status === 'Ended' ? [] : [{ type: 'VotingDelegationEnded', data: { delegation_id: state.delegation_id, person: command.data.person } }];
    default:
      return assertNever(command);
  }
};

export const evolveDelegation = (state: VotingDelegation, event: VotingDelegationEvent): VotingDelegation => {
  switch (event.type) {
    case 'VotingDelegated':
      return { status: 'Standing', ...event.data };
    case 'VotingDelegationEnded':
      return state.status === 'None' ? state : { ...state, status: 'Ended' };
    default:
      return assertNever(event);
  }
};

export const noDelegation = (): VotingDelegation => ({ status: 'None' });
