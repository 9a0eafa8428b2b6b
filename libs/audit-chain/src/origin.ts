import type { KeyObject } from 'node:crypto';
import { canonicalBytes } from '@exequatur/kernel';
import { signDsse, verifyDsse } from './dsse.js';
import { strictBase64, strictCount } from './encoding.js';
import { importVerifyingKey } from './keys.js';
import type { PublicJwk, SigningKey } from './keys.js';
import { leafHash, leafHashText, levelsOf, pathInLevels, rootOfPath } from './merkle.js';
import { nodeTexts } from './node-texts.js';

/**
 * Origin of events (architecture.md, "The database is the arbiter" 2): the owner signs one Merkle root over all events of
 * a transaction and tenant; each event carries its path to that root, so it proves its origin alone.
 */
export const BATCH_ROOT_TYPE = 'application/vnd.exequatur.batch-root+json';

export interface OriginProof {
  /** `<index>/<size>:<hash>,<hash>…`, hashes base64url from the leaf upwards */
  readonly path: string;
  /** DSSE signature over the root, base64url */
  readonly signature: string;
  readonly keyId: string;
}

/** Pinned public keys by service; several while a key is being rotated. */
export type TrustedKeys = Readonly<Record<string, readonly { readonly kid: string; readonly jwk: PublicJwk }[]>>;

export type OriginFault = 'path_malformed' | 'path_invalid' | 'key_unknown' | 'signature_malformed' | 'signature_invalid';
export type OriginResult = { readonly ok: true } | { readonly ok: false; readonly reason: OriginFault };

/** Proofs for the events of one transaction and tenant, in their order. One signature, however many events. */
export const signBatch = (eventBytes: readonly Uint8Array[], by: { readonly tenant: string; readonly service: string; readonly key: SigningKey }): OriginProof[] => {
  if (eventBytes.length === 0) return [];
  const levels = levelsOf(eventBytes.map(leafHash));
  const root = levels.at(-1)?.[0] as Buffer;
  const signature = signDsse(by.key, BATCH_ROOT_TYPE, batchRoot(root, eventBytes.length, by.tenant, by.service)).toString('base64url');
  return eventBytes.map((_, index) => ({
    path: `${index}/${eventBytes.length}:${pathInLevels(levels, index).map((hash) => hash.toString('base64url')).join(',')}`,
    signature,
    keyId: by.key.kid,
  }));
};

const batchRoot = (root: Buffer, size: number, tenant: string, service: string): Uint8Array => canonicalBytes({ root: `sha256:${root.toString('hex')}`, service, size, tenant });

/** Does `service` vouch for these bytes, in this tenant? For many events use `originVerifier`. */
export const verifyOrigin = (bytes: Uint8Array, proof: OriginProof, tenant: string, service: string, trustedKeys: TrustedKeys): OriginResult =>
  originVerifier(trustedKeys, { remember: 0 })(bytes, proof, tenant, service);

export type OriginVerifier = (bytes: Uint8Array, proof: OriginProof, tenant: string, service: string) => OriginResult;

/** Batches whose root stays verified, about 300 bytes each. */
const REMEMBERED_ROOTS = 4_096;

/**
 * A verifier that imports keys once and remembers roots it has verified, so that a batch costs one signature check.
 * Hashing is never skipped: the remembered root must be the one these very bytes lead to.
 * @throws KeyFormatError here, at start, when a trusted key is none
 */
export const originVerifier = (trustedKeys: TrustedKeys, options: { readonly remember?: number } = {}): OriginVerifier => {
  const keys = new Map(Object.entries(trustedKeys).map(([service, trusted]) => [service, new Map<string, KeyObject>(trusted.map(({ kid, jwk }) => [kid, importVerifyingKey(jwk)]))]));
  const verify = verifierOf((service, kid) => keys.get(service)?.get(kid), options);
  return (bytes, proof, tenant, service) => verify(leafHashText(bytes), proof, tenant, service);
};

