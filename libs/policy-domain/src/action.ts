import type { ActionAllowed, ActionCapped, ActionDenied, ActionProposed, ActionQuarantined, ActionWithdrawn, ApprovalRequired, DataOf, ReviewDrawn } from '@exequatur/contracts';
import { assertNever } from '@exequatur/kernel';

/** An allowance as decided. Signing is not a decision: whoever appends adds the `grant` made of `grantClaims`. */
export type Unsigned<D> = Omit<D, 'grant'>;

/** Facts on an action's own stream. */
export type OwnActionEvent =
  | { readonly type: 'ActionProposed'; readonly data: DataOf<typeof ActionProposed> }
  | { readonly type: 'ActionAllowed'; readonly data: Unsigned<DataOf<typeof ActionAllowed>> }
  | { readonly type: 'ActionCapped'; readonly data: Unsigned<DataOf<typeof ActionCapped>> }
  | { readonly type: 'ApprovalRequired'; readonly data: DataOf<typeof ApprovalRequired> }
  | { readonly type: 'ActionQuarantined'; readonly data: DataOf<typeof ActionQuarantined> }
  | { readonly type: 'ActionDenied'; readonly data: DataOf<typeof ActionDenied> }
  | { readonly type: 'ReviewDrawn'; readonly data: DataOf<typeof ReviewDrawn> }
  | { readonly type: 'ActionWithdrawn'; readonly data: DataOf<typeof ActionWithdrawn> };

/** How the approval request of the action ended: facts of approvals, as far as they are known here. */
export interface ApprovalEnded {
  readonly type: 'ApprovalGranted' | 'ApprovalRejected' | 'ApprovalAnswered' | 'ApprovalExpired' | 'ApprovalCancelled';
  readonly data: { readonly action_id: string };
}

export type ActionEvent = OwnActionEvent | ApprovalEnded;

/** contracts.md "State machines", Action. */
export type Action =
  | { readonly status: 'None' }
  | { readonly status: 'Proposed'; readonly actionHash: string }
  | { readonly status: 'Allowed' | 'AwaitingApproval' | 'Quarantined' | 'Denied'; readonly actionHash: string }
  | { readonly status: 'Granted' | 'Rejected' | 'Answered' | 'Expired' | 'Cancelled' | 'Withdrawn'; readonly actionHash: string };

export type ActionStatus = Action['status'];

export const initialState = (): Action => ({ status: 'None' });

export const evolve = (state: Action, event: ActionEvent): Action => {
  const actionHash = state.status === 'None' ? '' : state.actionHash;
  switch (event.type) {
    case 'ActionProposed':
      return { status: 'Proposed', actionHash: event.data.action_hash };
    case 'ActionAllowed':
    case 'ActionCapped':
      return { status: 'Allowed', actionHash };
    case 'ApprovalRequired':
      return { status: 'AwaitingApproval', actionHash };
    case 'ReviewDrawn':
      return state;
    case 'ActionQuarantined':
      return { status: 'Quarantined', actionHash };
    case 'ActionDenied':
      return { status: 'Denied', actionHash };
    case 'ActionWithdrawn':
      return { status: 'Withdrawn', actionHash };
    case 'ApprovalGranted':
      return { status: 'Granted', actionHash };
    case 'ApprovalRejected':
      return { status: 'Rejected', actionHash };
    case 'ApprovalAnswered':
      return { status: 'Answered', actionHash };
    case 'ApprovalExpired':
      return { status: 'Expired', actionHash };
    case 'ApprovalCancelled':
      // Cancelled follows the withdrawal that caused it, and does not undo it.
      return { status: state.status === 'Withdrawn' ? 'Withdrawn' : 'Cancelled', actionHash };
    default:
      return assertNever(event);
  }
};
