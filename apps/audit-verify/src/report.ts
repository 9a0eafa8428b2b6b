import type { WitnessedHead } from './witnesses.js';

/** One thing that must not be, with its place. */
export interface Violation {
  /** Number in the list of thirty (docs/explanation); `format` for an export that is not what it claims to be. */
  readonly invariant: number | 'format';
  readonly tenant: string;
  /** Leaf index in the tenant's log, from 0; absent when the whole log is meant. */
  readonly sequence?: number;
  readonly event_id?: string;
  /** One sentence. Names ids, counts and hashes, never content. */
  readonly message: string;
  /**
   * Its counterpart may still be under way: what is missing belongs to the last moments before the export was made. It makes
   * the result incomplete, not invalid.
   */
  readonly open?: true;
}

export interface ReportCounts {
  readonly leaves: number;
  /** Leaves that are well-formed events of a known type with a valid origin: what the invariants were checked on. */
  readonly events: number;
  readonly tree_heads: number;
  readonly streams: number;
  readonly claims: number;
}

export interface Report {
  /** valid: nothing found. invalid: a violation. incomplete: nothing wrong, but it could not be read or judged to its end. */
  readonly result: 'valid' | 'invalid' | 'incomplete';
  readonly tenant: string | undefined;
  readonly size: number;
  /** `sha256:` root over all leaves of the export. */
  readonly root: string | undefined;
  /** Where the public keys came from; `export` proves only that the file agrees with itself. */
  readonly keys: 'pinned' | 'export';
  readonly counts: ReportCounts;
  /** Of a receipt. */
  readonly action?: { readonly id: string; readonly outcome: string; readonly ended: boolean };
  /** Of the witnesses asked about, what each has cosigned here; absent when none was asked about. */
  readonly witnessed?: readonly WitnessedHead[];
  /** Violations by invariant number (or `format`), open ones not counted. */
  readonly by_invariant: Readonly<Record<string, number>>;
  /** The first ones, in the order of the log; `violations_total` counts all. */
  readonly violations: readonly Violation[];
  readonly violations_total: number;
  /** What a reader must know: what was not checked and why. */
  readonly notes: readonly string[];
}
