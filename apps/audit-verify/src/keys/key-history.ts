import type { KeyObject } from 'node:crypto';
import { importVerifyingKey, rawPublicKey, verifyKeyRotation } from '@exequatur/audit-chain';
import type { KeyRotation, PublicJwk, TrustedKeys } from '@exequatur/audit-chain';
import type { ServiceName } from '@exequatur/contracts';

export interface KnownKey {
  readonly kid: string;
  readonly key: KeyObject;
}

/** A recorded change of key: behind number `ordinal` of the service the old one signs nothing more. */
export interface Rotation {
  readonly from: string;
  readonly to: string;
  readonly ordinal: number;
  /** leaf index */
  readonly sequence: number;
}

/** A use of a key that its place in the log does not allow. */
export interface MisplacedUse {
  readonly service: ServiceName;
  readonly ordinal: number;
  readonly sentence: string;
}

/**
 * Whose key signed when. A log begins with one key of each service, any of the pinned ones; another one takes over only where
 * SigningKeyRotated says so, signed by both. What counts is the place among the service's own events (its ordinal, which its
 * counts bind), never a clock, and never the order in which leaves of different topics were logged.
 */
export class KeyHistory {
  private readonly known = new Map<string, Map<string, KeyObject>>();
  private readonly rotations = new Map<string, Rotation[]>();
  /** ordinals by service and key */
  private readonly uses = new Map<ServiceName, Map<string, number[]>>();

  private readonly log: KnownKey[];

  /**
   * @param logKeys of tree heads; else those of service audit
   * @throws KeyFormatError when a pinned key is none
   */
  constructor(
    pinned: TrustedKeys,
    private readonly tenant: string,
    logKeys?: readonly PublicJwk[],
  ) {
    for (const [service, keys] of Object.entries(pinned)) this.known.set(service, new Map(keys.map(({ kid, jwk }) => [kid, importVerifyingKey(jwk)])));
    this.log = (logKeys ?? (pinned['audit'] ?? []).map(({ kid, jwk }) => ({ ...jwk, kid }))).map((jwk) => ({ kid: jwk.kid ?? '', key: importVerifyingKey(jwk) }));
  }

  readonly keyOf = (service: string, kid: string): KeyObject | undefined => this.known.get(service)?.get(kid);

  /** Keys that tree heads and ends may be signed by: those pinned for the log, and those that audit's rotations led to. */
  logKeys(): readonly KnownKey[] {
    return this.log;
  }

  /** The rotation after which this key signs nothing more. */
  endOf(service: string, kid: string): Rotation | undefined {
    return this.rotations.get(service)?.find(({ from }) => from === kid);
  }

  /** Takes a rotation that `signedBy` signed as an event. @returns what is wrong with it */
  rotate(rotation: KeyRotation, event: { readonly service: ServiceName; readonly signedBy: string; readonly ordinal: number; readonly sequence: number }): string | undefined {
    const { service, signedBy, ordinal, sequence } = event;
    if (rotation.service !== service) return `it rotates a key of ${rotation.service}, which ${service} may not`;
    if (rotation.old_key_id !== signedBy) return `it ends key ${rotation.old_key_id}, and ${signedBy} signed it`;
    const earlier = this.rotations.get(service) ?? [];
    if (earlier.some(({ from, to }) => from === rotation.old_key_id || from === rotation.new_key_id || to === rotation.new_key_id)) return 'one of its keys was rotated before';
    const oldKey = this.keyOf(service, signedBy);
    const newKey = oldKey === undefined ? undefined : verifyKeyRotation(rotation, this.tenant, oldKey);
    if (newKey === undefined) return 'the old and the new key did not both sign it';
    const pinned = this.keyOf(service, rotation.new_key_id);
    if (pinned !== undefined && !rawPublicKey(pinned).equals(rawPublicKey(newKey))) return `another key is pinned as ${rotation.new_key_id}`;
    this.known.get(service)?.set(rotation.new_key_id, newKey);
    if (service === 'audit') this.log.push({ kid: rotation.new_key_id, key: newKey });
    this.rotations.set(service, [...earlier, { from: rotation.old_key_id, to: rotation.new_key_id, ordinal, sequence }]);
    return undefined;
  }

  used(service: ServiceName, kid: string, ordinal: number): void {
    const ofService = this.uses.get(service) ?? new Map<string, number[]>();
    this.uses.set(service, ofService);
    const ordinals = ofService.get(kid);
    if (ordinals === undefined) ofService.set(kid, [ordinal]);
    else ordinals.push(ordinal);
  }

  /** Every event that a key signed before or after its time. */
  misplaced(): readonly MisplacedUse[] {
    return [...this.uses].flatMap(([service, byKey]) => {
      const periods = this.periodsOf(service, byKey);
      return [...byKey].flatMap(([kid, ordinals]) => {
        const [after, upTo] = periods.get(kid) ?? [Infinity, -Infinity];
        const ended = this.endOf(service, kid);
        const sentence = (ordinal: number): string =>
          ended !== undefined && ordinal > ended.ordinal ? `signed by key ${kid} of ${service}, which was rotated out with leaf ${ended.sequence}` : `signed by key ${kid} of ${service}, which no rotation had put in force by then`;
        return ordinals.filter((ordinal) => ordinal <= after || ordinal > upTo).map((ordinal) => ({ service, ordinal, sentence: sentence(ordinal) }));
      });
    });
  }

  /** By key id: it signs numbers above the first and up to the second. */
  private periodsOf(service: string, uses: ReadonlyMap<string, readonly number[]>): ReadonlyMap<string, readonly [after: number, upTo: number]> {
    const rotations = [...(this.rotations.get(service) ?? [])].sort((a, b) => a.ordinal - b.ordinal);
    const firstUsed = [...uses].reduce<readonly [number, string]>((first, [kid, ordinals]) => ordinals.reduce((least, each) => (each < least[0] ? [each, kid] as const : least), first), [Infinity, '']);
    let current = rotations[0]?.from ?? firstUsed[1];
    let after = 0;
    const periods = new Map<string, readonly [number, number]>();
    for (const { from, to, ordinal } of rotations) {
      // A rotation of a key that was not in force puts none in force.
      if (from !== current) continue;
      periods.set(current, [after, ordinal]);
      [current, after] = [to, ordinal];
    }
    return periods.set(current, [after, Infinity]);
  }
}
