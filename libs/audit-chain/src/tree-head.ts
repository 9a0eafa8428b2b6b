import type { KeyObject } from 'node:crypto';
import { fromInstant } from '@exequatur/kernel';
import { strictBase64, strictCount } from './encoding.js';
import { importVerifyingKey } from './keys.js';
import type { PublicJwk, SigningKey } from './keys.js';
import { HASH_BYTES } from './merkle.js';
import { openNote, signNote } from './note.js';

/** Size and root of a log, as signed (c2sp.org/tlog-checkpoint; "checkpoint" means something else here). */
export interface TreeHead {
  /** Names the log, and the key in the signature line: no spaces, no plus, e.g. `exequatur/acme`. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** RFC 3339. An extension line; nothing is judged by it. */
  readonly timestamp?: string;
}

const TIMESTAMP = 'timestamp ';

/** @throws RangeError when a part could be read as another tree head */
export const signTreeHead = ({ origin, size, root, timestamp }: TreeHead, key: SigningKey): string => {
  if (!Number.isSafeInteger(size) || size < 0 || root.byteLength !== HASH_BYTES) throw new RangeError('a tree head has a count of leaves and a root of 32 bytes');
  if (timestamp !== undefined) fromInstant(timestamp);
  const lines = [origin, String(size), Buffer.from(root).toString('base64'), ...(timestamp === undefined ? [] : [TIMESTAMP + timestamp])];
  return signNote(`${lines.join('\n')}\n`, origin, key);
};

export type TreeHeadResult = { readonly ok: true; readonly head: TreeHead } | { readonly ok: false; readonly reason: 'malformed' | 'signature_invalid' };

/** What this key signed, under the origin that the note itself names: the caller compares the origin with the log it wants. */
export const verifyTreeHead = (note: string, publicKey: KeyObject | PublicJwk): TreeHeadResult => {
  const origin = note.slice(0, note.indexOf('\n'));
  const text = openNote(note, origin, 'kty' in publicKey ? importVerifyingKey(publicKey) : publicKey);
  if (text === undefined) return { ok: false, reason: 'signature_invalid' };
  const head = parseTreeHead(text);
  return head === undefined ? { ok: false, reason: 'malformed' } : { ok: true, head };
};

const parseTreeHead = (text: string): TreeHead | undefined => {
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.slice(0, -1).split('\n');
  const size = strictCount(sizeText);
  const root = strictBase64(rootText, 'base64');
  if (origin === '' || size === undefined || root?.length !== HASH_BYTES || extensions.includes('')) return undefined;
  const timestamp = extensions.find((line) => line.startsWith(TIMESTAMP))?.slice(TIMESTAMP.length);
  return { origin, size, root, ...(timestamp === undefined ? {} : { timestamp }) };
};
