import { SERVICES } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import { roleOf } from '@exequatur/service-kit';
import type { Secrets } from './secrets.js';

export interface Surroundings {
  readonly secrets: Secrets;
  /** host:port/database of PostgreSQL, without credentials */
  readonly database: { readonly host: string; readonly port: number; readonly name: string };
  readonly transport: { readonly kind: 'postgres' } | { readonly kind: 'kafka'; readonly brokers: string };
  readonly logLevel: string;
  readonly host: string;
  /** where agents and people reach the service, and the executor reservations */
  readonly urls: Readonly<Record<ServiceName, string>>;
  /** the origin that people see, when it is another */
  readonly publicUrl?: string;
}

/** Connection string of a service's own role. */
export const databaseUrlOf = (service: ServiceName, secrets: Pick<Secrets, 'databasePasswords'>, database: Surroundings['database']): string =>
  `postgres://${roleOf(service)}:${encodeURIComponent(secrets.databasePasswords[service])}@${database.host}:${database.port}/${database.name}`;

/** Settings that have no default of ours, by who takes them: outside witnesses, static files, identity providers, step-up. */
const PASSED_ON: Readonly<Partial<Record<ServiceName | 'all', readonly string[]>>> = {
  all: ['EXEQUATUR_IDENTITY_PROVIDERS', 'EXEQUATUR_IDENTITY_PROVIDERS_FILE'],
  audit: ['EXEQUATUR_WITNESSES', 'EXEQUATUR_WITNESSES_FILE', 'EXEQUATUR_TILES_DIR'],
  approvals: ['EXEQUATUR_STEP_UP', 'EXEQUATUR_STEP_UP_FILE'],
};
const passedOn = (service: ServiceName): Record<string, string> =>
  Object.fromEntries([...(PASSED_ON.all ?? []), ...(PASSED_ON[service] ?? [])].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));

/** The environment of one service, exactly as it would be given to its process: see ServiceConfig for what each variable means. */
export const environmentOf = (service: ServiceName, surroundings: Surroundings): Record<string, string> => {
  const { secrets, database, transport, urls } = surroundings;
  return {
    EXEQUATUR_TRANSPORT: transport.kind,
    ...(transport.kind === 'kafka' ? { KAFKA_BROKERS: transport.brokers } : {}),
    DATABASE_URL: databaseUrlOf(service, secrets, database),
    EXEQUATUR_SIGNING_KEY_FILE: secrets.signingKeyFile[service],
    EXEQUATUR_TRUSTED_KEYS_FILE: secrets.trustedKeysFile,
    EXEQUATUR_KEK_FILE: secrets.keyEncryptionKeyFile,
    EXEQUATUR_ADMIN_TOKEN_HASH: secrets.adminTokenHash,
    EXEQUATUR_SESSION_SECRET: secrets.sessionSecret,
    HOST: surroundings.host,
    PORT: new URL(urls[service]).port,
    LOG_LEVEL: surroundings.logLevel,
    PUBLIC_URL: surroundings.publicUrl ?? urls.approvals,
    RESERVATIONS_URL: urls.reservations,
    ...(service === 'approvals' ? { POLICY_URL: urls.policy } : {}),
    ...passedOn(service),
  };
};

export const everyService = <T>(value: (service: ServiceName) => T): Record<ServiceName, T> => Object.fromEntries(SERVICES.map((service) => [service, value(service)])) as Record<ServiceName, T>;
