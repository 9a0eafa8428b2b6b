import { cosign, notePartsOf, readWitnessRequest, verifyConsistency, verifyTreeHead } from '@exequatur/audit-chain';
import type { SigningKey, TreeHead } from '@exequatur/audit-chain';
import { keysFor } from './watched-logs.js';
import type { WatchedLog } from './watched-logs.js';
import type { RememberedHead, WitnessMemory } from './witness-memory.js';

/** Answers of add-checkpoint (c2sp.org/tlog-witness). */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422 | 507;
  /** the cosignature line; for 409 the size that is remembered; else one sentence */
  readonly body: string;
  readonly contentType?: string;
}

export interface WitnessIdentity {
  readonly name: string;
  readonly key: SigningKey;
}

/** Logs a pattern may bring in; more would let one log's operator fill the disk. */
const MOST_LOGS = 10_000;

/**
 * Cosigns a tree head only if it continues the one remembered: of one log it never vouches for two histories. Decides and
 * remembers in one turn of the event loop, so that two requests cannot both see the old head.
 */
export class Witness {
  constructor(
    private readonly identity: WitnessIdentity,
    private readonly logs: readonly WatchedLog[],
    private readonly memory: WitnessMemory,
    private readonly now: () => number = Date.now,
  ) {}

  add(body: string): WitnessAnswer {
    const request = readWitnessRequest(body);
    if (request === undefined) return { status: 400, body: 'this is no request to cosign\n' };
    const { note, oldSize, path } = request;
    const origin = note.slice(0, Math.max(0, note.indexOf('\n')));
    const keys = keysFor(this.logs, origin);
    if (keys === undefined) return { status: 404, body: 'this log is not watched here\n' };
    const head = signedHead(note, keys);
    if (head === undefined) return { status: 403, body: 'the log has not signed this tree head\n' };
    if (oldSize > head.size) return { status: 400, body: 'the old size is larger than the tree head\n' };
    const known = this.memory.head(origin);
    if (known === undefined && this.memory.size >= MOST_LOGS) return { status: 507, body: 'too many logs\n' };
    if (oldSize !== (known?.size ?? 0)) return this.conflict(known);
    if (!continues(known, head, path)) return oldSize === head.size && known !== undefined ? this.conflict(known) : { status: 422, body: 'the tree head does not continue the log that is remembered\n' };
    return { status: 200, body: this.cosigned(note, head) };
  }

  private conflict(known: RememberedHead | undefined): WitnessAnswer {
    return { status: 409, body: `${known?.size ?? 0}\n`, contentType: 'text/x.tlog.size' };
  }

  private cosigned(note: string, head: TreeHead): string {
    const parts = notePartsOf(note);
    if (parts === undefined) throw new Error('a note that was verified has no parts');
    const line = cosign(parts.text, this.identity.name, this.identity.key, Math.floor(this.now() / 1_000));
    this.memory.keep({ origin: head.origin, size: head.size, root: Buffer.from(head.root).toString('hex'), note: note + line });
    return line;
  }
}

const signedHead = (note: string, keys: readonly Parameters<typeof verifyTreeHead>[1][]): TreeHead | undefined => {
  for (const key of keys) {
    const result = verifyTreeHead(note, key);
    if (result.ok) return result.head;
  }
  return undefined;
};

/** Nothing was remembered: anything is the beginning, and there is nothing to prove. */
const continues = (known: RememberedHead | undefined, head: TreeHead, path: readonly Uint8Array[]): boolean => {
  if (known === undefined || known.size === 0) return path.length === 0;
  return verifyConsistency({ oldSize: known.size, newSize: head.size, oldRoot: Buffer.from(known.root, 'hex'), newRoot: head.root, path });
};
