import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceName } from '@exequatur/contracts';
import { DataDirectoryUnwritable } from '@exequatur/local-servers';
import { newInstallationSecrets } from '@exequatur/service-kit';
import { everyService } from './environment.js';

/**
 * What an installation makes for itself on its first start and keeps in `<data directory>/secrets` (0700, files 0600). All
 * keys in one place means that whoever runs this can sign anything: only an outside witness constrains such an operator.
 */
export interface Secrets {
  /** platform admin token, in clear: the first start makes the demo tenant with it */
  readonly adminToken: string;
  readonly adminTokenHash: string;
  readonly databasePasswords: Readonly<Record<ServiceName, string>>;
  readonly signingKeyFile: Readonly<Record<ServiceName, string>>;
  readonly trustedKeysFile: string;
  readonly keyEncryptionKeyFile: string;
  readonly sessionSecret: string;
}

const signingKeyName = (service: ServiceName): string => `${service}.signing-key.json`;
const passwordName = (service: ServiceName): string => `${service}.database-password`;

/**
 * Reads the secrets of a data directory; makes them, all or none, when there are none yet.
 * @throws DataDirectoryUnwritable
 */
export const secretsOf = (dataDirectory: string): Secrets => {
  const directory = join(dataDirectory, 'secrets');
  try {
    mkdirSync(dataDirectory, { recursive: true, mode: 0o711 });
    if (!existsSync(directory)) make(directory);
    chmodSync(directory, 0o700);
  } catch (error) {
    throw new DataDirectoryUnwritable(dataDirectory, (error as NodeJS.ErrnoException).code ?? 'unknown reason');
  }
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
  return {
    adminToken: read('admin-token'),
    adminTokenHash: read('admin-token-hash'),
    databasePasswords: everyService((service) => read(passwordName(service))),
    signingKeyFile: everyService((service) => join(directory, signingKeyName(service))),
    trustedKeysFile: join(directory, 'trusted-keys.json'),
    keyEncryptionKeyFile: join(directory, 'key-encryption-key'),
    sessionSecret: read('session-secret'),
  };
};

/** Written aside and moved into place, so that a start cut short leaves no half of them. */
const make = (directory: string): void => {
  const aside = `${directory}.new`;
  rmSync(aside, { recursive: true, force: true });
  mkdirSync(aside, { mode: 0o700 });
  const secrets = newInstallationSecrets();
  const write = (name: string, value: string): void => writeFileSync(join(aside, name), value, { mode: 0o600 });
  everyService((service) => {
    write(signingKeyName(service), secrets.signingKeys[service]);
    write(passwordName(service), secrets.databasePasswords[service]);
  });
  write('trusted-keys.json', secrets.trustedKeys);
  write('key-encryption-key', secrets.keyEncryptionKey);
  write('admin-token', secrets.adminToken);
  write('admin-token-hash', secrets.adminTokenHash);
  write('session-secret', randomBytes(32).toString('base64url'));
  renameSync(aside, directory);
};
