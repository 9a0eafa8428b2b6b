import { EVENT_TOPICS, OWN_CONTEXT, RetentionEnded, SigningKeyRotated, StreamHeadsPublished, TreeHeadPublished } from '@exequatur/contracts';
import type { DataOf, EventDefinition, ServiceName } from '@exequatur/contracts';
import { HASH_BYTES } from '@exequatur/audit-chain';
import type { KeyHistory } from '../keys/key-history.js';
import type { LogEvent, ReadEvent } from '../log/log-event.js';
import type { Findings } from './findings.js';
import type { ExportLeaf, PrunedLeaf } from './export-lines.js';
import type { JudgedLeaf, LeafJudge } from './judge-leaf.js';

/** Types that no stream head counts; they carry no ordinal. */
const UNCOUNTED: ReadonlySet<string> = new Set([StreamHeadsPublished.type, TreeHeadPublished.type]);

/** Nothing is kept shorter, whatever a policy says. */
const SHORTEST_RETENTION_MS = 180 * 86_400_000;

/** Leaves kept with their bytes until a rotation explains their key; more of them are no log. */
const MOST_WAITING = 10_000;

/** Reads leaves one after another; keeps their hashes (32 bytes each), ordinals and what the invariants need. */
export class Leaves {
  readonly events: LogEvent[] = [];
  readonly ordinals = new Map<ServiceName, Map<number, number>>();
  unknownTypes = 0;
  private hashes = Buffer.alloc(HASH_BYTES * 1_024);
  private count = 0;
  private readonly ids = new Map<string, number>();
  /** Signed by a key that a rotation may yet introduce: topics are logged in any order. */
  private waiting: { readonly leaf: ExportLeaf; readonly sequence: number }[] = [];
  private readonly counts: { readonly event: LogEvent<DataOf<typeof StreamHeadsPublished>>; readonly kid: string }[] = [];

  constructor(
    private readonly tenant: string,
    private readonly leafJudge: LeafJudge,
    private readonly keys: KeyHistory,
    private readonly findings: Findings,
  ) {}

  get size(): number {
    return this.count;
  }

  hashAt(index: number): Buffer {
    return this.hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }

  /** Leaves without bytes, by sequence. */
  readonly pruned = new Set<number>();

  takePruned(leaf: PrunedLeaf): void {
    const sequence = this.count;
    if (leaf.sequence !== sequence) this.findings.add({ invariant: 24, sequence, message: `leaf ${sequence} of the export is numbered ${leaf.sequence}: one is missing, added or out of its place` });
    this.remember(Buffer.from(leaf.leaf_hash.slice('sha256:'.length), 'hex'));
    this.pruned.add(sequence);
    const service = Object.values(EVENT_TOPICS).find(({ name }) => name === leaf.topic)?.owner;
    if (service === undefined || leaf.ordinal === undefined || leaf.ordinal === 0) this.findings.add({ invariant: 20, sequence, message: 'its bytes are gone, and it says no place among the events of a service' });
    else this.placed(service, leaf.ordinal, sequence, undefined);
  }

  take(leaf: ExportLeaf): void {
    const sequence = this.count;
    if (leaf.sequence !== sequence) this.findings.add({ invariant: 24, sequence, message: `leaf ${sequence} of the export is numbered ${leaf.sequence}: one is missing, added or out of its place` });
    const judged = this.leafJudge.judge(leaf);
    if (!judged.canonical) this.findings.add({ invariant: 25, sequence, message: 'the bytes are not written as base64 writes them' });
    this.remember(judged.hash);
    this.judged(leaf, judged, sequence);
  }

  /** When all are read: what no rotation explained, and keys that signed before or after their time. */
  finish(): void {
    const unexplained = this.waiting;
    this.waiting = [];
    for (const { leaf, sequence } of unexplained) this.judged(leaf, this.leafJudge.judge(leaf), sequence, { final: true });
    this.events.sort((a, b) => a.sequence - b.sequence);
    this.checkPruned();
    for (const { service, ordinal, sentence } of this.keys.misplaced()) this.findings.add({ invariant: 12, sequence: this.ordinals.get(service)?.get(ordinal), message: sentence });
    for (const { event, kid } of this.counts) {
      const ended = this.keys.endOf(event.service, kid);
      if (ended !== undefined && event.data.events >= ended.ordinal) this.findings.add({ invariant: 12, sequence: event.sequence, event_id: event.id, message: `counts after leaf ${ended.sequence} with key ${kid} of ${event.service}, which that rotated out` });
    }
  }

  private judged(leaf: ExportLeaf, judged: JudgedLeaf, sequence: number, { final = false }: { readonly final?: boolean } = {}): void {
    const { read } = judged;
    if (judged.originFault === 'key_unknown' && !final && this.waiting.length < MOST_WAITING) {
      this.waiting.push({ leaf, sequence });
      return;
    }
    switch (read.kind) {
      case 'malformed':
        this.findings.add({ invariant: 'format', sequence, event_id: read.id, message: `no valid event: ${read.fault}` });
        return;
      case 'unknown_type':
        this.unknownType(leaf, judged, sequence, read);
        return;
      case 'event':
        this.event(leaf, judged, { ...read, event: { ...read.event, sequence } });
    }
  }

