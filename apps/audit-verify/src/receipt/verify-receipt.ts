import { definitionOf, foldChain, receiptShape } from '@exequatur/contracts';
import type { ChainEvent, ReceiptDocument } from '@exequatur/contracts';
import { KeyFormatError, leafHash, originVerifier, verifyInclusion } from '@exequatur/audit-chain';
import type { OriginVerifier, PublicJwk, TreeHead, TrustedKeys, WitnessKey } from '@exequatur/audit-chain';
import { canonicalText, parseStrict, sha256Text, StrictJsonError } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { Findings } from '../export/findings.js';
import { KeyHistory } from '../keys/key-history.js';
import { logOrigin, NoteReader } from '../export/tree-heads.js';
import { checkInvariants } from '../invariants/index.js';
import { readEvent } from '../log/log-event.js';
import type { LogEvent } from '../log/log-event.js';
import type { Report } from '../report.js';
import { shapeFault } from '../shape-faults.js';
import { Witnesses } from '../witnesses.js';
import { checkContent } from './check-content.js';
import { outcomeOfEvents } from './outcome-of-events.js';

export interface VerifyReceiptOptions {
  /** Public keys of the services, pinned by the verifier; else the receipt's own, and the report says so. */
  readonly trustedKeys?: TrustedKeys;
  /** Public keys of the log; else those of service `audit` in trustedKeys, else the receipt's own. */
  readonly logKeys?: readonly PublicJwk[];
  /** Witnesses whose cosignatures are wanted. */
  readonly witnesses?: readonly WitnessKey[];
}

const MOST = { maxBytes: 256 * 1024 * 1024, maxDepth: 64 };
const MAX_VIOLATIONS = 1_000;

/**
 * Verifies one receipt alone: each event's bytes against its service's signature and the signed tree head, everything the
 * receipt says of it against those bytes, the chain of its streams, and the invariants as far as one action shows them. Does not
 * throw on any input. That no event was left out can only be shown by an export.
 */
export const verifyReceipt = (text: string | Uint8Array, options: VerifyReceiptOptions = {}): Report => {
  const read = parsed(text);
  if (typeof read === 'string') return unusable(read, options);
  try {
    return new ReceiptVerification(read, options).run();
  } catch (error) {
    if (error instanceof KeyFormatError) return unusable(`a public key is none: ${error.message}`, options);
    throw error;
  }
};

const parsed = (text: string | Uint8Array): ReceiptDocument | string => {
  try {
    const value = parseStrict(typeof text === 'string' ? Buffer.from(text, 'utf8') : text, MOST);
    const fault = shapeFault(receiptShape.json, value);
    return fault === undefined ? (value as unknown as ReceiptDocument) : `it is no receipt: ${fault}`;
  } catch (error) {
    if (error instanceof StrictJsonError) return `it is no strict JSON: ${error.reason}`;
    throw error;
  }
};

const NO_COUNTS = { leaves: 0, events: 0, tree_heads: 0, streams: 0, claims: 0 } as const;

const unusable = (why: string, { trustedKeys }: VerifyReceiptOptions): Report => ({ result: 'incomplete', tenant: undefined, size: 0, root: undefined, keys: trustedKeys === undefined ? 'export' : 'pinned', counts: NO_COUNTS, by_invariant: {}, violations: [], violations_total: 0, notes: [why] });

/** Something still has to come. */
const STANDING: ReadonlySet<string> = new Set(['proposed', 'awaiting_approval', 'allowed', 'granted', 'reserved', 'executing', 'unknown']);

type Step = ReceiptDocument['steps'][number];

class ReceiptVerification {
  private readonly findings = new Findings(MAX_VIOLATIONS);
  private readonly verifyOrigin: OriginVerifier;
  private readonly notes: NoteReader;
  private readonly witnesses: Witnesses;
  private readonly events: LogEvent[] = [];
  private readonly folded: ChainEvent[] = [];
  private unknownTypes = 0;
  private pending = 0;

  constructor(
    private readonly receipt: ReceiptDocument,
    private readonly options: VerifyReceiptOptions,
  ) {
    this.findings.tenant = receipt.tenant;
    const trusted = options.trustedKeys ?? (receipt.keys as unknown as TrustedKeys);
    this.verifyOrigin = originVerifier(trusted);
    const logKeys = options.logKeys ?? (options.trustedKeys?.['audit'] === undefined ? [receipt.log_key.jwk as unknown as PublicJwk] : undefined);
    this.notes = new NoteReader(receipt.tenant, new KeyHistory(trusted, receipt.tenant, logKeys));
    this.witnesses = new Witnesses(options.witnesses ?? []);
  }

