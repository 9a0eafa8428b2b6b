import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { callServer, queryOf } from '../server-call.js';
import { CommandFailed, EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';
import { toldEvent, toldLine } from './told-event.js';
import type { ToldEvent } from './told-event.js';

export interface ReplayOptions {
  readonly from?: string;
  readonly to?: string;
  readonly action?: string;
  readonly run?: string;
  readonly agent?: string;
  readonly kind?: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

interface Leaf {
  readonly sequence: number;
  readonly bytes_b64?: string;
}

const PAGE = 200;

/** Tells what fits, as it is read; holds a page, and what was said of the actions. */
export const replay = async (terminal: Terminal, file: string | undefined, options: ReplayOptions): Promise<number> => {
  const story = new Story(options);
  let pruned = 0;
  for await (const { sequence, bytes_b64: bytes } of file === undefined ? pagesOf(terminal, options.tenant) : linesOf(file)) {
    if (bytes === undefined) {
      pruned += 1;
      continue;
    }
    const event = toldEvent(sequence, Buffer.from(bytes, 'base64'));
    if (event !== undefined) for (const each of story.take(event)) line(terminal, options.json === true ? JSON.stringify(each) : toldLine(each));
  }
  if (pruned > 0) terminal.err(`${pruned} leaves are no longer kept\n`);
  return EXIT.done;
};

async function* pagesOf(terminal: Terminal, tenant: string | undefined): AsyncGenerator<Leaf, void> {
  for (let start: number | undefined = 0; start !== undefined; ) {
    const page: { readonly items: readonly Leaf[]; readonly next_start?: number } = await callServer(terminal, 'GET', `/v1/log/entries${queryOf({ start, limit: PAGE, tenant })}`);
    yield* page.items;
    start = page.next_start;
  }
}

async function* linesOf(file: string): AsyncGenerator<Leaf, void> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  try {
    for await (const text of createInterface({ input, crlfDelay: Infinity })) {
      const value = JSON.parse(text) as Partial<Leaf>;
      if (value.sequence !== undefined) yield value as Leaf;
    }
  } catch (error) {
    throw new CommandFailed(EXIT.usage, `${file} is no export: ${error instanceof Error ? error.message : 'it cannot be read'}`);
  }
}

interface Facts {
  readonly run_id?: string;
  readonly agent?: string;
  readonly action_kind?: string;
}

/** Waits with the events of an action, where something was asked of its proposal, until that was read: topics are logged in any order. */
class Story {
  private readonly wanted = new Map<string, boolean>();
  private readonly waiting = new Map<string, ToldEvent[]>();

  constructor(private readonly options: ReplayOptions) {}

  take(event: ToldEvent): readonly ToldEvent[] {
    const { from, to, action } = this.options;
    const inTime = (from === undefined || Date.parse(event.time) >= Date.parse(from)) && (to === undefined || Date.parse(event.time) < Date.parse(to));
    const id = event.action_id;
    if (action !== undefined && id !== action) return [];
    if (!this.asksOfProposals()) return inTime ? [event] : [];
    if (id === undefined) return [];
    if (event.event === 'ActionProposed') this.wanted.set(id, this.fits((event.data['facts'] ?? {}) as Facts));
    const wanted = this.wanted.get(id);
    if (wanted === undefined) {
      if (inTime) this.waiting.set(id, [...(this.waiting.get(id) ?? []), event]);
      return [];
    }
    const waited = this.waiting.get(id) ?? [];
    this.waiting.delete(id);
    return wanted ? [...waited, ...(inTime ? [event] : [])] : [];
  }

  private asksOfProposals(): boolean {
    const { run, agent, kind } = this.options;
    return run !== undefined || agent !== undefined || kind !== undefined;
  }

  private fits({ run_id, agent, action_kind }: Facts): boolean {
    const asked = this.options;
    return (asked.run === undefined || asked.run === run_id) && (asked.agent === undefined || asked.agent === agent) && (asked.kind === undefined || asked.kind === action_kind);
  }
}
