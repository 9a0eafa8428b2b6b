import type { DataOf, EvidenceSource, ExecutionFailed, ExecutionReconciled, ExecutionRequested, ExecutionSkipped, ExecutionStarted, ExecutionSucceeded, ExecutionUnknown, Tool } from '@exequatur/contracts';
import { fromInstant } from '@exequatur/kernel';

/** What every event of one execution repeats. execution_id is also the effect key. */
export interface ExecutionIds {
  readonly execution_id: string;
  readonly action_id: string;
  readonly grant_id: string;
  readonly use_no: number;
}

/** With a claim in hand. Times are Unix ms. */
interface Claimed {
  readonly ids: ExecutionIds;
  readonly reservationId: string;
  readonly executeBy: number;
}

/** Requested → Started → Succeeded | Failed | Unknown → Reconciled; Requested → Skipped (contracts.md "State machines"). */
export type Execution =
  | { readonly status: 'None' }
  | { readonly status: 'Requested'; readonly ids: ExecutionIds; readonly tool: Tool; readonly expiresAt: number }
  | ({ readonly status: 'Started' | 'Unknown' } & Claimed)
  | { readonly status: 'Succeeded' | 'Failed' | 'Skipped' | 'Reconciled' };

export type ExecutionStatus = Execution['status'];

export type FailureCode = DataOf<typeof ExecutionFailed>['code'];
export type UnknownCode = DataOf<typeof ExecutionUnknown>['code'];

/** `sealed`, where there is one, is the plaintext of the event's sealed part; whoever records it encrypts it. */
export type ExecutionEvent =
  | { readonly type: 'ExecutionRequested'; readonly data: DataOf<typeof ExecutionRequested> }
  | { readonly type: 'ExecutionStarted'; readonly data: DataOf<typeof ExecutionStarted> }
  | { readonly type: 'ExecutionSucceeded'; readonly data: DataOf<typeof ExecutionSucceeded>; readonly sealed: { readonly result: string } }
  | { readonly type: 'ExecutionFailed'; readonly data: DataOf<typeof ExecutionFailed>; readonly sealed: { readonly result: string } }
  | { readonly type: 'ExecutionUnknown'; readonly data: DataOf<typeof ExecutionUnknown> }
  | { readonly type: 'ExecutionReconciled'; readonly data: DataOf<typeof ExecutionReconciled>; readonly sealed: { readonly evidence: string; readonly reason?: string; readonly references?: readonly EvidenceSource[] } }
  | { readonly type: 'ExecutionSkipped'; readonly data: DataOf<typeof ExecutionSkipped> };

export const initialState = (): Execution => ({ status: 'None' });

const claimOf = (state: Execution): Claimed | undefined => (state.status === 'Started' || state.status === 'Unknown' ? state : undefined);

export const evolve = (state: Execution, event: ExecutionEvent): Execution => {
  switch (event.type) {
    case 'ExecutionRequested':
      return { status: 'Requested', ids: idsOf(event.data), tool: event.data.tool, expiresAt: fromInstant(event.data.expires_at) };
    case 'ExecutionStarted':
      return { status: 'Started', ids: idsOf(event.data), reservationId: event.data.reservation_id, executeBy: fromInstant(event.data.execute_by) };
    case 'ExecutionUnknown': {
      const claim = claimOf(state);
      return claim === undefined ? state : { ...claim, status: 'Unknown' };
    }
    case 'ExecutionSucceeded':
      return { status: 'Succeeded' };
    case 'ExecutionFailed':
      return { status: 'Failed' };
    case 'ExecutionReconciled':
      return { status: 'Reconciled' };
    case 'ExecutionSkipped':
      return { status: 'Skipped' };
  }
};

export const idsOf = ({ execution_id, action_id, grant_id, use_no }: ExecutionIds): ExecutionIds => ({ execution_id, action_id, grant_id, use_no });
