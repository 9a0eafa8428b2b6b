import { name } from '@exequatur/contracts';
import { readPointer, type JsonValue } from '@exequatur/kernel';
import type { JWTPayload } from 'jose';
import type { IdentityProvider } from './identity-provider.js';

/** As long as an event holds; `sub` alone is at most 255 (OpenID Connect Core, section 2). */
const MAX_ACCOUNT = 300;
/** Actors in one chain (RFC 8693, section 4.1); a longer one is nobody's. */
const MAX_CHAIN = 5;
const NAME = new RegExp(String(name().json['pattern']));

export const isName = (value: unknown): value is string => typeof value === 'string' && NAME.test(value);

const claimOf = (claims: JWTPayload, path: string): unknown => (path.startsWith('/') ? readPointer(claims as JsonValue, path) : Object.hasOwn(claims, path) ? claims[path] : undefined);

/** `<issuer>#<sub>`: the name of an account that nobody else's account has. `#` is in no issuer, so two never read the same. */
export const accountOf = (issuer: string, sub: unknown): string | undefined => (typeof sub === 'string' && sub.length > 0 && issuer.length + sub.length < MAX_ACCOUNT ? `${issuer}#${sub}` : undefined);

/** The tenant these claims belong to; undefined when they name none of ours. */
export const tenantOf = ({ tenant }: IdentityProvider, claims: JWTPayload): string | undefined => {
  if ('fixed' in tenant) return tenant.fixed;
  const value = claimOf(claims, tenant.claim);
  return typeof value === 'string' && Object.hasOwn(tenant.values, value) ? tenant.values[value] : undefined;
};

/** As many as an event about a person holds. */
const MAX_ROLES = 50;

/** Roles that the provider's groups mean here; none where nothing is mapped. One text or a list of them. */
export const rolesOf = ({ people }: IdentityProvider, claims: JWTPayload): readonly string[] => {
  if (people === undefined) return [];
  const value = claimOf(claims, people.rolesClaim);
  const groups = (Array.isArray(value) ? value : [value]).filter((group): group is string => typeof group === 'string');
  return [...new Set(groups.flatMap((group) => (Object.hasOwn(people.roles, group) ? (people.roles[group] ?? []) : [])))].sort().slice(0, MAX_ROLES);
};

/** What a person is to be called here; undefined when the claim has nothing that can be a name. */
export const personNameOf = ({ people }: IdentityProvider, claims: JWTPayload): string | undefined => {
  const value = people === undefined ? undefined : claimOf(claims, people.nameClaim);
  return isName(value) ? value : undefined;
};

/** When the person last proved who they are, Unix seconds; undefined when the provider does not say. */
export const authTimeOf = ({ auth_time: value }: JWTPayload): number | undefined => (Number.isSafeInteger(value) ? (value as number) : undefined);

export interface Acting {
  /** whose token it is: the actor where there is one, else the subject */
  readonly account: string;
  /** For whom it acts, nearest first; empty when for nobody but itself. */
  readonly chain: readonly string[];
}

/**
 * Who acts, and for whom, by the `act` claims (RFC 8693, section 4.1): the outermost is the current actor, nested ones acted
 * before it, and `sub` is whom it is all for. Undefined when anything in it is not what it must be.
 */
export const actingOf = (issuer: string, claims: JWTPayload): Acting | undefined => {
  const subject = accountOf(issuer, claims.sub);
  if (subject === undefined) return undefined;
  const actors: string[] = [];
  for (let act: unknown = claims['act']; act !== undefined; act = (act as { readonly act?: unknown }).act) {
    if (typeof act !== 'object' || act === null || actors.length >= MAX_CHAIN) return undefined;
    const { iss, sub } = act as { readonly iss?: unknown; readonly sub?: unknown };
    // Another issuer's name for somebody is not ours to believe.
    const actor = iss === undefined || iss === issuer ? accountOf(issuer, sub) : undefined;
    if (actor === undefined) return undefined;
    actors.push(actor);
  }
  const [account = subject, ...before] = actors;
  return { account, chain: actors.length === 0 ? [] : [...before, subject] };
};
