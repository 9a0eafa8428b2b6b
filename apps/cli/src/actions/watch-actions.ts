import { setTimeout as sleep } from 'node:timers/promises';
import { callServer, queryOf } from '../server-call.js';
import { EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import type { Action } from './shown-action.js';

export interface WatchOptions {
  readonly tenant?: string;
  readonly agent?: string;
  readonly run?: string;
  /** seconds; for ever when left out */
  readonly for?: number;
  readonly json?: boolean;
}

const LOOK_AGAIN_MS = 1_000;
/** Newest actions looked at: what is older changes unseen. */
const LOOKED_AT = 200;

/** One line for each change of an action's status, those there are first. */
export const watchActions = async (terminal: Terminal, options: WatchOptions): Promise<number> => {
  const until = options.for === undefined ? Number.POSITIVE_INFINITY : Date.now() + options.for * 1_000;
  let known = new Map<string, string>();
  for (;;) {
    const { items } = await callServer<{ readonly items: readonly Action[] }>(terminal, 'GET', `/v1/actions${queryOf({ tenant: options.tenant, agent: options.agent, run: options.run, limit: LOOKED_AT })}`);
    for (const action of [...items].reverse()) if (known.get(action.action_id) !== action.status) tell(terminal, action, known.get(action.action_id), options.json);
    known = new Map(items.map(({ action_id, status }) => [action_id, status]));
    const left = until - Date.now();
    if (left <= 0) return EXIT.done;
    await sleep(Math.min(LOOK_AGAIN_MS, left));
  }
};

const tell = (terminal: Terminal, action: Action, before: string | undefined, json: boolean | undefined): void => {
  if (json === true) return line(terminal, JSON.stringify({ ...action, ...(before === undefined ? {} : { status_before: before }) }));
  line(terminal, `${action.updated_at ?? ''} ${action.action_id} ${action.action_kind ?? ''} ${before === undefined ? '' : `${before} → `}${action.status}${action.code === undefined ? '' : ` ${action.code}`}`);
};
