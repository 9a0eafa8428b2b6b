import { list, name, object, optional, record, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { ConfigError } from '../config/load-config.js';
import { shaped } from '../http/shaped.js';
import { Problem } from '../problem/problem.js';

const VARIABLE = 'EXEQUATUR_IDENTITY_PROVIDERS';

/** A claim's name, or a JSON Pointer (RFC 6901) into the claims where it begins with `/`: `groups`, `/realm_access/roles`. */
const claim = (): ReturnType<typeof text> => text(200);

const providerShape = object({
  issuer: text(200),
  name: text(100),
  tenant: optional(name()),
  tenant_claim: optional(claim()),
  tenants: optional(record(name(), 1_000)),
  audience: optional(text(300)),
  clients: optional(list(text(300), 100)),
  jwks_uri: optional(text(500)),
  sign_in: optional(object({ client_id: text(300), client_secret: optional(text(500)), scope: optional(text(500)) })),
  people: optional(object({ name_claim: claim(), roles_claim: claim(), roles: record(list(name(), 50), 1_000) })),
});
const providersShape = list(providerShape, 20);

/** One identity provider that an installation trusts, and what its claims mean here. */
export interface IdentityProvider {
  /** as in `iss`, to the letter */
  readonly issuer: string;
  /** what people call it */
  readonly name: string;
  /** The tenant of all its identities, or the claim whose values name one each. */
  readonly tenant: { readonly fixed: string } | { readonly claim: string; readonly values: Readonly<Record<string, string>> };
  /** `aud` of access tokens for the API; without it the API takes none of this provider's. */
  readonly audience?: string;
  /** Clients whose access tokens may act as a person; any when left out. An agent's client does not belong here. */
  readonly clients?: readonly string[];
  /** Where its keys are; found by discovery when left out. */
  readonly jwksUri?: string;
  /** Our registration there, for signing in on the pages. */
  readonly signIn?: { readonly clientId: string; readonly clientSecret?: string; readonly scope: string };
  /** With it, claims decide which people there are and which roles they have; without it, an administrator links accounts. */
  readonly people?: { readonly nameClaim: string; readonly rolesClaim: string; readonly roles: Readonly<Record<string, readonly string[]>> };
}

type Written = Shape<typeof providerShape>;

/**
 * Reads EXEQUATUR_IDENTITY_PROVIDERS: a JSON list of {issuer, name, tenant | tenant_claim + tenants, audience?, clients?,
 * jwks_uri?, sign_in?: {client_id, client_secret?, scope?}, people?: {name_claim, roles_claim, roles}}.
 * @throws ConfigError that names fields, never values: there are secrets in it
 */
export const readIdentityProviders = (source: string | undefined): readonly IdentityProvider[] => {
  if (source === undefined) return [];
  const written = shapedProviders(source);
  const faults = written.flatMap((each, index) => faultsOf(each).map((fault) => `${VARIABLE} /${index} ${fault}`));
  if (new Set(written.map(({ issuer }) => issuer)).size !== written.length) faults.push(`${VARIABLE} names an issuer twice`);
  if (faults.length > 0) throw new ConfigError(faults);
  return written.map(providerOf);
};

const shapedProviders = (source: string): readonly Written[] => {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw new ConfigError([`${VARIABLE} must be JSON`]);
  }
  try {
    return shaped(providersShape, value);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new ConfigError((error.errors ?? []).map(({ pointer, expected }) => `${VARIABLE} ${pointer} must be ${expected}`));
  }
};

const faultsOf = (written: Written): readonly string[] => {
  const { issuer, tenant, tenant_claim: tenantClaim, tenants, audience, sign_in: signIn, jwks_uri: jwksUri } = written;
  const faults: string[] = [];
  if (!isSafeUrl(issuer)) faults.push('issuer must be an https address (http only for this machine itself)');
  if (jwksUri !== undefined && !isSafeUrl(jwksUri)) faults.push('jwks_uri must be an https address (http only for this machine itself)');
  if ((tenant === undefined) === (tenantClaim === undefined)) faults.push('needs either tenant or tenant_claim');
  if ((tenantClaim === undefined) !== (tenants === undefined)) faults.push('needs tenants with tenant_claim: which value is which tenant');
  // An id token says who signed in, to the pages; it must never pass for an access token on the API.
  if (audience !== undefined && audience === signIn?.client_id) faults.push('audience must not be the client_id of sign_in');
  if (audience === undefined && signIn === undefined) faults.push('needs audience, sign_in, or both');
  return faults;
};

/** TLS, or a provider on this machine, for development. */
const isSafeUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, hash } = new URL(text);
  return username === '' && hash === '' && (protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname)));
};

const providerOf = ({ issuer, name: shownName, tenant, tenant_claim: tenantClaim, tenants, audience, clients, jwks_uri: jwksUri, sign_in: signIn, people }: Written): IdentityProvider => ({
  issuer,
  name: shownName,
  tenant: tenant === undefined ? { claim: tenantClaim ?? '', values: tenants ?? {} } : { fixed: tenant },
  ...(audience === undefined ? {} : { audience }),
  ...(clients === undefined ? {} : { clients }),
  ...(jwksUri === undefined ? {} : { jwksUri }),
  ...(signIn === undefined ? {} : { signIn: { clientId: signIn.client_id, scope: signIn.scope ?? 'openid profile', ...(signIn.client_secret === undefined ? {} : { clientSecret: signIn.client_secret }) } }),
  ...(people === undefined ? {} : { people: { nameClaim: people.name_claim, rolesClaim: people.roles_claim, roles: people.roles } }),
});
