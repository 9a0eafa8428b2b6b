import { SERVICES, type ServiceName } from '@exequatur/contracts';
import { decodeJwt } from 'jose';
import { actingOf, authTimeOf, rolesOf, tenantOf } from './claims.js';
import type { Directory } from './directory.js';
import type { AgentPrincipal, PersonPrincipal, Principal } from './principal.js';
import type { ProvenToken, ProviderTokens } from './provider-tokens.js';
import { TokenRefused, type Signer } from './signer.js';

/** `typ` of the token one service shows another. */
export const SERVICE_TOKEN = 'exq-service+jwt';
/** A service token is made for one call. */
const SERVICE_TOKEN_SECONDS = 60;

const isService = (name: unknown): name is ServiceName => SERVICES.includes(name as ServiceName);

/** Token with which this service calls `audience`: `Authorization: Bearer <token>`. */
export const serviceToken = (signer: Signer, audience: ServiceName, nowMs: number): string => {
  const now = Math.floor(nowMs / 1_000);
  return signer.signJws({ iss: signer.service, aud: audience, iat: now, exp: now + SERVICE_TOKEN_SECONDS }, SERVICE_TOKEN);
};

/**
 * Who stands behind an Authorization header: a bearer credential of the directory, the platform admin token, a service token,
 * or an access token (JWT, RFC 9068) of an identity provider the installation trusts.
 */
export class Authentication {
  constructor(
    private readonly directory: Directory,
    private readonly signer: Signer,
    private readonly tokens: ProviderTokens,
  ) {}

  /** Undefined for everything that does not prove a principal, whatever the reason. @throws Problem DEPENDENCY_DOWN while a provider's keys cannot be had */
  async principalOf(authorization: string | undefined): Promise<Principal | undefined> {
    const credential = /^Bearer ([\x21-\x7e]{1,8192})$/i.exec(authorization ?? '')?.[1];
    if (credential === undefined) return undefined;
    if (credential.split('.').length !== 3) return this.directory.authenticate(credential);
    return isService(issuerIn(credential)) ? this.service(credential) : this.account(credential);
  }

  private async service(token: string): Promise<Principal | undefined> {
    try {
      const claimed = decodeJwt(token).iss;
      if (!isService(claimed)) return undefined;
      const { iat, exp } = await this.signer.verifyJws(token, { service: claimed, typ: SERVICE_TOKEN, audience: this.signer.service });
      const lasting = (exp ?? Number.POSITIVE_INFINITY) - (iat ?? 0);
      return lasting <= SERVICE_TOKEN_SECONDS ? { type: 'service', service: claimed } : undefined;
    } catch (error) {
      if (error instanceof TokenRefused || (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_J'))) return undefined;
      throw error;
    }
  }

  private async account(token: string): Promise<Principal | undefined> {
    const proven = await this.tokens.accessToken(token);
    if (proven === undefined) return undefined;
    const { provider, claims } = proven;
    const tenant = tenantOf(provider, claims);
    const acting = actingOf(provider.issuer, claims);
    if (tenant === undefined || acting === undefined) return undefined;
    const holder = await this.directory.holderOf(tenant, acting.account);
    if (holder?.type === 'agent') return agentWith(holder, acting.chain);
    // A token with actors in it is in a program's hands, and no program is a person.
    return holder === undefined || acting.chain.length > 0 ? undefined : personWith(holder, proven);
  }
}

const issuerIn = (token: string): string | undefined => {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
};

const agentWith = (agent: AgentPrincipal, chain: readonly string[]): AgentPrincipal => (chain.length === 0 ? agent : { ...agent, chain });

/** Both must agree on a role where the provider's claims decide: the token may be older than the directory, or narrower. */
const personWith = (person: PersonPrincipal, { provider, claims }: ProvenToken): PersonPrincipal | undefined => {
  const client = claims['client_id'] ?? claims['azp'];
  if (provider.clients !== undefined && (typeof client !== 'string' || !provider.clients.includes(client))) return undefined;
  const claimed = rolesOf(provider, claims);
  const roles = provider.people === undefined ? person.roles : person.roles.filter((role) => claimed.includes(role));
  const authTime = authTimeOf(claims);
  return { ...person, roles, ...(authTime === undefined ? {} : { authTime }) };
};
