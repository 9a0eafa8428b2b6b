import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { startTestPostgres, type TestPostgres } from './index.js';

const ask = async (url: string, query: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: query, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
};

describe('startTestPostgres', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterAll(() => postgres.stop());

  test('answers as PostgreSQL 18 in UTF-8 and UTC', async () => {
    const [version, encoding, timezone] = await ask(postgres.url, "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'), current_setting('timezone')");
    expect([version, encoding, timezone]).toEqual([18, 'UTF8', 'UTC']);
  });

  test('databases of two tests do not see each other', async () => {
    const one = await postgres.createDatabase();
    const two = await postgres.createDatabase();
    await ask(one.url, 'CREATE TABLE only_here (id int)');
    await expect(ask(two.url, 'SELECT * FROM only_here')).rejects.toThrow('only_here');
    await one.drop();
    await expect(ask(one.url, 'SELECT 1')).rejects.toThrow('does not exist');
    await two.drop();
  });

  test('a name that is no plain identifier is refused', async () => {
    await expect(postgres.createDatabase('x; DROP DATABASE postgres')).rejects.toThrow('not a database name');
  });
});
