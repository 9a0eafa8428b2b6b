import { EVENT_TOPICS, OWN_CONTEXT, StreamHeadsPublished, TreeHeadPublished } from '@exequatur/contracts';
import type { EventDefinition, ServiceName } from '@exequatur/contracts';
import { HASH_BYTES, importVerifyingKey, leafHash, originVerifier, verifyBytes } from '@exequatur/audit-chain';
import type { OriginVerifier, TrustedKeys } from '@exequatur/audit-chain';
import { readEvent } from '../log/log-event.js';
import type { LogEvent, ReadEvent } from '../log/log-event.js';
import type { Findings } from './findings.js';
import type { ExportLeaf } from './export-lines.js';

/** Types that no stream head counts; they carry no ordinal. */
const UNCOUNTED: ReadonlySet<string> = new Set([StreamHeadsPublished.type, TreeHeadPublished.type]);

/** Reads leaves one after another; keeps their hashes (32 bytes each), ordinals and what the invariants need. */
export class Leaves {
  readonly events: LogEvent[] = [];
  readonly ordinals = new Map<ServiceName, Map<number, number>>();
  unknownTypes = 0;
  private hashes = Buffer.alloc(HASH_BYTES * 1_024);
  private count = 0;
  private readonly ids = new Map<string, number>();
  private readonly verifyOrigin: OriginVerifier;

  constructor(
    private readonly tenant: string,
    private readonly trustedKeys: TrustedKeys,
    private readonly findings: Findings,
  ) {
    this.verifyOrigin = originVerifier(trustedKeys);
  }

  get size(): number {
    return this.count;
  }

  hashAt(index: number): Buffer {
    return this.hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }

  take(leaf: ExportLeaf): void {
    const sequence = this.count;
    if (leaf.sequence !== sequence) this.findings.add({ invariant: 24, sequence, message: `leaf ${sequence} of the export is numbered ${leaf.sequence}: one is missing, added or out of its place` });
    const bytes = Buffer.from(leaf.bytes_b64, 'base64');
    if (bytes.toString('base64') !== leaf.bytes_b64) this.findings.add({ invariant: 25, sequence, message: 'the bytes are not written as base64 writes them' });
    this.remember(leafHash(bytes));
    const read = readEvent(bytes, sequence);
    switch (read.kind) {
      case 'malformed':
        this.findings.add({ invariant: 'format', sequence, event_id: read.id, message: `no valid event: ${read.fault}` });
        return;
      case 'unknown_type':
        this.unknownType(leaf, bytes, sequence, read);
        return;
      case 'event':
        this.event(leaf, bytes, read);
    }
  }

  /** A type of a newer version: origin and place are checked, what it says is not. */
  private unknownType(leaf: ExportLeaf, bytes: Buffer, sequence: number, { type, service, id }: Extract<ReadEvent, { kind: 'unknown_type' }>): void {
    this.unknownTypes += 1;
    if (service === undefined || !this.originHolds(leaf, bytes, service)) {
      this.findings.add({ invariant: 12, sequence, event_id: id, message: `type ${type} is unknown here, and no service vouches for it` });
      return;
    }
    this.takeOrdinal(leaf, service, sequence, id);
  }

  private event(leaf: ExportLeaf, bytes: Buffer, { event, definition, grantJws }: Extract<ReadEvent, { kind: 'event' }>): void {
    const place = { sequence: event.sequence, event_id: event.id };
    const fault = this.originFault(leaf, bytes, event.service);
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
    } else {
      this.takeOrdinal(leaf, event.service, event.sequence, event.id);
    }
    if (grantJws !== undefined && !this.grantSigned(grantJws, event.service)) this.findings.add({ ...place, invariant: 12, message: `the grant it carries is not signed by ${event.service}` });
    this.events.push(event);
  }

  private takeOrdinal(leaf: ExportLeaf, service: ServiceName, sequence: number, id: string | undefined): void {
    const ofService = this.ordinals.get(service) ?? new Map<number, number>();
    this.ordinals.set(service, ofService);
    if (leaf.ordinal === undefined || leaf.ordinal === 0) {
      this.findings.add({ invariant: 20, sequence, event_id: id, message: `says no place among the events of ${service}` });
      return;
    }
    const other = ofService.get(leaf.ordinal);
    if (other !== undefined) this.findings.add({ invariant: 20, sequence, event_id: id, message: `is number ${leaf.ordinal} of ${service}, and so is leaf ${other}` });
    else ofService.set(leaf.ordinal, sequence);
  }

  private originHolds(leaf: ExportLeaf, bytes: Buffer, service: ServiceName): boolean {
    return this.originFault(leaf, bytes, service) === undefined;
  }

  private originFault(leaf: ExportLeaf, bytes: Buffer, service: ServiceName): string | undefined {
    if (leaf.path === undefined || leaf.signature === undefined || leaf.key_id === undefined) return 'it carries no proof of origin';
    const result = this.verifyOrigin(bytes, { path: leaf.path, signature: leaf.signature, keyId: leaf.key_id }, this.tenant, service);
    return result.ok ? undefined : result.reason;
  }

  /** Compact JWS (RFC 7515), EdDSA, by any trusted key of the service. */
  private grantSigned(jws: string, service: ServiceName): boolean {
    const [header = '', payload = '', signature = ''] = jws.split('.');
    const bytes = Buffer.from(signature, 'base64url');
    if (bytes.toString('base64url') !== signature) return false;
    return (this.trustedKeys[service] ?? []).some(({ jwk }) => verifyBytes(importVerifyingKey(jwk), Buffer.from(`${header}.${payload}`, 'utf8'), bytes));
  }

  private remember(hash: Buffer): void {
    if ((this.count + 1) * HASH_BYTES > this.hashes.length) this.hashes = Buffer.concat([this.hashes, Buffer.alloc(this.hashes.length)]);
    hash.copy(this.hashes, this.count * HASH_BYTES);
    this.count += 1;
  }
}

const topicNameOf = (definition: EventDefinition, service: ServiceName): string => EVENT_TOPICS[definition.owner === 'any' ? OWN_CONTEXT[service] : definition.context].name;