  run(): Report {
    const { receipt, findings } = this;
    const head = this.head();
    const seen = new Set<number>();
    for (const step of receipt.steps) {
      if (seen.has(step.sequence)) findings.add({ invariant: 19, sequence: step.sequence, event_id: step.event_id, message: 'one leaf stands in the receipt twice' });
      seen.add(step.sequence);
      this.step(step, head);
    }
    if (receipt.steps.length === 0) findings.add({ invariant: 'format', message: 'a receipt of nothing' });
    this.wholeStreams();
    const outcome = outcomeOfEvents(this.events);
    this.chain();
    const agent = this.events.find(({ data }) => (data as { facts?: unknown }).facts !== undefined)?.data as { facts: { agent: string } } | undefined;
    if (receipt.agent !== undefined && receipt.agent !== agent?.facts.agent) findings.add({ invariant: 'format', message: `it names agent ${receipt.agent}, and its events do not` });
    if (outcome !== receipt.outcome || receipt.ended === STANDING.has(outcome)) findings.add({ invariant: 'format', message: `it says ${receipt.outcome}, and its events say ${outcome}` });
    if (receipt.content !== undefined) checkContent(receipt.content, this.events, findings);
    // One action is not the whole log: what is missing beside it may well be elsewhere.
    for (const violation of checkInvariants(this.events, { settleMs: Number.POSITIVE_INFINITY })) if (violation.open !== true) findings.add(violation);
    return this.report(head);
  }

  private head(): TreeHead | undefined {
    const { tree_head: said } = this.receipt;
    if (said === undefined) return undefined;
    const head = this.notes.open(said.note);
    if (typeof head === 'string') {
      this.findings.add({ invariant: 24, message: `the tree head: ${head}` });
      return undefined;
    }
    if (head.size !== said.size || `sha256:${Buffer.from(head.root).toString('hex')}` !== said.root || said.log !== logOrigin(this.receipt.tenant)) this.findings.add({ invariant: 24, message: 'the tree head is described otherwise than it was signed' });
    this.witnesses.see(said.note, head.size);
    return head;
  }

  private step(step: Step, head: TreeHead | undefined): void {
    const place = { sequence: step.sequence, event_id: step.event_id };
    const bytes = Buffer.from(step.bytes_b64, 'base64');
    if (bytes.toString('base64') !== step.bytes_b64) this.findings.add({ ...place, invariant: 25, message: 'the bytes are not written as base64 writes them' });
    if (sha256Text(bytes) !== step.event_hash) this.findings.add({ ...place, invariant: 25, message: 'the event hash is not that of the bytes' });
    this.logged(step, bytes, head);
    const read = readEvent(bytes, step.sequence);
    if (read.kind === 'malformed') return this.findings.add({ ...place, invariant: 'format', message: `no valid event: ${read.fault}` });
    const service = read.kind === 'event' ? read.event.service : read.service;
    const fault = service === undefined ? 'it names no service' : this.originFault(step, bytes, service);
    if (fault !== undefined) return this.findings.add({ ...place, invariant: fault === 'key_unknown' ? 12 : 25, message: `${service ?? 'nobody'} does not vouch for these bytes: ${fault}` });
    if (read.kind === 'unknown_type') this.unknownTypes += 1;
    else this.events.push(read.event);
    this.saysWhatTheBytesSay(step, bytes);
  }

  private logged(step: Step, bytes: Buffer, head: TreeHead | undefined): void {
    const place = { sequence: step.sequence, event_id: step.event_id };
    if (step.proof === undefined) {
      this.pending += 1;
      if (step.pending !== true) this.findings.add({ ...place, invariant: 24, message: 'carries no proof, and does not say that it is still to come' });
      return;
    }
    const { index, size, path, leaf_hash: said } = step.proof;
    const leaf = leafHash(bytes);
    const holds = head !== undefined && index === step.sequence && size === head.size && said === `sha256:${leaf.toString('hex')}` && verifyInclusion({ leafHash: leaf, index, size, path: path.map((hash) => Buffer.from(hash.slice('sha256:'.length), 'hex')), root: head.root });
    if (!holds) this.findings.add({ ...place, invariant: 24, message: 'it is not shown to be in the log under the tree head of the receipt' });
  }

