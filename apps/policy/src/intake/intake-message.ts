import { verify } from 'node:crypto';
import { importVerifyingKey } from '@exequatur/audit-chain';
import { count, name, object, oneOf, optional } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { isJsonObject, parseStrict, StrictJsonError } from '@exequatur/kernel';
import type { JsonObject } from '@exequatur/kernel';
import { Problem, shaped } from '@exequatur/service-kit';
import type { AgentPrincipal, Directory } from '@exequatur/service-kit';

/**
 * A signed proposal: compact JWS (RFC 7515), alg EdDSA, `kid` the id of a key registered for the agent, over the claims
 * below. `proposal` is the body of `POST /v1/actions`; `jti` is its Idempotency-Key. Sized as an HTTP body is.
 */
export const INTAKE_JWS_TYPE = 'exq-intake+jwt';
export const INTAKE_AUDIENCE = 'exequatur.intake';
/** A compact JWS of a 256 KiB payload. */
export const MAX_INTAKE_BYTES = 360_000;
/** A signed proposal is for now, not for later. */
const MAX_LIFETIME_SECONDS = 24 * 60 * 60;

const headerShape = object({ alg: oneOf('EdDSA'), typ: optional(oneOf(INTAKE_JWS_TYPE)), kid: name() });
const claimsShape = object({
  aud: oneOf(INTAKE_AUDIENCE),
  /** tenant */
  tenant: name(),
  /** agent */
  iss: name(),
  jti: { json: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' } } as { json: Record<string, unknown>; type?: string },
  iat: optional(count()),
  /** Unix seconds */
  exp: count(),
  proposal: { json: { type: 'object' } } as { json: Record<string, unknown>; type?: object },
});

export interface IntakeMessage {
  readonly agent: AgentPrincipal;
  readonly jti: string;
  readonly proposal: object;
}

interface Parts {
  readonly header: Shape<typeof headerShape>;
  readonly claims: Shape<typeof claimsShape>;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

const PART = /^[A-Za-z0-9_-]+$/;

/** Size and form only; says nothing about who signed it. @throws Problem MALFORMED, TOO_LARGE, INVALID */
export const readIntakeMessage = (value: Uint8Array): Parts => {
  if (value.byteLength > MAX_INTAKE_BYTES) throw new Problem('TOO_LARGE', 'a signed proposal is too large');
  const [header = '', payload = '', signature = '', ...rest] = Buffer.from(value).toString('latin1').trim().split('.');
  if (rest.length > 0 || ![header, payload, signature].every((part) => PART.test(part))) throw new Problem('MALFORMED', 'not a compact JWS');
  return {
    header: shaped(headerShape, jsonOf(header)),
    claims: shaped(claimsShape, jsonOf(payload)),
    signed: Buffer.from(`${header}.${payload}`, 'latin1'),
    signature: Buffer.from(signature, 'base64url'),
  };
};

const jsonOf = (part: string): JsonObject => {
  try {
    const value = parseStrict(Buffer.from(part, 'base64url'));
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new Problem(error.code, error.reason);
  }
  throw new Problem('MALFORMED', 'a part of the JWS is no JSON object');
};

/**
 * Who signed it, by the directory's keys, and whether it is still meant. Nothing of the claims is believed before.
 * @throws Problem UNAUTHENTICATED, or as readIntakeMessage
 */
export const verifyIntakeMessage = async (value: Uint8Array, directory: Directory, nowMs: number): Promise<IntakeMessage> => {
  const { header, claims, signed, signature } = readIntakeMessage(value);
  const signer = await directory.agentByKey(claims.tenant, claims.iss, header.kid);
  if (signer?.publicKey === undefined) throw new Problem('UNAUTHENTICATED', 'signed by no key that is registered for this agent');
  const key = importVerifyingKey({ kty: 'OKP', crv: 'Ed25519', x: signer.publicKey });
  if (!verify(null, signed, key, signature)) throw new Problem('UNAUTHENTICATED', 'the signature does not hold');
  const now = Math.floor(nowMs / 1_000);
  if (claims.exp <= now) throw new Problem('UNAUTHENTICATED', 'expired');
  if (claims.exp > now + MAX_LIFETIME_SECONDS) throw new Problem('UNAUTHENTICATED', 'exp is more than 24 hours away');
  return { agent: signer.principal, jti: claims.jti, proposal: claims.proposal };
};
