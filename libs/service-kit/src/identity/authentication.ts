import { SERVICES, type ServiceName } from '@exequatur/contracts';
import { decodeJwt } from 'jose';
import type { Directory } from './directory.js';
import type { Principal } from './principal.js';
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

/** Who stands behind an Authorization header: a bearer credential of the directory, the platform admin token, or a service token. */
export class Authentication {
  constructor(
    private readonly directory: Directory,
    private readonly signer: Signer,
  ) {}

  /** Undefined for everything that does not prove a principal, whatever the reason. */
  async principalOf(authorization: string | undefined): Promise<Principal | undefined> {
    const credential = /^Bearer ([\x21-\x7e]{1,4096})$/i.exec(authorization ?? '')?.[1];
    if (credential === undefined) return undefined;
    return credential.split('.').length === 3 ? this.service(credential) : this.directory.authenticate(credential);
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
}
