import { verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { strictBase64, strictCount } from './encoding.js';
import { importVerifyingKey, signBytes } from './keys.js';
import type { SigningKey } from './keys.js';
import { isKeyName, noteKeyId, rawPublicKey } from './note.js';
import { notePartsOf, readSignatureLine } from './note-parts.js';

/** Cosignatures of tree heads (c2sp.org/tlog-cosignature, `cosignature/v1`), made by witnesses with Ed25519 keys of type 0x04. */
const COSIGNING = 0x04;
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;

/** A witness as those who trust it know it. */
export interface WitnessKey {
  readonly name: string;
  readonly publicKey: KeyObject;
}

const signedText = (text: string, seconds: number): Buffer => Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`, 'utf8');

/**
 * The signature line, with its newline, that a witness adds to a note.
 * @param text of the note, as the log signed it
 * @param seconds Unix time; no clock is judged by it
 */
export const cosign = (text: string, name: string, key: SigningKey, seconds: number): string => {
  if (!isKeyName(name)) throw new RangeError('the name of a witness holds neither spaces nor plus');
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(seconds));
  const bytes = Buffer.concat([noteKeyId(name, key.publicKey, COSIGNING), time, signBytes(key, signedText(text, seconds))]);
  return `\u2014 ${name} ${bytes.toString('base64')}\n`;
};

/** Unix seconds of this witness's cosignature among the lines of a note; undefined without a good one. */
export const cosignedAt = (note: string, { name, publicKey }: WitnessKey): number | undefined => {
  const parts = notePartsOf(note);
  if (parts === undefined) return undefined;
  const keyId = noteKeyId(name, publicKey, COSIGNING);
  for (const each of parts.signatures) {
    if (each.name !== name || !each.keyId.equals(keyId) || each.signature.length !== TIME_BYTES + SIGNATURE_BYTES) continue;
    const seconds = Number(each.signature.readBigUInt64BE(0));
    if (Number.isSafeInteger(seconds) && verify(null, signedText(parts.text, seconds), publicKey, each.signature.subarray(TIME_BYTES))) return seconds;
  }
  return undefined;
};

/** Lines of text that are signature lines and by this name; all else is left out, so that no answer of a witness can break a note. */
export const signatureLinesOf = (text: string, name: string): readonly string[] =>
  text.split('\n').filter((line) => readSignatureLine(line)?.name === name).map((line) => `${line}\n`);

/** `name+<key id in hex>+<base64 of type and key>`: how C2SP writes a key that verifies. */
export const writeWitnessKey = ({ name, publicKey }: WitnessKey): string =>
  `${name}+${noteKeyId(name, publicKey, COSIGNING).toString('hex')}+${Buffer.concat([Buffer.of(COSIGNING), rawPublicKey(publicKey)]).toString('base64')}`;

/** The key that such a text stands for; undefined unless it is one of a witness, written exactly so. */
export const readWitnessKey = (text: string): WitnessKey | undefined => {
  // Base64 may hold a plus, names and key ids do not.
  const [, name = '', , encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(text) ?? [];
  const bytes = strictBase64(encoded, 'base64');
  if (!isKeyName(name) || bytes?.length !== 33 || bytes[0] !== COSIGNING) return undefined;
  const key: WitnessKey = { name, publicKey: importVerifyingKey({ kty: 'OKP', crv: 'Ed25519', x: bytes.subarray(1).toString('base64url') }) };
  return writeWitnessKey(key) === text ? key : undefined;
};

/** What a log asks a witness (c2sp.org/tlog-witness, add-checkpoint). */
export interface WitnessRequest {
  /** leaves of the newest tree head this witness has cosigned, as far as the asker knows; 0 for none */
  readonly oldSize: number;
  /** consistency proof (RFC 9162) from there to the head in the note */
  readonly path: readonly Uint8Array[];
  readonly note: string;
}

const MOST_HASHES = 63;

export const writeWitnessRequest = ({ oldSize, path, note }: WitnessRequest): string =>
  `old ${oldSize}\n${path.map((hash) => `${Buffer.from(hash).toString('base64')}\n`).join('')}\n${note}`;

/** The request in a body; undefined unless it is written exactly so. */
export const readWitnessRequest = (body: string): WitnessRequest | undefined => {
  const border = body.indexOf('\n\n');
  if (border < 0) return undefined;
  const [first = '', ...hashes] = body.slice(0, border).split('\n');
  const oldSize = first.startsWith('old ') ? strictCount(first.slice(4)) : undefined;
  const path = hashes.map((hash) => strictBase64(hash, 'base64'));
  if (oldSize === undefined || path.length > MOST_HASHES || !path.every((hash) => hash?.length === 32)) return undefined;
  return { oldSize, path: path as Buffer[], note: body.slice(border + 2) };
};
