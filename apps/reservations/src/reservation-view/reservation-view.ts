import type { DataOf, ReservationHeld } from '@exequatur/contracts';
import { capsShape, count, hash, instant, list, name, object, oneOf, optional, scopePath, tool, unitAmount, uuid } from '@exequatur/contracts';
import { toInstant } from '@exequatur/kernel';
import { claimView } from '../authority/authority-answers.js';

export const STATUSES = ['held', 'started', 'unknown', 'committed', 'released', 'expired'] as const;

export const reservationShape = object({
  reservation_id: uuid(),
  status: oneOf(...STATUSES),
  /** budget_only: no grant, use, action or execution */
  purpose: oneOf('execution', 'budget_only'),
  grant_id: optional(uuid()),
  use_no: optional(count()),
  action_id: optional(uuid()),
  execution_id: optional(uuid()),
  agent: name(),
  scope_path: scopePath(),
  run_id: name(),
  thread_id: optional(name()),
  action_kind: name(),
  tool,
  execution_mode: oneOf('managed', 'self'),
  granted_arguments_hash: hash(),
  caps: capsShape,
  holds: list(unitAmount),
  held_at: instant(),
  execute_by: instant(),
  execute_within_ms: count(),
  expires_at: instant(),
  policy_version: count(),
  policy_hash: hash(),
  policy_result: oneOf('same', 're_evaluated'),
  fence_epoch: count(),
});

export interface ReservationRow {
  readonly reservation_id: string;
  readonly status: string;
  readonly held_at: Date;
  readonly expires_at: Date;
  readonly claim: string;
  /** the database's clock when it was read */
  readonly now: Date;
}

export const RESERVATION_COLUMNS = 'reservation_id, status, held_at, expires_at, claim, clock_timestamp() AS now';

/** A reservation as its agent and its operators see it; what is left on budgets is not part of it. */
export const shownReservation = (row: ReservationRow) => {
  const held = JSON.parse(row.claim) as DataOf<typeof ReservationHeld>;
  const { purpose, action_id, agent, scope_path, run_id, thread_id, action_kind, tool: heldTool, execution_mode, granted_arguments_hash, policy_version, policy_hash, policy_result, fence_epoch } = held;
  return {
    status: row.status.toLowerCase(),
    purpose,
    ...claimView(held, row.now.getTime()),
    expires_at: toInstant(row.expires_at.getTime()),
    held_at: toInstant(row.held_at.getTime()),
    action_id,
    agent,
    scope_path,
    run_id,
    ...(thread_id === undefined ? {} : { thread_id }),
    action_kind,
    tool: heldTool,
    execution_mode,
    granted_arguments_hash,
    policy_version,
    policy_hash,
    policy_result,
    fence_epoch,
  };
};
