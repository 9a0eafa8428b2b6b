import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { createService } from '../service/create-service.js';
import type { RunningService } from '../service/service-definition.js';
import { NotesModule } from '../spec/notes.module.js';
import { FirstTables1700000000000, testInstallation } from '../spec/test-installation.js';
import { Database } from './database.js';

describe('Database', () => {
  let postgres: TestPostgres;
  let service: RunningService;
  let database: Database;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    const installation = await testInstallation(postgres);
    service = await createService({ name: 'audit', module: NotesModule, migrations: [FirstTables1700000000000] }, installation.configOf('audit'));
    database = service.app.get(Database);
  });
  afterAll(async () => {
    await service.close();
    await postgres.stop();
  });

  test('works in its own schema only, under its own name, within bounds', async () => {
    const { rows } = await database.query("SELECT current_schemas(false)::text AS schemas, current_user AS role, current_setting('application_name') AS name, current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock");
    expect(rows).toEqual([{ schemas: '{audit}', role: 'exequatur_audit', name: 'exequatur-audit', statement: '15s', lock: '2s' }]);
  });

  test('a snapshot does not see what is committed while it reads', async () => {
    const counts = await database.snapshot(async (tx) => {
      const before = (await tx.query('SELECT FROM note')).rowCount;
      await database.query("INSERT INTO note (id, tenant, text) VALUES (gen_random_uuid(), 'acme', 'meanwhile')");
      return [before, (await tx.query('SELECT FROM note')).rowCount];
    });
    expect(counts).toEqual([0, 0]);
    expect((await database.query('SELECT FROM note')).rowCount).toBe(1);
  });

  test('a snapshot whose connection is lost rejects, and the pool goes on', async () => {
    const lost = database.snapshot(async (tx) => {
      const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await database.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return tx.query('SELECT 1');
    });
    await expect(lost).rejects.toThrow();
    expect((await database.query('SELECT 1')).rowCount).toBe(1);
  });
});
