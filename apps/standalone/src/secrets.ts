import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateSigningKey } from '@exequatur/audit-chain';
import { SERVICES } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';

/**
 * What the embedded mode makes for itself on its first start and keeps in `<data directory>/secrets` (0700, files 0600). All
 * keys in one place means that whoever runs this process can sign anything: only an outside witness constrains an operator.
 */
export interface Secrets {
  /** platform admin token, in clear: the standalone seeds its demo tenant with it */
  readonly adminToken: string;
  readonly adminTokenHash: string;
  readonly databasePasswords: Readonly<Record<ServiceName, string>>;
  readonly signingKeyFile: Readonly<Record<ServiceName, string>>;
  readonly trustedKeysFile: string;
  readonly keyEncryptionKeyFile: string;
  readonly sessionSecret: string;
}

const perService = <T>(value: (service: ServiceName) => T): Record<ServiceName, T> => Object.fromEntries(SERVICES.map((service) => [service, value(service)])) as Record<ServiceName, T>;

/** Reads the secrets of a data directory; makes those that are not there yet. */
export const secretsOf = (dataDirectory: string): Secrets => {
  mkdirSync(dataDirectory, { recursive: true, mode: 0o711 });
  const directory = join(dataDirectory, 'secrets');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const kept = (name: string, make: () => string): string => {
    const path = join(directory, name);
    if (!existsSync(path)) writeFileSync(path, make(), { mode: 0o600, flag: 'wx' });
    return path;
  };
  const random = (name: string, prefix = ''): string => readFileSync(kept(name, () => prefix + randomBytes(32).toString('base64url')), 'utf8');
  const signingKeyFile = perService((service) => kept(`${service}.signing-key.json`, () => JSON.stringify(generateSigningKey(service).privateJwk)));
  const adminToken = random('admin-token', 'exq_root_');
  return {
    adminToken,
    adminTokenHash: `sha256:${createHash('sha256').update(adminToken).digest('hex')}`,
    databasePasswords: perService((service) => random(`${service}.database-password`)),
    signingKeyFile,
    trustedKeysFile: kept('trusted-keys.json', () => JSON.stringify(perService((service) => [publicHalf(signingKeyFile[service])]))),
    keyEncryptionKeyFile: kept('key-encryption-key', () => randomBytes(32).toString('base64url')),
    sessionSecret: random('session-secret'),
  };
};

const publicHalf = (file: string): { kid: string; jwk: object } => {
  const { d: _private, ...jwk } = JSON.parse(readFileSync(file, 'utf8')) as { kid: string; d: string };
  return { kid: jwk.kid, jwk };
};