  private rotated(leaf: ExportLeaf, event: LogEvent<DataOf<typeof SigningKeyRotated>>): void {
    const fault = this.keys.rotate(event.data, { service: event.service, signedBy: leaf.key_id ?? '', ordinal: leaf.ordinal ?? 0, sequence: event.sequence });
    if (fault !== undefined) {
      this.findings.add({ invariant: 12, sequence: event.sequence, event_id: event.id, message: `this rotates no key: ${fault}` });
      return;
    }
    const waited = this.waiting;
    this.waiting = [];
    for (const { leaf: each, sequence } of waited) this.judged(each, this.leafJudge.judge(each), sequence);
  }

  /** A type of a newer version: origin and place are checked, what it says is not. */
  private unknownType(leaf: ExportLeaf, { originFault }: JudgedLeaf, sequence: number, { type, service, id }: Extract<ReadEvent, { kind: 'unknown_type' }>): void {
    this.unknownTypes += 1;
    if (service === undefined || originFault !== undefined) {
      this.findings.add({ invariant: 12, sequence, event_id: id, message: `type ${type} is unknown here, and no service vouches for it` });
      return;
    }
    this.takeOrdinal(leaf, service, sequence, id);
  }

  private event(leaf: ExportLeaf, { originFault: fault, grantSigned }: JudgedLeaf, { event, definition, grantJws }: Extract<ReadEvent, { kind: 'event' }>): void {
    const place = { sequence: event.sequence, event_id: event.id };
    if (fault !== undefined) {
      this.findings.add({ ...place, invariant: fault === 'key_unknown' ? 12 : 25, message: `${event.service} does not vouch for these bytes: ${fault}` });
      return;
    }
    if (event.tenant !== this.tenant) this.findings.add({ ...place, invariant: 18, message: `an event of tenant ${event.tenant} in the log of ${this.tenant}` });
    if (leaf.topic !== topicNameOf(definition, event.service)) this.findings.add({ ...place, invariant: 25, message: `it was taken from ${leaf.topic}, where ${event.service} does not publish it` });
    if (event.type === TreeHeadPublished.type) this.findings.add({ ...place, invariant: 24, message: 'the log contains one of its own tree heads' });
    const first = this.ids.get(event.id);
    if (first !== undefined) {
      const same = this.hashAt(first).equals(this.hashAt(event.sequence));
      this.findings.add({ ...place, invariant: 19, message: same ? `the same event as leaf ${first}` : `a fork: the id of leaf ${first} with other bytes` });
      return;
    }
    this.ids.set(event.id, event.sequence);
    if (UNCOUNTED.has(event.type)) {
      if (leaf.ordinal !== undefined) this.findings.add({ ...place, invariant: 20, message: 'carries an ordinal, though no stream head counts it' });
      if (event.type === StreamHeadsPublished.type) this.counts.push({ event: event as LogEvent<DataOf<typeof StreamHeadsPublished>>, kid: leaf.key_id ?? '' });
    } else {
      this.takeOrdinal(leaf, event.service, event.sequence, event.id);
    }
    if (grantJws !== undefined && !grantSigned) this.findings.add({ ...place, invariant: 12, message: `the grant it carries is not signed by ${event.service}` });
    this.events.push(event);
    if (event.type === SigningKeyRotated.type) this.rotated(leaf, event as LogEvent<DataOf<typeof SigningKeyRotated>>);
  }

  private takeOrdinal(leaf: ExportLeaf, service: ServiceName, sequence: number, id: string | undefined): void {
    if (leaf.ordinal === undefined || leaf.ordinal === 0) {
      this.findings.add({ invariant: 20, sequence, event_id: id, message: `says no place among the events of ${service}` });
      return;
    }
    if (this.placed(service, leaf.ordinal, sequence, id)) this.keys.used(service, leaf.key_id ?? '', leaf.ordinal);
  }

  private placed(service: ServiceName, ordinal: number, sequence: number, id: string | undefined): boolean {
    const ofService = this.ordinals.get(service) ?? new Map<number, number>();
    this.ordinals.set(service, ofService);
    const other = ofService.get(ordinal);
    if (other !== undefined) this.findings.add({ invariant: 20, sequence, event_id: id, message: `is number ${ordinal} of ${service}, and so is leaf ${other}` });
    else ofService.set(ordinal, sequence);
    return other === undefined;
  }

  /** What was pruned, and not by a recorded end of retention; nothing is kept shorter than the floor. */
  private checkPruned(): void {
    const ended = this.events.filter((event): event is LogEvent<DataOf<typeof RetentionEnded>> => event.type === RetentionEnded.type);
    const named = new Set(ended.flatMap(({ data }) => data.leaves));
    for (const sequence of this.pruned) if (!named.has(sequence)) this.findings.add({ invariant: 20, sequence, message: 'its bytes are gone, and no RetentionEnded says that they may be' });
    for (const { data, timeMs, sequence, id } of ended) {
      const due = Date.parse(data.last_event_at) + data.retention_ms;
      if (data.retention_ms < SHORTEST_RETENTION_MS || timeMs < due) this.findings.add({ invariant: 20, sequence, event_id: id, message: `ends the retention of action ${data.action_id} before its time` });
    }
  }

  private remember(hash: Buffer): void {
    if ((this.count + 1) * HASH_BYTES > this.hashes.length) this.hashes = Buffer.concat([this.hashes, Buffer.alloc(this.hashes.length)]);
    hash.copy(this.hashes, this.count * HASH_BYTES);
    this.count += 1;
  }
}

const topicNameOf = (definition: EventDefinition, service: ServiceName): string => EVENT_TOPICS[definition.owner === 'any' ? OWN_CONTEXT[service] : definition.context].name;
