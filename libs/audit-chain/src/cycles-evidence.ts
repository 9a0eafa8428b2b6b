import { createHash } from 'node:crypto';
import { canonicalBytes, isJsonObject, parseStrict, StrictJsonError } from '@exequatur/kernel';
import type { JsonObject } from '@exequatur/kernel';
import { importVerifyingKey, verifyBytes } from './keys.js';

/** Signed envelopes of the Cycles protocol (cycles-evidence v0.1): canonical JSON that names its own hash and carries a signature over both. */
export type CyclesEvidenceFault = 'malformed' | 'not_canonical' | 'payload_mismatch' | 'trace_id_malformed' | 'signer_mismatch' | 'evidence_id_mismatch' | 'signature_invalid';
export type CyclesEvidenceResult = { readonly ok: true; readonly evidence: JsonObject } | { readonly ok: false; readonly reason: CyclesEvidenceFault };

const KINDS = ['decide', 'reserve', 'commit', 'release', 'error'];
const MOST = { maxBytes: 1_048_576, maxDepth: 32 };

/**
 * @param bytes the envelope as it was sent: another spelling of the same JSON is not it
 * @param signerHex the 32-byte Ed25519 public key that is trusted, in hex; the envelope must name the very same
 */
export const verifyCyclesEvidence = (bytes: Uint8Array, signerHex: string): CyclesEvidenceResult => {
  const evidence = parsed(bytes);
  if (evidence === undefined) return fault('malformed');
  const { evidence_id: id, signature, signer_did: signer, artifact_type: kind, payload, trace_id: trace } = evidence;
  if (typeof id !== 'string' || typeof signature !== 'string') return fault('malformed');
  if (Buffer.compare(canonicalBytes(evidence), bytes) !== 0) return fault('not_canonical');
  if (typeof kind !== 'string' || !KINDS.includes(kind) || !isJsonObject(payload) || Object.keys(payload).join() !== kind) return fault('payload_mismatch');
  if (trace !== undefined && (typeof trace !== 'string' || !/^[0-9a-f]{32}$/.test(trace))) return fault('trace_id_malformed');
  if (signer !== signerHex) return fault('signer_mismatch');
  if (createHash('sha256').update(canonicalBytes({ ...evidence, evidence_id: '', signature: '' })).digest('hex') !== id) return fault('evidence_id_mismatch');
  const key = importVerifyingKey({ kty: 'OKP', crv: 'Ed25519', x: Buffer.from(signerHex, 'hex').toString('base64url') });
  const signed = /^[0-9a-f]{128}$/.test(signature) && verifyBytes(key, canonicalBytes({ ...evidence, signature: '' }), Buffer.from(signature, 'hex'));
  return signed ? { ok: true, evidence } : fault('signature_invalid');
};

const fault = (reason: CyclesEvidenceFault): CyclesEvidenceResult => ({ ok: false, reason });

const parsed = (bytes: Uint8Array): JsonObject | undefined => {
  try {
    const value = parseStrict(bytes, MOST);
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
};
