import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICES } from '@exequatur/contracts';
import { bootstrapDatabase } from '@exequatur/service-kit';
import { createDatabase, DATABASE } from '../database.js';
import { databaseUrlOf } from '../environment.js';
import { secretsOf } from '../secrets.js';

/**
 * One-shot job: database, roles, schemas, key store and bus. Needs DATABASE_ADMIN_URL (superuser) and EXEQUATUR_DATA_DIR, where
 * it makes the installation's secrets on its first run and writes each service's connection string. Running it again changes nothing.
 */
const adminUrl = process.env['DATABASE_ADMIN_URL'];
const dataDirectory = process.env['EXEQUATUR_DATA_DIR'];
if (adminUrl === undefined || dataDirectory === undefined) {
  console.error('DATABASE_ADMIN_URL and EXEQUATUR_DATA_DIR are needed.');
  process.exit(1);
}
const secrets = secretsOf(dataDirectory);
await createDatabase(adminUrl);
const target = new URL(adminUrl);
target.pathname = `/${DATABASE}`;
await bootstrapDatabase({ adminUrl: target.href, passwords: secrets.databasePasswords });
const database = { host: target.hostname, port: Number(target.port || 5_432), name: DATABASE };
for (const service of SERVICES) writeFileSync(join(dataDirectory, 'secrets', `${service}.database-url`), databaseUrlOf(service, secrets, database), { mode: 0o600 });
console.log(`Database ${DATABASE} is ready for ${SERVICES.join(', ')}.`);
