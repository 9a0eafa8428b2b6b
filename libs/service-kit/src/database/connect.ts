import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { ServiceConfig } from '../config/service-config.js';
import type { ServiceDefinition } from '../service/service-definition.js';
import { isError } from '../problem/is-error.js';
import { Database } from './database.js';
import { faultKind } from './pg-fault.js';
import { PreparingClient } from './preparing-client.js';

/** Bounds of what one request may do to the database. The relay and the bus have connections of their own. */
const STATEMENT_MS = 15_000;
const IDLE_IN_TRANSACTION_MS = 15_000;
const CONNECT_MS = 5_000;
/** A database that starts together with the service is waited for. */
const START_MS = 30_000;
const RETRY_MS = 250;

const dataSourceOf = (definition: ServiceDefinition, config: ServiceConfig, log: Logger): DataSource =>
  new DataSource({
    type: 'postgres',
    url: config.DATABASE_URL,
    schema: definition.name,
    applicationName: `exequatur-${definition.name}`,
    poolSize: config.DATABASE_POOL_SIZE,
    connectTimeoutMS: CONNECT_MS,
    poolErrorHandler: (error: unknown) => log.warn({ err: error }, 'database connection lost'),
    extra: {
      options: [`search_path=${definition.name}`, ...Object.entries(definition.databaseSettings ?? {}).map(([name, value]) => `${name}=${value}`)].map((setting) => `-c ${setting}`).join(' '),
      statement_timeout: STATEMENT_MS,
      lock_timeout: definition.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
      keepAlive: true,
      Client: PreparingClient,
    },
    entities: [...(definition.entities ?? [])],
    migrations: [...definition.migrations],
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'each',
    installExtensions: false,
    synchronize: false,
    logging: false,
  });

/** How long one lock is waited for unless the definition says otherwise. */
export const LOCK_TIMEOUT_MS = 2_000;

/** TypeORM keeps its pg pool here; one pool serves both. */
const poolOf = (dataSource: DataSource): Pool => (dataSource.driver as unknown as { readonly master: Pool }).master;

/** Connects as the service's role, waiting up to 30 s for a server that is not there yet. @throws the last connection error */
export const connect = async (definition: ServiceDefinition, config: ServiceConfig, log: Logger): Promise<Database> => {
  const giveUpAt = performance.now() + START_MS;
  for (;;) {
    const dataSource = dataSourceOf(definition, config, log);
    try {
      await dataSource.initialize();
      return new Database(definition.name, dataSource, poolOf(dataSource));
    } catch (error) {
      if (faultKind(error) !== 'unavailable' || performance.now() >= giveUpAt || !mayStart(error)) throw error;
      log.warn({ service: definition.name }, 'the database does not answer yet');
      await delay(RETRY_MS);
    }
  }
};

/** A wrong password or a missing database does not mend itself. */
const mayStart = (error: unknown): boolean => !(isError(error) && 'code' in error && ['28000', '28P01', '3D000'].includes(String(error.code)));

