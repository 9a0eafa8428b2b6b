import { cosignedAt, readWitnessKey, signatureLinesOf, writeWitnessRequest } from '@exequatur/audit-chain';
import type { WitnessKey, WitnessRequest } from '@exequatur/audit-chain';
import { AUDIT_LIMITS } from '../limits.js';

/** A witness that is asked: somebody else, somewhere else. */
export interface Witness {
  readonly url: string;
  readonly key: WitnessKey;
}

/** A list of witnesses that cannot be used; says which entry, so that the service does not start without a witness it should have. */
export class WitnessListError extends Error {
  override readonly name = 'WitnessListError';
}

/** @throws WitnessListError */
export const readWitnesses = (json: string): readonly Witness[] => {
  const listed = parsed(json);
  const witnesses = listed.map(({ url, key }, index) => {
    const readable = typeof key === 'string' ? readWitnessKey(key) : undefined;
    if (typeof url !== 'string' || !/^https?:\/\/\S+$/.test(url) || readable === undefined) throw new WitnessListError(`EXEQUATUR_WITNESSES: entry ${index + 1} has no http(s) url or no key as C2SP writes it`);
    return { url: url.replace(/\/$/, ''), key: readable };
  });
  if (new Set(witnesses.map(({ key }) => key.name)).size !== witnesses.length) throw new WitnessListError('EXEQUATUR_WITNESSES: two witnesses have one name');
  return witnesses;
};

const parsed = (json: string): readonly { readonly url?: unknown; readonly key?: unknown }[] => {
  try {
    const value: unknown = JSON.parse(json);
    if (Array.isArray(value)) return value as { url?: unknown; key?: unknown }[];
  } catch {
    throw new WitnessListError('EXEQUATUR_WITNESSES is no JSON');
  }
  throw new WitnessListError('EXEQUATUR_WITNESSES is no JSON list');
};

export type WitnessReply =
  | { readonly kind: 'cosigned'; readonly line: string }
  /** it remembers another size than we thought */
  | { readonly kind: 'elsewhere'; readonly size: number }
  | { readonly kind: 'refused'; readonly why: string };

/** Asks once. Rejects when it cannot be reached; what it answers is believed only as far as its signature goes. */
export const ask = async ({ url, key }: Witness, request: WitnessRequest): Promise<WitnessReply> => {
  const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: writeWitnessRequest(request), redirect: 'error', signal: AbortSignal.timeout(AUDIT_LIMITS.witnessTimeoutMs) });
  const text = (await response.text()).slice(0, AUDIT_LIMITS.witnessAnswerCharacters);
  if (response.status === 409) {
    const size = /^(0|[1-9]\d{0,14})\n?$/.exec(text)?.[1];
    return size === undefined ? { kind: 'refused', why: 'it answers 409 and says no size' } : { kind: 'elsewhere', size: Number(size) };
  }
  if (response.status !== 200) return { kind: 'refused', why: `it answers ${response.status}` };
  const line = signatureLinesOf(text, key.name).find((each) => cosignedAt(request.note + each, key) !== undefined);
  return line === undefined ? { kind: 'refused', why: 'its answer holds no good cosignature' } : { kind: 'cosigned', line };
};
