import { createHash, randomUUID } from 'node:crypto';
import { SignJWT, UnsecuredJWT, decodeJwt, decodeProtectedHeader } from 'jose';
import { examplePolicy } from '@exequatur/standalone';
import { generateSigningKey, importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import type { Code } from '@exequatur/contracts';
import type { Attack } from './attack.js';
import type { World } from './world.js';

const post = (endpoint: string, what: string, credential: string, fields: unknown, codes: readonly Code[], headers: Readonly<Record<string, string>> = {}): Attack => ({
  endpoint,
  what,
  sent: { method: 'POST', path: endpoint.split(' ')[1] ?? '', headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json', 'idempotency-key': createHash('sha256').update(what + endpoint).digest('hex'), ...headers }, body: JSON.stringify(fields) },
  codes,
});

/** A token as one service shows another, made by whom it must not believe. */
export const forgedServiceTokens = async (own: PrivateJwk): Promise<Record<string, string>> => {
  const claims = { iss: 'executor', aud: 'reservations' };
  const now = Math.floor(Date.now() / 1_000);
  const signed = (by: PrivateJwk, { typ = 'exq-service+jwt', kid = own.kid, from = now, to = now + 60, ...more }: { typ?: string; kid?: string; from?: number; to?: number; iss?: string; aud?: string } = {}): Promise<string> =>
    new SignJWT({ ...claims, ...more, iat: from, exp: to }).setProtectedHeader({ alg: 'EdDSA', typ, kid }).sign(importSigningKey(by).privateKey);
  const stranger = generateSigningKey('stranger').privateJwk;
  const [header, , signature] = (await signed(own)).split('.');
  return {
    'a JWS without signature (alg none)': new UnsecuredJWT(claims).setExpirationTime('60s').encode(),
    'a JWS by a stranger': await signed(stranger),
    'a JWS by a stranger under their own kid': await signed(stranger, { kid: 'stranger' }),
    'a JWS that has expired': await signed(own, { from: now - 120, to: now - 60 }),
    'a JWS for a day': await signed(own, { to: now + 86_400 }),
    'a JWS of another type': await signed(own, { typ: 'exq-grant+jwt' }),
    'a JWS for another audience': await signed(own, { aud: 'nobody' }),
    'a JWS in the name of a service that is not': await signed(own, { iss: 'oracle' }),
    'a JWS cut short': (await signed(own)).slice(0, -4),
    'a JWS with other claims': [header, Buffer.from(JSON.stringify({ ...claims, exp: 9_999_999_999 })).toString('base64url'), signature].join('.'),
  };
};

/** Grants that are forged, foreign, or used for something else, shown to `POST /v1/reservations`. */
export const grantAttacks = async ({ acme, globex }: World, policyKey: PrivateJwk, executorKey: PrivateJwk): Promise<Attack[]> => {
  const { token, use } = acme.grant;
  const claims = decodeJwt(token);
  const { kid = '' } = decodeProtectedHeader(token);
  const [header = '', , signature = ''] = token.split('.');
  const signed = (by: PrivateJwk, change: object = {}, typ = 'exq-grant+jwt', named = kid): Promise<string> => new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg: 'EdDSA', typ, kid: named }).sign(importSigningKey(by).privateKey);
  const stranger = generateSigningKey('stranger').privateJwk;
  const unknown: Record<string, string> = {
    'no signature (alg none)': new UnsecuredJWT(claims).encode(),
    'signed by a stranger': await signed(stranger),
    'signed by a stranger under their own kid': await signed(stranger, {}, 'exq-grant+jwt', 'stranger'),
    'signed by a service that grants nothing': await signed(executorKey, {}, 'exq-grant+jwt', executorKey.kid),
    'another type of token': await signed(policyKey, {}, 'exq-service+jwt'),
    'cut short': token.slice(0, -4),
    'more uses than were signed': [header, Buffer.from(JSON.stringify({ ...claims, max_uses: 1_000 })).toString('base64url'), signature].join('.'),
    'the header of another algorithm': [Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'exq-grant+jwt', kid })).toString('base64url'), ...token.split('.').slice(1)].join('.'),
    'an approval that policy signed': await signed(policyKey, { source: 'approval', grant_id: '00000000-0000-7000-8000-000000000000' }),
  };
  const at = 'POST /v1/reservations';
  const changed = (what: string, change: object, codes: readonly Code[], credential = acme.agent): Attack => post(at, what, credential, { ...use, ...change }, codes);
  return [
    ...Object.entries(unknown).map(([what, grant]) => changed(`grant: ${what}`, { grant }, ['GRANT_UNKNOWN', 'INVALID'])),
    changed("another tenant's grant", { ...globex.grant.use, scope_path: acme.scopePath }, ['TENANT_MISMATCH']),
    changed("another tenant's grant and scope", globex.grant.use, ['TENANT_MISMATCH', 'SCOPE_MISMATCH', 'FORBIDDEN']),
    changed("another tenant's agent", {}, ['TENANT_MISMATCH', 'SCOPE_MISMATCH', 'FORBIDDEN'], globex.agent),
    changed('another agent', {}, ['AGENT_MISMATCH'], acme.otherAgent),
    changed('another run', { run_id: 'another' }, ['RUN_MISMATCH']),
    changed('another kind', { action_kind: 'message.email.send' }, ['KIND_MISMATCH']),
    changed('another tool', { tool: { name: 'search.web', version: '2.0' } }, ['TOOL_MISMATCH']),
    changed('other arguments', { arguments_hash: `sha256:${'0'.repeat(64)}` }, ['ARGUMENTS_MISMATCH']),
    changed('another target', { target_hash: `sha256:${'0'.repeat(64)}` }, ['TARGET_MISMATCH']),
    changed('another mode', { execution_mode: 'managed' }, ['MODE_MISMATCH', 'FORBIDDEN']),
    changed('a wider scope', { scope_path: 'tenant:acme' }, ['SCOPE_MISMATCH']),
  ];
};

