import { originVerifier, type PrivateJwk, type TrustedKeys } from '@exequatur/audit-chain';
import { ALL_TOPICS } from '@exequatur/contracts';
import { assertValidEvent, PgEventStore, startRelay, type PgTransaction, type Relay } from '@exequatur/event-store';
import { systemClock, type Clock } from '@exequatur/kernel';
import { ExequaturStrategy, Inbox, kafkaTransport, postgresTransport, type Transport } from '@exequatur/messaging';
import { PgKeyStore, type KeyStore } from '@exequatur/sealing';
import type { Logger } from 'pino';
import { ConfigError } from '../config/load-config.js';
import type { ServiceConfig } from '../config/service-config.js';
import { connect } from '../database/connect.js';
import type { Database } from '../database/database.js';
import { migrate } from '../database/migrate.js';
import { Admission } from '../http/admission.js';
import { Idempotency } from '../idempotency/idempotency.js';
import { IdempotentRequests } from '../idempotency/run-idempotent.js';
import { Directory } from '../identity/directory.js';
import { readIdentityProviders } from '../identity/identity-provider.js';
import { ProviderTokens } from '../identity/provider-tokens.js';
import { Signer } from '../identity/signer.js';
import { Health } from '../observability/health.js';
import { createLogger, messagingLogger } from '../observability/logger.js';
import { ServiceMetrics } from '../observability/metrics.js';
import { OpenApi } from '../openapi/open-api.js';
import { quarantineRecorder } from './quarantine-recorder.js';
import { rotateSigningKey } from './rotate-signing-key.js';
import type { ServiceDefinition } from './service-definition.js';
import type { Shutdown } from './shutdown.js';

/** Everything below the Nest app of one service. */
export interface Platform {
  readonly definition: ServiceDefinition;
  readonly config: ServiceConfig;
  readonly log: Logger;
  readonly clock: Clock;
  readonly database: Database;
  readonly signer: Signer;
  readonly store: PgEventStore;
  readonly keyStore: KeyStore;
  readonly transport: Transport;
  readonly relay: Relay;
  readonly inbox: Inbox<PgTransaction>;
  readonly strategy: ExequaturStrategy<PgTransaction>;
  readonly directory: Directory;
  readonly providerTokens: ProviderTokens;
  readonly idempotency: Idempotency;
  readonly idempotentRequests: IdempotentRequests<PgTransaction>;
  readonly admission: Admission;
  readonly health: Health;
  readonly metrics: ServiceMetrics;
  readonly openApi: OpenApi;
}

/** JSON of a configuration value. @throws ConfigError that names the variable only: parser messages quote their input */
const jsonOf = <T>(variable: string, text: string): T => {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ConfigError([`${variable} must be JSON`]);
  }
};

const signerOf = ({ name }: ServiceDefinition, config: ServiceConfig): Signer => {
  const key = jsonOf<PrivateJwk>('EXEQUATUR_SIGNING_KEY', config.EXEQUATUR_SIGNING_KEY);
  const trusted = jsonOf<TrustedKeys>('EXEQUATUR_TRUSTED_KEYS', config.EXEQUATUR_TRUSTED_KEYS);
  try {
    return new Signer(name, key, trusted);
  } catch (error) {
    throw new ConfigError([`EXEQUATUR_SIGNING_KEY or EXEQUATUR_TRUSTED_KEYS: ${error instanceof Error ? error.message : 'not usable'}`]);
  }
};

const transportOf = ({ name }: ServiceDefinition, config: ServiceConfig, log: Logger): Transport => {
  const logger = messagingLogger(log);
  if (config.EXEQUATUR_TRANSPORT === 'postgres') return postgresTransport({ connectionString: config.DATABASE_URL, service: name, logger });
  const { KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = config;
  const login = username === undefined || password === undefined ? {} : { sasl: { mechanism: 'scram-sha-256' as const, username, password } };
  return kafkaTransport({ brokers: (config.KAFKA_BROKERS ?? '').split(','), clientId: `exequatur-${name}`, service: name, logger, ...login });
};

/**
 * Starts what the app stands on, in order: database, migrations, topics, relay. What was started is handed to `shutdown`
 * at once, so that a failure half way leaves nothing behind.
 */
export const startPlatform = async (definition: ServiceDefinition, config: ServiceConfig, shutdown: Shutdown): Promise<Platform> => {
  const { name } = definition;
  const log = createLogger(name, config.LOG_LEVEL);
  const clock = systemClock;
  const signer = signerOf(definition, config);
  const providerTokens = new ProviderTokens(readIdentityProviders(config.EXEQUATUR_IDENTITY_PROVIDERS));
  const database = await connect(definition, config, log);
  shutdown.later('database', () => database.dataSource.destroy());
  await migrate(database, config.DATABASE_URL);
  const transport = transportOf(definition, config, log);
  shutdown.later('transport', () => transport.close());
  await transport.ensureTopics(ALL_TOPICS);
  await rotateSigningKey({ database, signer, clock, previous: config.EXEQUATUR_PREVIOUS_SIGNING_KEY });
  const store = new PgEventStore({ pool: database.pool, service: name, signingKey: signer.signingKey, clock });
  const relay = startRelay({ pool: database.pool, store, publisher: transport.publisher, logger: messagingLogger(log), onError: (error) => log.error({ err: error }, 'relay failed and tries again') });
  shutdown.later('relay', () => relay.stop());
  const keyStore = new PgKeyStore({ sql: database.pool, keyEncryptionKey: Buffer.from(config.EXEQUATUR_KEK, 'base64url'), clock });
  const inbox = new Inbox<PgTransaction>(store, database.pool);
  const idempotency = new Idempotency(database.schema, keyStore);
  return {
    definition,
    config,
    log,
    clock,
    database,
    signer,
    store,
    keyStore,
    transport,
    relay,
    inbox,
    strategy: new ExequaturStrategy<PgTransaction>({
      service: name,
      transport,
      inbox,
      validate: assertValidEvent,
      verifyOrigin: originVerifier(signer.trustedKeys),
      onQuarantined: quarantineRecorder(store, name),
      logger: messagingLogger(log),
    }),
    directory: new Directory(database, clock, config.EXEQUATUR_ADMIN_TOKEN_HASH),
    providerTokens,
    idempotency,
    idempotentRequests: new IdempotentRequests<PgTransaction>(store, idempotency),
    admission: new Admission(config.MAX_CONCURRENT_REQUESTS),
    health: new Health(),
    metrics: new ServiceMetrics(name),
    openApi: new OpenApi(name, config.PUBLIC_URL),
  };
};
