import { sign } from 'node:crypto';
import { importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';

const part = (value: object | string): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A compact JWS over claims (or the text of them), as an agent signs a proposal for the intake topic. */
export const signedProposal = (claims: object | string, by: PrivateJwk, header: object = { alg: 'EdDSA', typ: 'exq-intake+jwt', kid: by.kid }): string => {
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), importSigningKey(by).privateKey).toString('base64url')}`;
};

export const claimsOf = (proposal: unknown, change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  aud: 'exequatur.intake',
  tenant: 'acme',
  iss: 'own-agent',
  jti: `jti-${Math.random().toString(36).slice(2)}`,
  exp: Math.floor(Date.now() / 1_000) + 3_600,
  proposal,
  ...change,
});
