import { isJsonObject, parseStrict, StrictJsonError } from '@exequatur/kernel';
import type { JsonObject } from '@exequatur/kernel';

/** A token as read, its signature not yet checked. */
export interface CompactJws {
  readonly header: JsonObject;
  readonly payload: JsonObject;
  /** RFC 7515 section 5.1 step 8: what is signed */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Authorizations are about 1 KiB; caps can make them a few. */
export const MAX_TOKEN_CHARACTERS = 16_384;

const part = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64url');
  // Node skips what is no base64url; only the one spelling of these bytes may pass.
  return bytes.toString('base64url') === text ? bytes : undefined;
};

const objectOf = (bytes: Buffer): JsonObject | undefined => {
  try {
    const value = parseStrict(bytes);
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
};

/** Undefined for anything but three parts of strict base64url of which the first two are strict JSON objects. */
export const readCompactJws = (token: string): CompactJws | undefined => {
  if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
  const [first, second, third, ...rest] = token.split('.');
  if (first === undefined || second === undefined || third === undefined || rest.length > 0) return undefined;
  const [header, payload, signature] = [part(first), part(second), part(third)];
  if (header === undefined || payload === undefined || signature === undefined) return undefined;
  const [headerObject, payloadObject] = [objectOf(header), objectOf(payload)];
  if (headerObject === undefined || payloadObject === undefined) return undefined;
  return { header: headerObject, payload: payloadObject, signed: Buffer.from(`${first}.${second}`, 'ascii'), signature };
};