/** Grants with a true signature, outside their time. The authority may remember such a grant; it gives nothing for it. */
export const timedGrantAttacks = async ({ acme }: World, policyKey: PrivateJwk): Promise<Attack[]> => {
  const times = [['an expired grant', '2020-01-01T', 'GRANT_EXPIRED'], ['a grant of the future', '2090-01-01T', 'GRANT_NOT_YET_VALID']] as const;
  return Promise.all(times.map(async ([what, day, code]) => {
    const grant = await new SignJWT({ ...decodeJwt(acme.grant.token), grant_id: randomUUID(), not_before: `${day}00:00:00Z`, expires_at: `${day}01:00:00Z` }).setProtectedHeader({ alg: 'EdDSA', typ: 'exq-grant+jwt', kid: policyKey.kid }).sign(importSigningKey(policyKey).privateKey);
    return post('POST /v1/reservations', what, acme.agent, { ...acme.grant.use, grant }, [code]);
  }));
};

/** Votes by whom no decision may come from. */
export const voteAttacks = ({ acme, globex }: World): Attack[] =>
  (['approve', 'reject', 'respond'] as const).flatMap((decision) => {
    const endpoint = `POST /v1/approvals/${acme.approval}/${decision}`;
    const fields = { approve: { view_hash: acme.viewHash }, reject: { view_hash: acme.viewHash, reason: 'no', instruction: 'abort' }, respond: { view_hash: acme.viewHash, response: 'later' } }[decision];
    const match = { 'if-match': acme.etag };
    return [
      post(endpoint, 'a vote by the agent', acme.agent, fields, ['NOT_A_PERSON'], match),
      post(endpoint, 'a vote by a person without a role', acme.roleless, fields, ['NOT_ELIGIBLE'], match),
      post(endpoint, "a vote by another tenant's person", globex.person, fields, ['NOT_FOUND'], match),
      post(endpoint, 'a vote on another card', acme.person, { ...fields, view_hash: `sha256:${'0'.repeat(64)}` }, ['VIEW_CHANGED'], match),
    ];
  });

/** Proposals that the schema takes and the tenant does not. */
export const scopeAttacks = ({ acme }: World): Attack[] =>
  ['tenant:globex', 'tenant:globex/workspace:sales', 'tenant:acme2', 'tenant:Acme'].map((scope) =>
    post('POST /v1/actions', `scope ${scope}`, acme.agent, { scope_path: scope, run_id: 'r', action_kind: 'research.search', tool: { name: 'search.web', version: '1.0' }, arguments: {}, execution_mode: 'self' }, ['FORBIDDEN', 'NOT_FOUND', 'INVALID', 'SCOPE_MISMATCH']),
  );

/** Paths that are none of ours, and methods that the common ones do not take. */
export const strayAttacks = ({ root }: World): Attack[] => {
  const at = (method: string, path: string, codes: readonly Code[]): Attack => ({ endpoint: `${method} ${path}`, what: 'stray', sent: { method, path, headers: { authorization: `Bearer ${root}` } }, codes });
  const unknown = ['/v1', '/v2/actions', '/v1/', '/v1/actions/', '/v1/unknown', '/admin', '/.env', '/.git/config', '/wp-login.php', '/v1/policies/in-force/x', '/V1/ACTIONS', '/openapi.json/', '/%2e%2e/secrets', '/approvals/style.css/x', '/v1/actions;x=1', '/v1%2factions'];
  return [
    ...unknown.map((path) => at('GET', path, ['NOT_FOUND'])),
    ...['/livez', '/readyz', '/metrics', '/openapi.json', '/.well-known/jwks.json'].flatMap((path) => ['POST', 'PUT', 'DELETE'].map((method) => at(method, path, ['METHOD_NOT_ALLOWED']))),
  ];
};

const BOMB = ['a: &a [x,x,x,x,x,x,x,x,x]', ...[...'bcdefgh'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[index]}`).join(',')}]`)].join('\n');

/** Policy files that are YAML, or nearly. */
export const policyFileAttacks = ({ acme }: World): Attack[] =>
  [BOMB, '!!js/function "function () { return 1 }"', '!!python/object/apply:os.system ["true"]', 'version: 1\nversion: 1', '- a', '{', '\t', 'version: 2', `${examplePolicy()}\nextra: true`, `a: ${'['.repeat(5_000)}`, `<<: {version: 1}`, '__proto__: {version: 1}', '&a [*a]', `${examplePolicy()}\n---\nversion: 1`, examplePolicy().replace('version: 1', 'version: 1.5')].map((source, index) =>
    post('POST /v1/policies', `policy file ${index}: ${source.slice(0, 30)}`, acme.person, { source, reason: 'hostile' }, ['INVALID', 'MALFORMED']),
  );
