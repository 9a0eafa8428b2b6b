export { verifyCyclesEvidence } from './cycles-evidence.js';
export type { CyclesEvidenceFault, CyclesEvidenceResult } from './cycles-evidence.js';
export { pae, signDsse, verifyDsse } from './dsse.js';
export { appendAllToFrontier, appendToFrontier, emptyFrontier, frontierRoot } from './frontier.js';
export type { Frontier } from './frontier.js';
export { KEY_ROTATION_TYPE, signKeyRotation, verifyKeyRotation } from './key-rotation.js';
export type { KeyRotation } from './key-rotation.js';
export { generateSigningKey, importSigningKey, importVerifyingKey, KeyFormatError, signBytes, verifyBytes } from './keys.js';
export type { PrivateJwk, PublicJwk, SigningKey } from './keys.js';
export {
  consistencyPath,
  emptyRoot,
  HASH_BYTES,
  inclusionPath,
  leafHash,
  merkleRoot,
  nodeHash,
  rootOfInclusion,
  verifyConsistency,
  verifyInclusion,
} from './merkle.js';
export type { ConsistencyProof, InclusionProof } from './merkle.js';
export { cosign, cosignedAt, readWitnessKey, readWitnessRequest, signatureLinesOf, writeWitnessKey, writeWitnessRequest } from './cosignature.js';
export type { WitnessKey, WitnessRequest } from './cosignature.js';
export { noteKeyId, openNote, rawPublicKey, signNote } from './note.js';
export { notePartsOf } from './note-parts.js';
export type { NoteParts, NoteSignature } from './note-parts.js';
export { BATCH_ROOT_TYPE, originVerifier, originVerifierOf, parsePath, signBatch, verifyOrigin } from './origin.js';
export type { OriginFault, OriginProof, OriginResult, OriginVerifier, ProofVerifier, TrustedKeys } from './origin.js';
export { originHeaders, originProofOf } from './origin-headers.js';
export { signTreeHead, verifyTreeHead } from './tree-head.js';
export type { TreeHead, TreeHeadResult } from './tree-head.js';
