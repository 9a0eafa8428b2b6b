import { randomBytes } from 'node:crypto';
import { SERVICES, type ServiceName } from '@exequatur/contracts';
import { generateSigningKey, type PrivateJwk, type TrustedKeys } from '@exequatur/audit-chain';
import { sha256Text } from '@exequatur/kernel';

/** Everything secret that an installation needs, as the values of the variables of ServiceConfig. */
export interface InstallationSecrets {
  /** EXEQUATUR_SIGNING_KEY by service, as JSON text. */
  readonly signingKeys: Readonly<Record<ServiceName, string>>;
  /** EXEQUATUR_TRUSTED_KEYS, the same for all. */
  readonly trustedKeys: string;
  /** EXEQUATUR_KEK */
  readonly keyEncryptionKey: string;
  /** For the operator; services get only EXEQUATUR_ADMIN_TOKEN_HASH. */
  readonly adminToken: string;
  readonly adminTokenHash: string;
  /** Passwords of the database roles, for `bootstrapDatabase`. */
  readonly databasePasswords: Readonly<Record<ServiceName, string>>;
}

const forEach = <T>(make: (service: ServiceName) => T): Readonly<Record<ServiceName, T>> => Object.fromEntries(SERVICES.map((service) => [service, make(service)])) as Record<ServiceName, T>;

/** Fresh secrets for a first start: embedded mode keeps them in its data directory, tests throw them away. */
export const newInstallationSecrets = (): InstallationSecrets => {
  const keys = forEach(generateSigningKey);
  const trusted: TrustedKeys = Object.fromEntries(SERVICES.map((service) => [service, [{ kid: keys[service].kid, jwk: keys[service].publicJwk }]]));
  const adminToken = `exq_root_${randomBytes(32).toString('base64url')}`;
  const signing: Readonly<Record<ServiceName, PrivateJwk>> = forEach((service) => keys[service].privateJwk);
  return {
    signingKeys: forEach((service) => JSON.stringify(signing[service])),
    trustedKeys: JSON.stringify(trusted),
    keyEncryptionKey: randomBytes(32).toString('base64url'),
    adminToken,
    adminTokenHash: sha256Text(Buffer.from(adminToken, 'utf8')),
    databasePasswords: forEach(() => randomBytes(24).toString('base64url')),
  };
};
