import { leafHash, originVerifierOf, verifyBytes } from '@exequatur/audit-chain';
import type { ProofVerifier } from '@exequatur/audit-chain';
import type { KeyHistory } from '../keys/key-history.js';
import { readEvent } from '../log/log-event.js';
import type { ReadEvent } from '../log/log-event.js';
import type { ExportLeaf } from './export-lines.js';
import type { LeafMemory } from './leaf-memory.js';

/** What a leaf says by itself, wherever it stands in the log. */
export interface JudgedLeaf {
  /** whether its bytes are written as base64 writes them */
  readonly canonical: boolean;
  readonly hash: Buffer;
  /** its event's sequence is 0: that is the log's to say */
  readonly read: ReadEvent;
  /** why the service that the event names does not vouch for its bytes; undefined when it does, or names none */
  readonly originFault: string | undefined;
  /** of a grant it carries: whether its service signed that */
  readonly grantSigned: boolean;
}

/** Judges leaves one by one: bytes, event, origin, the signature of a grant. All that costs a signature check is here. */
export class LeafJudge {
  private readonly verifyOrigin: ProofVerifier;

  constructor(
    private readonly tenant: string,
    private readonly keys: KeyHistory,
    private readonly memory?: LeafMemory,
  ) {
    this.verifyOrigin = originVerifierOf(keys.keyOf);
  }

  judge(leaf: ExportLeaf): JudgedLeaf {
    const known = this.memory?.leaf(this.tenant, leaf);
    // A key that a rotation introduced in an earlier run may be unknown in this one.
    if (known !== undefined && this.knowsKeyOf(leaf, known)) return known;
    const judged = this.judged(leaf);
    if (judged.originFault !== 'key_unknown') this.memory?.rememberLeaf(this.tenant, leaf, judged);
    return judged;
  }

  private knowsKeyOf(leaf: ExportLeaf, { read }: JudgedLeaf): boolean {
    return read.kind !== 'event' || leaf.key_id === undefined || this.keys.keyOf(read.event.service, leaf.key_id) !== undefined;
  }

  private judged(leaf: ExportLeaf): JudgedLeaf {
    const bytes = Buffer.from(leaf.bytes_b64, 'base64');
    const hash = leafHash(bytes);
    const read = readEvent(bytes, 0);
    const service = read.kind === 'event' ? read.event.service : read.kind === 'unknown_type' ? read.service : undefined;
    const originFault = service === undefined ? undefined : this.originFault(leaf, hash, service);
    // Nobody asks about the grant of an event that its service does not vouch for.
    const grantSigned = read.kind === 'event' && read.grantJws !== undefined && originFault === undefined && this.grantSigned(read.grantJws, read.event.service, leaf.key_id ?? '');
    return { canonical: bytes.toString('base64') === leaf.bytes_b64, hash, read, originFault, grantSigned };
  }

  private originFault(leaf: ExportLeaf, hash: Buffer, service: string): string | undefined {
    if (leaf.path === undefined || leaf.signature === undefined || leaf.key_id === undefined) return 'it carries no proof of origin';
    const result = this.verifyOrigin(hash, { path: leaf.path, signature: leaf.signature, keyId: leaf.key_id }, this.tenant, service);
    return result.ok ? undefined : result.reason;
  }

  /** Compact JWS (RFC 7515), EdDSA, by the key that vouches for its event. */
  private grantSigned(jws: string, service: string, kid: string): boolean {
    const [header = '', payload = '', signature = ''] = jws.split('.');
    const bytes = Buffer.from(signature, 'base64url');
    const key = this.keys.keyOf(service, kid);
    return key !== undefined && bytes.toString('base64url') === signature && verifyBytes(key, Buffer.from(`${header}.${payload}`, 'utf8'), bytes);
  }
}
