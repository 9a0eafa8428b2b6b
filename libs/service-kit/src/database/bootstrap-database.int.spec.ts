import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SERVICES } from '@exequatur/contracts';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { NotesModule } from '../spec/notes.module.js';
import { FirstTables1700000000000, testInstallation, type TestInstallation } from '../spec/test-installation.js';
import { createService } from '../service/create-service.js';
import { bootstrapDatabase, roleOf } from './bootstrap-database.js';

describe('bootstrapDatabase', () => {
  let postgres: TestPostgres;
  let installation: TestInstallation;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    installation = await testInstallation(postgres);
    for (const name of SERVICES) {
      const service = await createService({ name, module: NotesModule, migrations: [FirstTables1700000000000] }, installation.configOf(name));
      await service.close();
    }
  });
  afterAll(() => postgres.stop());

  const as = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  const codeOf = (client: pg.Client, statement: string): Promise<string> =>
    client.query(statement).then(
      () => 'allowed',
      (error: unknown) => (error instanceof pg.DatabaseError ? (error.code ?? 'no code') : 'broken'),
    );
  const DENIED = '42501';

  test.each(SERVICES)('invariant 18: role of %s reaches no other service’s schema, and no table of the key store', async (service) => {
    await as(installation.urlOf(service), async (client) => {
      expect(await codeOf(client, `SELECT FROM ${service}.event`)).toBe('allowed');
      for (const other of SERVICES.filter((name) => name !== service)) {
        for (const statement of [`SELECT FROM ${other}.event`, `INSERT INTO ${other}.note VALUES (gen_random_uuid(), 'x', 'x')`, `CREATE TABLE ${other}.mine ()`, `SET ROLE ${roleOf(other)}`]) {
          expect([statement, await codeOf(client, statement)]).toEqual([statement, DENIED]);
        }
      }
      for (const statement of ['SELECT FROM keystore.action_key', 'SELECT FROM keystore.tenant_key', 'CREATE SCHEMA mine', 'CREATE TABLE public.mine ()', 'CREATE ROLE mine', 'CREATE TEMP TABLE mine ()']) {
        expect([statement, await codeOf(client, statement)]).toEqual([statement, DENIED]);
      }
      expect(await codeOf(client, "SELECT * FROM keystore.read_tenant_key('acme')")).toBe('allowed');
    });
  });

  test('runs again, at the same time too, and leaves data and passwords working', async () => {
    const { adminUrl, secrets } = installation;
    await Promise.all([1, 2, 3].map(() => bootstrapDatabase({ adminUrl, passwords: secrets.databasePasswords })));
    await as(installation.urlOf('policy'), async (client) => {
      expect((await client.query('SELECT FROM policy.migration')).rowCount).toBe(1);
    });
  });

  test('nobody else may connect', async () => {
    await as(installation.adminUrl, (client) => client.query("CREATE ROLE stranger LOGIN PASSWORD 'stranger'"));
    const url = new URL(installation.adminUrl);
    url.username = 'stranger';
    url.password = 'stranger';
    await expect(as(url.toString(), () => Promise.resolve())).rejects.toMatchObject({ code: DENIED });
  });
});
