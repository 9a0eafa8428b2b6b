import { line } from '../terminal.js';
import type { Terminal } from '../terminal.js';

/** What the server tells of an action, as far as it is shown here. */
export interface Action {
  readonly action_id: string;
  readonly status: string;
  readonly action_kind?: string;
  readonly agent?: string;
  readonly run_id?: string;
  readonly verdict?: string;
  readonly rule_id?: string;
  readonly reason?: string;
  readonly code?: string;
  readonly stop_reason?: string;
  readonly instruction?: string;
  readonly approval_id?: string;
  readonly expires_at?: string;
  readonly updated_at?: string;
}

export const showAction = (terminal: Terminal, action: Action, json: boolean | undefined): void => {
  if (json === true) return line(terminal, JSON.stringify(action));
  line(terminal, `${action.action_id} ${action.status}${action.code === undefined ? '' : ` ${action.code}`}`);
  if (action.verdict !== undefined) line(terminal, `  ${action.verdict} by ${action.rule_id ?? ''}: ${action.reason ?? ''}`);
  if (action.approval_id !== undefined) line(terminal, `  approval ${action.approval_id}${action.expires_at === undefined ? '' : `, until ${action.expires_at}`}`);
  if (action.stop_reason !== undefined) line(terminal, `  stop: ${action.stop_reason}${action.instruction === undefined ? '' : `; ${action.instruction}`}`);
};

/** People or policy have yet to decide, or the action is under way. */
const OPEN: ReadonlySet<string> = new Set(['proposed', 'awaiting_approval', 'reserved', 'executing']);
/** It may run, or has run. */
const GOOD: ReadonlySet<string> = new Set(['allowed', 'granted', 'executed', 'answered']);

export type Standing = 'open' | 'good' | 'no';

export const standingOf = ({ status }: Action): Standing => (OPEN.has(status) ? 'open' : GOOD.has(status) ? 'good' : 'no');
