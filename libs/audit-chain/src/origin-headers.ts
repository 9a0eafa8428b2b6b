import { HEADER } from '@exequatur/contracts';
import type { OriginProof } from './origin.js';

/** The headers of a message that carry its event's origin proof. */
export const originHeaders = ({ path, signature, keyId }: OriginProof): Readonly<Record<string, string>> => ({
  [HEADER.path]: path,
  [HEADER.signature]: signature,
  [HEADER.keyId]: keyId,
});

/** The proof a message carries; undefined when one of its headers is missing. */
export const originProofOf = (headers: Readonly<Record<string, string>>): OriginProof | undefined => {
  const [path, signature, keyId] = [headers[HEADER.path], headers[HEADER.signature], headers[HEADER.keyId]];
  return path === undefined || signature === undefined || keyId === undefined ? undefined : { path, signature, keyId };
};
