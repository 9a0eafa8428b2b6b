import { readPolicyText } from '@exequatur/policy-languages';
import { readText } from '../policy/read-files.js';
import { callServer } from '../server-call.js';
import { CommandFailed, EXIT } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { showAction, standingOf } from './shown-action.js';
import type { Action } from './shown-action.js';
import { waitFor } from './wait-for-action.js';

export interface ProposeOptions {
  /** the same key proposes once, however often it is sent */
  readonly key?: string;
  readonly wait?: number;
  readonly json?: boolean;
}

/** A file with a proposal, JSON or YAML, as the agent whose key EXEQUATUR_TOKEN is. */
export const proposeAction = async (terminal: Terminal, file: string, options: ProposeOptions): Promise<number> => {
  const text = readPolicyText(readText(file));
  if (!text.ok) throw new CommandFailed(EXIT.no, text.faults.map((fault) => `${file}:${fault.line}:${fault.column}: ${fault.message}`).join('\n'));
  const proposed = await callServer<Action>(terminal, 'POST', '/v1/actions', { body: text.value as object, ...(options.key === undefined ? {} : { key: options.key }) });
  if (options.wait !== undefined && standingOf(proposed) === 'open') return waitFor(terminal, proposed.action_id, { timeout: options.wait, ...(options.json === undefined ? {} : { json: options.json }) });
  showAction(terminal, proposed, options.json);
  return standingOf(proposed) === 'no' ? EXIT.no : EXIT.done;
};
