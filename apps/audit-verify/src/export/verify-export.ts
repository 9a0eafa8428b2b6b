import { createHash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { KeyFormatError, verifyDsse } from '@exequatur/audit-chain';
import type { PublicJwk, TrustedKeys, WitnessKey } from '@exequatur/audit-chain';
import { canonicalBytes } from '@exequatur/kernel';
import { INVARIANTS, checkInvariants } from '../invariants/index.js';
import { KeyHistory } from '../keys/key-history.js';
import { EventLog } from '../log/event-log.js';
import type { Report } from '../report.js';
import { EXPORT_END_TYPE, keysOf, readLine } from './export-lines.js';
import type { ExportEnd, ExportHeader, ExportLine } from './export-lines.js';
import { Findings } from './findings.js';
import { LeafJudge } from './judge-leaf.js';
import type { LeafMemory } from './leaf-memory.js';
import { Leaves } from './leaves.js';
import { checkStreamHeads } from './stream-heads.js';
import { Witnesses } from '../witnesses.js';
import { NoteReader, Roots, TreeHeads } from './tree-heads.js';

export interface VerifyOptions {
  /** Public keys of the services, pinned by the verifier. Without them the export's own are used, and the report says so. */
  readonly trustedKeys?: TrustedKeys;
  /** Public keys of the log; else those of service `audit` in trustedKeys, else the export's own. */
  readonly logKeys?: readonly PublicJwk[];
  /** Notes of tree heads seen earlier or elsewhere (a witness): the export must contain their logs as a prefix. */
  readonly knownHeads?: readonly string[];
  /** Witnesses whose cosignatures are wanted: leaves that none of their cosigned tree heads covers leave the result incomplete. */
  readonly witnesses?: readonly WitnessKey[];
  /** Called now and then with the leaves read so far. */
  readonly progress?: (leaves: number) => void;
  /** See LogOptions; 60,000 when left out, since exports are made of logs in motion. */
  readonly settleMs?: number;
  /** Violations listed in full; all are counted. */
  readonly maxViolations?: number;
  /** Of one set of keys; see LeafMemory. */
  readonly judged?: LeafMemory;
}

const SETTLE_MS = 60_000;
const MAX_VIOLATIONS = 1_000;
const PROGRESS_EVERY = 10_000;

/**
 * Verifies an export line by line (reliability.md sections 4 and 9): its format, every byte of every leaf against its owner's
 * signature and the signed tree heads, completeness against the services' own counts, and the invariants a log can show.
 * Keeps per leaf its hash and what the invariants need, about 1 KiB, never the bytes. Does not throw on any input; lines that
 * are longer than the format allows are the reader's to refuse.
 */
export const verifyExport = async (lines: AsyncIterable<string>, options: VerifyOptions = {}): Promise<Report> => {
  const run = new Verification(options);
  for await (const line of lines) run.take(line);
  return run.finish();
};

class Verification {
  private readonly findings: Findings;
  private readonly digest = createHash('sha256');
  private lineNo = 0;
  private unusable: string | undefined;
  private header: ExportHeader | undefined;
  private leaves: Leaves | undefined;
  private roots: Roots | undefined;
  private heads: TreeHeads | undefined;
  private notes: NoteReader | undefined;
  private keys: KeyHistory | undefined;
  private end: ExportEnd | undefined;
  private readonly remarks: string[] = [];
  private readonly witnesses: Witnesses;

  constructor(private readonly options: VerifyOptions) {
    this.findings = new Findings(options.maxViolations ?? MAX_VIOLATIONS);
    this.witnesses = new Witnesses(options.witnesses ?? []);
  }

  take(line: string): void {
    this.lineNo += 1;
    if (this.unusable !== undefined) return;
    if (this.end !== undefined) {
      this.findings.add({ invariant: 'format', message: `line ${this.lineNo} follows the end of the export` });
      return;
    }
    const read = this.read(line);
    if (this.header === undefined) this.begin(read);
    else this.body(read);
    if (read.kind === 'end') this.end = read.end;
    else this.digest.update(line).update('\n');
  }

  private read(line: string): ExportLine {
    const { judged: memory } = this.options;
    const known = memory?.line(line);
    if (known !== undefined) return known;
    const read = readLine(line);
    memory?.rememberLine(line, read);
    return read;
  }

  private begin(read: ExportLine): void {
    if (read.kind !== 'header') {
      this.unusable = `line 1 is no header of an export${read.kind === 'malformed' ? `: ${read.fault}` : ''}`;
      return;
    }
    const { header } = read;
    this.header = header;
    this.findings.tenant = header.tenant;
    const own = keysOf(header);
    const trusted = this.options.trustedKeys ?? own.trusted;
    const logKeys = this.options.logKeys ?? (this.options.trustedKeys?.['audit'] === undefined ? own.log : undefined);
    try {
      this.keys = new KeyHistory(trusted, header.tenant, logKeys);
      this.leaves = new Leaves(header.tenant, new LeafJudge(header.tenant, this.keys, this.options.judged), this.keys, this.findings);
      this.notes = new NoteReader(header.tenant, this.keys);
      this.roots = new Roots(this.leaves);
      this.heads = new TreeHeads(this.leaves, this.roots, this.notes, this.findings, this.witnesses);
    } catch (error) {
      if (!(error instanceof KeyFormatError)) throw error;
      this.unusable = `a public key is none: ${error.message}`;
    }
  }

  private body(read: ExportLine): void {
    switch (read.kind) {
      case 'leaf':
        if ((this.heads?.count ?? 0) > 0) this.findings.add({ invariant: 'format', sequence: this.leaves?.size, message: `line ${this.lineNo}: a leaf after the tree heads` });
        this.leaves?.take(read.leaf);
        if ((this.leaves?.size ?? 0) % PROGRESS_EVERY === 0) this.options.progress?.(this.leaves?.size ?? 0);
        return;
      case 'pruned':
        if ((this.heads?.count ?? 0) > 0) this.findings.add({ invariant: 'format', sequence: this.leaves?.size, message: `line ${this.lineNo}: a leaf after the tree heads` });
        this.leaves?.takePruned(read.leaf);
        return;
      case 'tree_head':
        this.heads?.take(read.note);
        return;
      case 'end':
        return;
      case 'header':
        this.findings.add({ invariant: 'format', message: `line ${this.lineNo}: a second header` });
        return;
      case 'malformed':
        this.findings.add({ invariant: 'format', sequence: this.heads?.count === 0 ? this.leaves?.size : undefined, message: `line ${this.lineNo}: ${read.fault}` });
    }
  }

  finish(): Report {
    this.options.judged?.close();
    const { header, leaves, roots, heads, notes } = this;
    if (header === undefined || leaves === undefined || roots === undefined || heads === undefined || notes === undefined || this.unusable !== undefined) {
      return this.report(undefined, undefined, this.unusable ?? 'the export is empty');
    }
    leaves.finish();
    this.checkNewestHead(header, leaves, roots, notes);
    this.checkKnownHeads(leaves, roots, notes);
    this.checkEnd(header, leaves, heads);
    // An instant by its shape, though perhaps no day that exists; the signed end vouches for it.
    const createdMs = Date.parse(header.created_at);
    const settling = { pruned: leaves.pruned.size > 0, settleMs: this.options.settleMs ?? SETTLE_MS, asOfMs: Number.isNaN(createdMs) ? 0 : createdMs };
    const log = new EventLog(leaves.events, settling);
    checkStreamHeads(log, leaves, this.findings);
    for (const violation of checkInvariants(leaves.events, settling)) this.findings.add(violation);
    return this.report(leaves, heads, undefined, log);
  }

  /** By size, so that each says most exactly from where on the log is another one. */
  private checkKnownHeads(leaves: Leaves, roots: Roots, notes: NoteReader): void {
    const known = new TreeHeads(leaves, roots, notes, this.findings, this.witnesses);
    const sizeOf = (note: string): number => {
      const head = notes.open(note);
      return typeof head === 'string' ? Infinity : head.size;
    };
    const labelled = (this.options.knownHeads ?? []).map((note, index) => ({ note, label: `known tree head ${index + 1}`, size: sizeOf(note) }));
    for (const { note, label } of labelled.sort((a, b) => (a.size === b.size ? 0 : a.size - b.size))) known.take(note, label);
  }

  private checkNewestHead(header: ExportHeader, leaves: Leaves, roots: Roots, notes: NoteReader): void {
    if (header.tree_head === undefined) {
      if (leaves.size > 0) this.findings.add({ invariant: 24, sequence: 0, message: 'the export names no tree head over its leaves' });
      return;
    }
    const head = notes.open(header.tree_head);
    if (typeof head === 'string') this.findings.add({ invariant: 24, message: `the tree head in the header: ${head}` });
    else if (head.size !== leaves.size) this.findings.add({ invariant: 24, sequence: Math.min(head.size, leaves.size), message: `the tree head in the header is over ${head.size} leaves, the export has ${leaves.size}` });
    else if (!roots.at(head.size).equals(head.root)) this.findings.add({ invariant: 24, message: 'the tree head in the header has another root than these leaves' });
  }

  private checkEnd(header: ExportHeader, leaves: Leaves, heads: TreeHeads): void {
    const { end } = this;
    if (end === undefined) {
      this.findings.add({ invariant: 'format', sequence: leaves.size, message: 'the export has no end line: it is cut short' });
      return;
    }
    const digest = `sha256:${this.digest.digest('hex')}`;
    if (end.leaves !== leaves.size || end.tree_heads !== heads.count) this.findings.add({ invariant: 'format', sequence: Math.min(end.leaves, leaves.size), message: `the end counts ${end.leaves} leaves and ${end.tree_heads} tree heads, the export has ${leaves.size} and ${heads.count}` });
    if (end.digest !== digest) this.findings.add({ invariant: 25, message: 'the lines are not those the export was closed with' });
    const payload = canonicalBytes({ digest: end.digest, leaves: end.leaves, tenant: header.tenant, tree_heads: end.tree_heads });
    const signature = Buffer.from(end.signature, 'base64url');
    const signed = signature.toString('base64url') === end.signature && this.endKeys().some((key) => verifyDsse(key, EXPORT_END_TYPE, payload, signature));
    if (!signed) this.findings.add({ invariant: 25, message: 'the end of the export is not signed by the log' });
  }

  /** Whoever closes an export does so after all it holds. */
  private endKeys(): readonly KeyObject[] {
    return (this.keys?.logKeys() ?? []).filter(({ kid }) => this.keys?.endOf('audit', kid) === undefined).map(({ key }) => key);
  }

  private report(leaves: Leaves | undefined, heads: TreeHeads | undefined, unusable: string | undefined, log?: EventLog): Report {
    const { kept, total, openTotal, byInvariant } = this.findings;
    const unknownTypes = leaves?.unknownTypes ?? 0;
    if (unusable !== undefined) this.remarks.push(unusable);
    if ((leaves?.pruned.size ?? 0) > 0) this.remarks.push(`${leaves?.pruned.size} leaves are no longer kept: their hashes hold their places, what they said is not judged`);
    if (unknownTypes > 0) this.remarks.push(`${unknownTypes} leaves are of types this verifier does not know: their origin is checked, what they say is not`);
    if (openTotal > 0) this.remarks.push(`${openTotal} findings are about things that may still be on their way; export again and verify again`);
    const invalid = total > openTotal;
    const witnessed = this.witnesses.heads;
    const uncovered = witnessed.filter(({ size }) => size < (leaves?.size ?? 0));
    for (const { name, size } of uncovered) this.remarks.push(size === 0 ? `no tree head here is cosigned by witness ${name}` : `witness ${name} vouches for leaves 0 to ${size - 1}; nothing it has cosigned covers those behind`);
    return {
      result: unusable === undefined && invalid ? 'invalid' : unusable !== undefined || openTotal > 0 || unknownTypes > 0 || uncovered.length > 0 ? 'incomplete' : 'valid',
      tenant: this.header?.tenant,
      size: leaves?.size ?? 0,
      root: leaves === undefined || this.roots === undefined ? undefined : `sha256:${this.roots.at(leaves.size).toString('hex')}`,
      keys: this.options.trustedKeys === undefined ? 'export' : 'pinned',
      counts: { leaves: leaves?.size ?? 0, events: log?.events.length ?? 0, tree_heads: heads?.count ?? 0, streams: log?.streams.size ?? 0, claims: log?.claims.length ?? 0 },
      ...(witnessed.length === 0 ? {} : { witnessed }),
      by_invariant: byInvariant,
      violations: [...kept].sort((a, b) => (a.sequence ?? Infinity) - (b.sequence ?? Infinity)),
      violations_total: total,
      notes: [...(this.options.trustedKeys === undefined ? [OWN_KEYS] : []), ...this.remarks, ...NOT_CHECKED],
    };
  }
}

const OWN_KEYS = 'no keys were pinned: the export was checked with the public keys it brings itself, so it is only shown to agree with itself';

const NOT_CHECKED: readonly string[] = [
  `checked of the log: format, origins, tree heads, stream heads (19, 20, 24, 25) and invariants ${INVARIANTS.map(({ number }) => number).join(', ')}`,
  'not checked: sealed content (arguments, cards, reasons) and the hashes over it, that a re-evaluation of policy was right, what tools really did, and clocks',
];
