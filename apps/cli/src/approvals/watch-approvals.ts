import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { visibleLine } from '../visible-line.js';

export interface WatchOptions {
  /** ends after so long; until interrupted when left out */
  readonly for?: number;
  /** everything since this one */
  readonly since?: string;
  readonly json?: boolean;
}

interface Change {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

const COME_BACK_MS = 2_000;
const LONGEST_FRAME = 64 * 1024;

/** Prints changes of the queue as they happen; comes back with Last-Event-ID when the connection ends, so none is missed. */
export const watchApprovals = async (terminal: Terminal, { for: seconds, since, json }: WatchOptions): Promise<number> => {
  const ended = seconds === undefined ? new AbortController().signal : AbortSignal.timeout(seconds * 1_000);
  let last = since;
  while (!ended.aborted) {
    try {
      for await (const change of changes(terminal, last, ended)) {
        last = change.id;
        line(terminal, shown(change, json === true));
      }
    } catch (error) {
      if (error instanceof CommandFailed) throw error;
    }
    await sleep(COME_BACK_MS, undefined, { signal: ended }).catch(() => undefined);
  }
  return EXIT.done;
};

const shown = ({ id, event, data }: Change, json: boolean): string => {
  const { approval_id, status, at } = JSON.parse(data) as { approval_id: string; status: string; at: string };
  return json ? JSON.stringify({ id, event, approval_id, status, at }) : visibleLine(`${at}  ${approval_id}  ${event}  ${status}`);
};

/** Server-sent events (WHATWG HTML, section 9.2) as this server writes them: one line a field. @throws CommandFailed when it refuses */
async function* changes(terminal: Terminal, last: string | undefined, signal: AbortSignal): AsyncGenerator<Change> {
  const { EXEQUATUR_URL: url, EXEQUATUR_TOKEN: token } = terminal.env;
  if (url === undefined || token === undefined) throw new CommandFailed(EXIT.usage, 'EXEQUATUR_URL and EXEQUATUR_TOKEN say which server, and who asks');
  const response = await fetch(new URL('/v1/stream', url), { headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) }, signal });
  if (!response.ok) throw new CommandFailed(EXIT.server, `the server answered ${response.status}`);
  const decoder = new TextDecoder();
  let buffered = '';
  for await (const chunk of response.body ?? []) {
    buffered += decoder.decode(chunk as Uint8Array, { stream: true });
    if (buffered.length > LONGEST_FRAME) throw new CommandFailed(EXIT.server, 'the server sends no events');
    const frames = buffered.split('\n\n');
    buffered = frames.pop() ?? '';
    for (const frame of frames) {
      const fields = new Map(frame.split('\n').map((each): [string, string] => [each.slice(0, each.indexOf(':')), each.slice(each.indexOf(':') + 1).trim()]));
      const [id, event, data] = [fields.get('id'), fields.get('event'), fields.get('data')];
      if (id !== undefined && event !== undefined && data !== undefined) yield { id, event, data };
    }
  }
}
