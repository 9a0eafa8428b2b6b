import type { ServiceName } from '@exequatur/contracts';
import { eventStoreDdl } from '@exequatur/event-store';
import { inboxDdl } from '@exequatur/messaging';
import type { TestPostgres } from '@exequatur/testing';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { newInstallationSecrets, type InstallationSecrets } from '../config/installation-secrets.js';
import { loadConfig } from '../config/load-config.js';
import { ServiceConfig } from '../config/service-config.js';
import { bootstrapDatabase, roleOf } from '../database/bootstrap-database.js';
import { idempotencyDdl } from '../idempotency/idempotency-ddl.js';
import { accountsDdl } from '../identity/directory-accounts.migration.js';
import { directoryDdl } from '../identity/directory-ddl.js';

/** What the first migration of every service does, and a table for the effects of the spec's own service. */
export class FirstTables1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(eventStoreDdl());
    await runner.query(inboxDdl());
    await runner.query(idempotencyDdl());
    await runner.query(directoryDdl());
    await runner.query(accountsDdl());
    await runner.query('CREATE TABLE note (id uuid PRIMARY KEY, tenant text NOT NULL, text text NOT NULL)');
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}

export interface TestInstallation {
  readonly secrets: InstallationSecrets;
  readonly adminUrl: string;
  urlOf(service: ServiceName): string;
  configOf(service: ServiceName, more?: Readonly<Record<string, string>>): ServiceConfig;
}

/** A bootstrapped database on a test server, with secrets of its own. */
export const testInstallation = async (postgres: TestPostgres): Promise<TestInstallation> => {
  const { url: adminUrl } = await postgres.createDatabase();
  const secrets = newInstallationSecrets();
  await bootstrapDatabase({ adminUrl, passwords: secrets.databasePasswords });
  const urlOf = (service: ServiceName): string => {
    const url = new URL(adminUrl);
    url.username = roleOf(service);
    url.password = secrets.databasePasswords[service];
    return url.toString();
  };
  const configOf = (service: ServiceName, more: Readonly<Record<string, string>> = {}): ServiceConfig =>
    loadConfig(ServiceConfig, {
      DATABASE_URL: urlOf(service),
      EXEQUATUR_SIGNING_KEY: secrets.signingKeys[service],
      EXEQUATUR_TRUSTED_KEYS: secrets.trustedKeys,
      EXEQUATUR_KEK: secrets.keyEncryptionKey,
      EXEQUATUR_ADMIN_TOKEN_HASH: secrets.adminTokenHash,
      LOG_LEVEL: 'silent',
      ...more,
    });
  return { secrets, adminUrl, urlOf, configOf };
};
