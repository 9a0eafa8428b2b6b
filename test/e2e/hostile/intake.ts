import type { PrivateJwk } from '@exequatur/audit-chain';
import { claimsOf, signedProposal } from './signed-proposal.js';

/** A proposal as a signed message. */
export const soundProposal = (scopePath: string): Record<string, unknown> => ({ scope_path: scopePath, run_id: 'by-message', action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, target: 'customer@example.com', arguments: { to: 'customer@example.com', subject: 'Hello', text: 'Hello' }, environment: 'prod', execution_mode: 'self' });

/** Signed as they should be, so that the door publishes them: what is proposed is judged where the topic is read. */
export const JUDGED_ON_THE_TOPIC: ReadonlySet<string> = new Set(['a proposal without fields', 'a proposal with a field too many', "another tenant's scope"]);

/** Messages that are no signed proposal, with the code that the reason of the dead letter must begin with. */
export const hostileMessages = (scopePath: string, key: PrivateJwk, stranger: PrivateJwk): readonly (readonly [what: string, message: string, reason: RegExp])[] => {
  const proposal = soundProposal(scopePath);
  const sound = signedProposal(claimsOf(proposal), key);
  const [header = '', payload = '', signature = ''] = sound.split('.');
  const now = Math.floor(Date.now() / 1_000);
  const claims = (change: Record<string, unknown>): string => signedProposal(claimsOf(proposal, change), key);
  const headed = (header_: object): string => signedProposal(claimsOf(proposal), key, header_);
  const text = (json: string): string => signedProposal(json, key);
  const withMember = (member: string): string => text(JSON.stringify(claimsOf(proposal)).replace('{', `{${member},`));
  const inArguments = (member: string): string => text(JSON.stringify(claimsOf(proposal)).replace('"arguments":{', `"arguments":{${member},`));
  const malformed = /^MALFORMED: /;
  const invalid = /^INVALID: /;
  const nobody = /^UNAUTHENTICATED: /;
  return [
    ['nothing of a JWS', 'hello', malformed],
    ['two parts', `${header}.${payload}`, malformed],
    ['four parts', `${sound}.x`, malformed],
    ['an empty signature', `${header}.${payload}.`, malformed],
    ['JSON instead of a JWS', JSON.stringify(proposal), malformed],
    ['a header that is not JSON', `aGVsbG8.${payload}.${signature}`, malformed],
    ['a payload that is not JSON', text('hello'), malformed],
    ['a payload that is an array', text('[]'), malformed],
    ['alg none', headed({ alg: 'none', kid: key.kid }), invalid],
    ['alg HS256', headed({ alg: 'HS256', kid: key.kid }), invalid],
    ['no kid', headed({ alg: 'EdDSA' }), invalid],
    ['another typ', headed({ alg: 'EdDSA', typ: 'exq-grant+jwt', kid: key.kid }), invalid],
    ['a jwk in the header', headed({ alg: 'EdDSA', kid: key.kid, jwk: { kty: 'OKP', crv: 'Ed25519', x: key.x } }), invalid],
    ['duplicate keys', withMember('"tenant":"globex"'), malformed],
    ['duplicate keys in the arguments', inArguments('"to":"x@evil.example"'), malformed],
    ['__proto__', withMember('"__proto__":{}'), malformed],
    ['a lone surrogate', inArguments('"note":"\\ud800"'), malformed],
    ['1e400', inArguments('"note":1e400'), malformed],
    ['-0', inArguments('"note":-0'), malformed],
    ['100,000 levels', inArguments(`"note":${'['.repeat(100_000)}${']'.repeat(100_000)}`), /^(MALFORMED|TOO_LARGE): /],
    ['300 KiB', inArguments(`"note":"${'x'.repeat(300 * 1024)}"`), /^TOO_LARGE: /],
    ['another audience', claims({ aud: 'exequatur.other' }), invalid],
    ['no jti', claims({ jti: undefined }), invalid],
    ['a jti with a space', claims({ jti: 'a b' }), invalid],
    ['an exp that is text', claims({ exp: 'tomorrow' }), invalid],
    ['a claim too many', claims({ admin: true }), invalid],
    ['no proposal', claims({ proposal: undefined }), invalid],
    ['a proposal that is text', claims({ proposal: 'x' }), invalid],
    ['a proposal without fields', claims({ proposal: {} }), invalid],
    ['a proposal with a field too many', claims({ proposal: { ...proposal, verdict: 'ALLOW' } }), invalid],
    ["another tenant's scope", claims({ proposal: { ...proposal, scope_path: 'tenant:globex' } }), /^(FORBIDDEN|INVALID|SCOPE_MISMATCH)/],
    ['expired', claims({ exp: now - 10 }), nobody],
    ['for a week', claims({ exp: now + 7 * 86_400 }), nobody],
    ['an unknown tenant', claims({ tenant: 'nobody' }), nobody],
    ['another tenant', claims({ tenant: 'globex' }), nobody],
    ['an unknown agent', claims({ iss: 'nobody' }), nobody],
    ['another agent', claims({ iss: 'own-other-agent' }), nobody],
    ['an unknown key', headed({ alg: 'EdDSA', kid: 'nobody' }), nobody],
    ["a bearer key's id", headed({ alg: 'EdDSA', kid: 'own-revoked' }), nobody],
    ['signed by a stranger', signedProposal(claimsOf(proposal), stranger, { alg: 'EdDSA', kid: key.kid }), nobody],
    ['another signature', `${header}.${payload}.${'A'.repeat(86)}`, nobody],
    ['a signature cut short', sound.slice(0, -8), nobody],
    ['claims changed after signing', [header, Buffer.from(JSON.stringify(claimsOf({ ...proposal, target: 'x@evil.example' }))).toString('base64url'), signature].join('.'), nobody],
  ];
};