/** As OriginVerifier, for who has the leaf's hash and no longer its bytes. */
export type ProofVerifier = (leaf: Buffer, proof: OriginProof, tenant: string, service: string) => OriginResult;

/** The same over keys that come to be known on the way. */
export const originVerifierOf = (keyOf: KeyOf): ProofVerifier => {
  const verify = verifierOf(keyOf, {});
  return (leaf, proof, tenant, service) => verify(leaf.toString('base64url'), proof, tenant, service);
};

type KeyOf = (service: string, kid: string) => KeyObject | undefined;

/** The leaf's hash is base64url, as are those of its path. */
const verifierOf = (keyOf: KeyOf, { remember = REMEMBERED_ROOTS }: { readonly remember?: number }): ((leaf: string, proof: OriginProof, tenant: string, service: string) => OriginResult) => {
  const verified = new Map<string, VerifiedRoot>();
  const nodeOf = nodeTexts();

  return (leaf, proof, tenant, service) => {
    const place = textsOfPath(proof.path);
    if (place === undefined) return fault('path_malformed');
    const root = rootOfPath(leaf, place, nodeOf);
    if (root === undefined) return fault('path_invalid');
    const key = keyOf(service, proof.keyId);
    if (key === undefined) return fault('key_unknown');
    const known = verified.get(proof.signature);
    if (known !== undefined && known.root === root && known.size === place.size && known.keyId === proof.keyId && known.tenant === tenant && known.service === service) return OK;
    const signature = strictBase64(proof.signature, 'base64url');
    if (signature === undefined) return fault('signature_malformed');
    if (!verifyDsse(key, BATCH_ROOT_TYPE, batchRoot(Buffer.from(root, 'base64url'), place.size, tenant, service), signature)) return fault('signature_invalid');
    if (remember > 0) verified.set(proof.signature, { root, size: place.size, keyId: proof.keyId, tenant, service });
    for (const oldest of verified.keys()) {
      if (verified.size <= remember) break;
      verified.delete(oldest);
    }
    return OK;
  };
};

const OK: OriginResult = { ok: true };

/** Everything that a signature was found to be over: what differs in one of them is another root. */
interface VerifiedRoot {
  /** base64url */
  readonly root: string;
  readonly size: number;
  readonly keyId: string;
  readonly tenant: string;
  readonly service: string;
}

const fault = (reason: OriginFault): OriginResult => ({ ok: false, reason });

/** 53 levels hold any tree whose size is a safe integer; a hash is 43 characters. */
const LONGEST_PATH = 53;
const HASH_TEXT = 43;
/** 32 bytes have one base64url text: its last character holds four bits and two that are 0. */
const HASHES = /^(?:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048](?:,|$))*$/;

interface PathTexts {
  readonly index: number;
  readonly size: number;
  /** hashes from the leaf upwards, base64url */
  readonly path: readonly string[];
}

const textsOfPath = (text: string): PathTexts | undefined => {
  if (text.length > LONGEST_PATH * (HASH_TEXT + 1) + 34) return undefined;
  const colon = text.indexOf(':');
  const slash = text.indexOf('/');
  if (slash === -1 || slash > colon) return undefined;
  const [index, size] = [strictCount(text.slice(0, slash)), strictCount(text.slice(slash + 1, colon))];
  const hashes = text.slice(colon + 1);
  if (index === undefined || size === undefined || hashes.endsWith(',') || !HASHES.test(hashes)) return undefined;
  return { index, size, path: hashes === '' ? [] : hashes.split(',') };
};

/** Index, size and hashes of a path's text; undefined unless it is exactly as signBatch writes it. */
export const parsePath = (text: string): { readonly index: number; readonly size: number; readonly path: readonly Buffer[] } | undefined => {
  const texts = textsOfPath(text);
  return texts === undefined ? undefined : { ...texts, path: texts.path.map((hash) => Buffer.from(hash, 'base64url')) };
};
