import type { PgTransaction } from '@exequatur/event-store';
import type { ExecutionEvent } from '@exequatur/executor-domain';

/** The row after an event. ExecutionRequested makes the row where the grant is known; see recordRequest. */
export const projectExecution = async (tx: PgTransaction, tenant: string, event: ExecutionEvent): Promise<void> => {
  const set = async (assignments: string, ...values: unknown[]): Promise<void> => {
    const { rowCount } = await tx.query(`UPDATE execution SET ${assignments} WHERE tenant = $1 AND execution_id = $2`, [tenant, event.data.execution_id, ...values]);
    if (rowCount !== 1) throw new Error(`the execution ${event.data.execution_id} has events but no row`);
  };
  switch (event.type) {
    case 'ExecutionRequested':
      return;
    case 'ExecutionStarted':
      return set(`status = 'started', waiting_for = NULL, started_at = clock_timestamp(), reservation_id = $3, execute_by = $4`, event.data.reservation_id, event.data.execute_by);
    case 'ExecutionSucceeded':
      return set(`status = 'succeeded', provider_request_id = $3, ${ENDED}`, event.data.provider_request_id ?? null);
    case 'ExecutionFailed':
      return set(`status = 'failed', code = $3, ${ENDED}`, event.data.code);
    case 'ExecutionUnknown':
      return set(`status = 'unknown', code = $3, ask_at = clock_timestamp(), ${ENDED}`, event.data.code);
    case 'ExecutionSkipped':
      return set(`status = 'skipped', code = $3, ${ENDED}`, event.data.code);
    case 'ExecutionReconciled':
      return set(`status = 'reconciled', ask_at = NULL, reconciled_as = $3, provider_request_id = coalesce($4, provider_request_id)`, event.data.result, event.data.provider_request_id ?? null);
  }
};

const ENDED = 'ended_at = clock_timestamp(), waiting_for = NULL, lease_owner = NULL, lease_until = NULL';
