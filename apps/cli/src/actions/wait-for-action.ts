import { callServer, queryOf } from '../server-call.js';
import { EXIT } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { showAction, standingOf } from './shown-action.js';
import type { Action } from './shown-action.js';

export interface WaitOptions {
  /** seconds */
  readonly timeout: number;
  readonly tenant?: string;
  readonly json?: boolean;
}

/** The longest the server holds one question. */
const LONGEST_MS = 30_000;

/** Until people have decided: exit 0 when it may run, 1 when it may not, 4 when nobody has decided in time. */
export const waitFor = async (terminal: Terminal, actionId: string, options: WaitOptions): Promise<number> => {
  const until = Date.now() + options.timeout * 1_000;
  for (;;) {
    const left = Math.max(0, Math.min(LONGEST_MS, until - Date.now()));
    const action = await callServer<Action>(terminal, 'GET', `/v1/actions/${encodeURIComponent(actionId)}/wait${queryOf({ timeout: `${left}ms`, tenant: options.tenant })}`);
    if (action.status === 'awaiting_approval' && Date.now() < until) continue;
    showAction(terminal, action, options.json);
    return action.status === 'awaiting_approval' ? EXIT.waiting : standingOf(action) === 'no' ? EXIT.no : EXIT.done;
  }
};