  private originFault(step: Step, bytes: Buffer, service: string): string | undefined {
    if (step.path === undefined || step.signature === undefined || step.key_id === undefined) return 'it carries no proof of origin';
    const result = this.verifyOrigin(bytes, { path: step.path, signature: step.signature, keyId: step.key_id }, this.receipt.tenant, service);
    return result.ok ? undefined : result.reason;
  }

  private saysWhatTheBytesSay(step: Step, bytes: Buffer): void {
    const envelope = JSON.parse(bytes.toString('utf8')) as Readonly<Record<string, unknown>>;
    const { grant: _signed, ...open } = envelope['data'] as Readonly<Record<string, unknown>>;
    const place = { sequence: step.sequence, event_id: step.event_id };
    const said = [step.event_id, step.type, step.time, step.actor.type, step.actor.id, canonicalText(step.data as JsonValue)];
    const told = [envelope['id'], envelope['type'], envelope['time'], envelope['actortype'], String(envelope['actorid']).replaceAll('\0', '\ufffd'), canonicalText(open as unknown as JsonValue)];
    if (said.some((each, index) => each !== told[index])) this.findings.add({ ...place, invariant: 25, message: 'the receipt says something else of this event than its bytes do' });
    const service = String(envelope['source']).split('/').at(-1) ?? '';
    this.folded.push({ event_id: step.event_id, name: definitionOf(step.type)?.name ?? step.type, service, version: Number(envelope['sequence']), time: step.time, data: open });
    const ofAction = [open['action_id'], envelope['correlationid']].includes(this.receipt.action_id);
    if (!ofAction || envelope['tenant'] !== this.receipt.tenant) this.findings.add({ ...place, invariant: 18, message: 'an event of another action or tenant' });
  }

  /** A stream's events are all of this action, so a hole in its versions is an event left out. */
  private wholeStreams(): void {
    const streams = new Map<string, number[]>();
    for (const { stream, version } of this.events) streams.set(stream, [...(streams.get(stream) ?? []), version]);
    for (const [stream, versions] of streams) {
      versions.sort((a, b) => a - b);
      const hole = versions.findIndex((version, index) => version !== index + 1);
      if (hole >= 0) this.findings.add({ invariant: 19, message: `stream ${stream}: version ${hole + 1} is not in the receipt` });
    }
  }

  /** Labels, order and the chain of ids are folded again from the bytes. */
  private chain(): void {
    const { chain, steps } = foldChain(this.folded);
    if (this.folded.length !== this.receipt.steps.length) return;
    const same = canonicalText(chain as unknown as JsonValue) === canonicalText(this.receipt.chain as JsonValue) && steps.every(({ step, event }, index) => this.receipt.steps[index]?.event_id === event.event_id && this.receipt.steps[index]?.step === step);
    if (!same) this.findings.add({ invariant: 'format', message: 'the chain, or a label or place in it, does not follow from the events' });
  }

  private report(head: TreeHead | undefined): Report {
    const { findings, options, receipt } = this;
    const witnessed = this.witnesses.heads;
    const unwitnessed = witnessed.filter(({ size }) => size === 0);
    const incomplete = this.pending > 0 || this.unknownTypes > 0 || head === undefined || unwitnessed.length > 0;
    return {
      result: findings.total > 0 ? 'invalid' : incomplete ? 'incomplete' : 'valid',
      tenant: receipt.tenant,
      size: head?.size ?? 0,
      root: head === undefined ? undefined : `sha256:${Buffer.from(head.root).toString('hex')}`,
      keys: options.trustedKeys === undefined ? 'export' : 'pinned',
      counts: { leaves: receipt.steps.length, events: this.events.length, tree_heads: head === undefined ? 0 : 1, streams: new Set(this.events.map(({ stream }) => stream)).size, claims: 0 },
      action: { id: receipt.action_id, outcome: receipt.outcome, ended: receipt.ended },
      ...(witnessed.length === 0 ? {} : { witnessed }),
      by_invariant: findings.byInvariant,
      violations: findings.kept,
      violations_total: findings.total,
      notes: [
        ...(options.trustedKeys === undefined ? ['no keys were pinned: the receipt was checked with the public keys it brings itself'] : []),
        ...unwitnessed.map(({ name }) => `witness ${name} has not cosigned this tree head; take the receipt again later`),
        ...(this.pending > 0 ? [`${this.pending} events are under no tree head yet; take the receipt again later`] : []),
        ...(this.unknownTypes > 0 ? [`${this.unknownTypes} events are of types this verifier does not know`] : []),
        'a receipt shows that these events were logged; that no other event of the action was left out is shown by an export of the whole log',
      ],
    };
  }
}
