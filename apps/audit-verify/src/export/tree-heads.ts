import { appendAllToFrontier, emptyFrontier, frontierRoot, verifyTreeHead } from '@exequatur/audit-chain';
import type { Frontier, TreeHead } from '@exequatur/audit-chain';
import type { KeyHistory } from '../keys/key-history.js';
import type { Findings } from './findings.js';
import type { Witnesses } from '../witnesses.js';
import type { Leaves } from './leaves.js';

/** The name a tenant's log has in its tree heads, and under which they are signed; such names hold no plus. */
export const logOrigin = (tenant: string): string => `exequatur/${tenant.replaceAll('+', '%2B')}`;

/** Opens notes with the keys of the log, each up to its rotation: a head over the leaf that rotated a key out is the next one's to sign. */
export class NoteReader {
  constructor(
    private readonly tenant: string,
    private readonly keys: KeyHistory,
  ) {}

  /** The signed head, or what is wrong with the note. */
  open(note: string): TreeHead | string {
    for (const { kid, key } of this.keys.logKeys()) {
      const result = verifyTreeHead(note, key);
      if (result.ok) return this.judged(result.head, kid);
      if (result.reason === 'malformed') return 'it is signed but is no tree head';
    }
    return 'it is not signed by the log';
  }

  private judged(head: TreeHead, kid: string): TreeHead | string {
    if (head.origin !== logOrigin(this.tenant)) return `it is a tree head of ${head.origin.slice(0, 100)}`;
    const ended = this.keys.endOf('audit', kid);
    return ended !== undefined && head.size > ended.sequence ? `it is signed by key ${kid}, which was rotated out with leaf ${ended.sequence}` : head;
  }
}

/** Roots over the first leaves of a log that only grows. */
export class Roots {
  private readonly known = new Map<number, Buffer>();
  private frontier: Frontier = emptyFrontier;

  constructor(private readonly leaves: Leaves) {}

  /** Root over the first `size` leaves. Cheap when sizes rise, and where it was asked for before. */
  at(size: number): Buffer {
    const known = this.known.get(size);
    if (known !== undefined) return known;
    if (size < this.frontier.size) this.frontier = emptyFrontier;
    const added: Buffer[] = [];
    for (let index = this.frontier.size; index < size; index += 1) added.push(this.leaves.hashAt(index));
    this.frontier = appendAllToFrontier(this.frontier, added);
    const root = frontierRoot(this.frontier);
    this.known.set(size, root);
    return root;
  }
}

/** Compares the root at the size of each head, in one pass: heads come in the order of their size. */
export class TreeHeads {
  count = 0;
  newest: TreeHead | undefined;
  /** Leaves under the largest head so far whose root holds: up to there all is as it was logged. */
  private good = 0;

  constructor(
    private readonly leaves: Leaves,
    private readonly roots: Roots,
    private readonly notes: NoteReader,
    private readonly findings: Findings,
    private readonly witnesses: Witnesses,
  ) {}

  take(note: string, label = `tree head ${this.count + 1}`): void {
    const head = this.notes.open(note);
    this.count += 1;
    if (typeof head === 'string') {
      this.findings.add({ invariant: 24, message: `${label}: ${head}` });
      return;
    }
    if (head.size > this.leaves.size) {
      this.findings.add({ invariant: 24, sequence: this.leaves.size, message: `${label} is over ${head.size} leaves and the export ends after ${this.leaves.size}: it is cut short` });
      return;
    }
    if (this.newest !== undefined && head.size < this.newest.size) this.findings.add({ invariant: 24, message: `${label} is smaller than the one before it` });
    const root = this.roots.at(head.size);
    if (root.equals(head.root)) {
      this.witnesses.see(note, head.size);
      this.good = Math.max(this.good, head.size);
    } else {
      const from = Math.min(this.good, Math.max(0, head.size - 1));
      this.findings.add({ invariant: 24, ...(head.size === 0 ? {} : { sequence: from }), message: `${label}, over ${head.size} leaves, has another root than these leaves: at least one of leaves ${from} to ${head.size - 1} is not what was logged` });
    }
    this.newest = head;
  }
}
