import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { startTestPostgres } from '@exequatur/testing';
import type { TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { CannotOpen } from './cipher.js';
import { InMemoryKeyStore } from './in-memory-key-store.js';
import { keyStoreContract } from './key-store.contract.js';
import { ACTION_KEY_CACHE_MS, KeyDestroyed } from './key-store.js';
import type { KeyStore, SqlSender } from './key-store.js';
import { keystoreDdl } from './keystore-ddl.js';
import { PgKeyStore } from './pg-key-store.js';

keyStoreContract('in memory', async () => new InMemoryKeyStore());

let server: TestPostgres;
let admin: pg.Pool;
let service: pg.Pool;
const keyEncryptionKey = randomBytes(32);
const ROLES = ['keystore_spec_policy', 'keystore_spec_executor'];
const poolAs = (url: string, role?: string): pg.Pool => {
  const given = new URL(url);
  if (role !== undefined) {
    given.username = role;
    given.password = 'spec';
  }
  const pool = new pg.Pool({ connectionString: given.toString(), max: 10 });
  // end() does not wait for sockets to close, so a stopping server may still say so on one.
  pool.on('error', (error) => expect(error).toMatchObject({ code: '57P01' }));
  return pool;
};

beforeAll(async () => {
  server = await startTestPostgres();
  const { url } = await server.createDatabase();
  admin = poolAs(url);
  for (const role of ROLES) await admin.query(`DROP ROLE IF EXISTS ${role}`);
  for (const role of ROLES) await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'spec'`);
  const ddl = keystoreDdl('keystore_spec_owner', ROLES);
  await admin.query(ddl);
  await admin.query(ddl);
  service = poolAs(url, ROLES[0]);
});

afterAll(async () => {
  await service.end();
  await admin.end();
  await server.stop();
});

keyStoreContract('PostgreSQL, as a service role', async () => new PgKeyStore({ sql: service, keyEncryptionKey }));

describe('PostgreSQL', () => {
  const storeOf = (sql: pg.Pool = service, key = keyEncryptionKey): KeyStore => new PgKeyStore({ sql, keyEncryptionKey: key });

  const inTransaction = async <T>(end: 'COMMIT' | 'ROLLBACK', work: (sql: pg.PoolClient) => Promise<T>): Promise<T> => {
    const client = await service.connect();
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query(end);
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw error;
    }
  };

  test('the services of one installation read each other\'s keys', async () => {
    const actionId = newId();
    const key = await storeOf().createActionKey('acme', actionId);
    expect(await storeOf().actionKey('acme', actionId)).toEqual(key);
    expect(await storeOf(admin).actionKey('acme', actionId)).toEqual(key);
  });

  test('keys of actions that begin are there when their transaction commits, and one that is known makes it fail', async () => {
    const [begun, undone] = [newId(), newId()];
    const make = async (end: 'COMMIT' | 'ROLLBACK', actionId: string): Promise<Buffer | undefined> =>
      inTransaction(end, async (client) => {
        const sent: Promise<unknown>[] = [];
        const send = (statement: { name: string; text: string; values: unknown[] }): void => void sent.push(client.query(statement));
        const keys = await storeOf().newActionKeys('acme', [actionId], { query: client.query.bind(client) as SqlSender['query'], send });
        await Promise.all(sent);
        return keys.get(actionId);
      });
    const key = await make('COMMIT', begun);
    expect(key).toHaveLength(32);
    expect(await storeOf().actionKey('acme', begun)).toEqual(key);
    await make('ROLLBACK', undone);
    expect(await storeOf().actionKey('acme', undone)).toBeUndefined();
    await expect(make('COMMIT', begun)).rejects.toThrow('duplicate key');
    expect(await storeOf().actionKey('acme', begun)).toEqual(key);
  });

  test('a service reaches no table, only the functions; others reach nothing', async () => {
    for (const statement of ['SELECT * FROM keystore.action_key', 'SELECT * FROM keystore.tenant_key', 'DELETE FROM keystore.action_key', 'CREATE TABLE keystore.mine (a int)']) {
      await expect(service.query(statement)).rejects.toThrow('permission denied');
    }
    await admin.query('DROP ROLE IF EXISTS keystore_spec_stranger');
    await admin.query('CREATE ROLE keystore_spec_stranger NOLOGIN');
    const { rows } = await admin.query<{ schema: boolean; functions: number }>(
      `SELECT has_schema_privilege('keystore_spec_stranger', 'keystore', 'USAGE') AS schema,
              (SELECT count(*)::int FROM pg_proc p WHERE p.pronamespace = 'keystore'::regnamespace AND has_function_privilege('keystore_spec_stranger', p.oid, 'EXECUTE')) AS functions`,
    );
    expect(rows).toEqual([{ schema: false, functions: 0 }]);
    await admin.query('DROP ROLE keystore_spec_stranger');
  });

  test('a search_path set by the caller does not change what the functions use', async () => {
    const actionId = newId();
    await inTransaction('ROLLBACK', async (sql) => {
      await sql.query('CREATE TEMP TABLE action_key (tenant text, action_id uuid, wrapped bytea, made_by xid8, destroyed_at timestamptz) ON COMMIT DROP');
      await sql.query('SET LOCAL search_path = pg_temp, public');
      const made = await storeOf().createActionKey('acme', actionId, sql);
      expect(made).toHaveLength(32);
      expect((await sql.query('SELECT * FROM pg_temp.action_key')).rows).toEqual([]);
    });
  });

  test('invariant 29: no key stands in the tables; wrapped ones are of no use in another row or under another key-encryption key', async () => {
    const [mine, theirs] = [newId(), newId()];
    const made = await storeOf().createActionKeys('acme', [mine, theirs]);
    const { rows } = await admin.query<{ wrapped: Buffer }>('SELECT wrapped FROM keystore.action_key WHERE action_id = ANY ($1) UNION ALL SELECT wrapped FROM keystore.tenant_key', [[mine, theirs]]);
    for (const { wrapped } of rows) for (const key of made.values()) expect(wrapped.includes(key)).toBe(false);
    await expect(storeOf(service, randomBytes(32)).actionKey('acme', mine)).rejects.toThrow(CannotOpen);
    await admin.query('UPDATE keystore.action_key SET wrapped = (SELECT wrapped FROM keystore.action_key WHERE action_id = $1) WHERE action_id = $2', [theirs, mine]);
    await expect(storeOf().actionKey('acme', mine)).rejects.toThrow(CannotOpen);
  });

  test('invariant 29: destroying removes the wrapped key from the row', async () => {
    const actionId = newId();
    await storeOf().createActionKey('acme', actionId);
    await storeOf().destroyActionKey('acme', actionId);
    const { rows } = await admin.query('SELECT wrapped, destroyed_at IS NOT NULL AS destroyed FROM keystore.action_key WHERE action_id = $1', [actionId]);
    expect(rows).toEqual([{ wrapped: null, destroyed: true }]);
  });

  test('a key made in a transaction exists when it commits', async () => {
    const actionId = newId();
    const keys = storeOf();
    const made = await inTransaction('COMMIT', async (sql) => {
      const key = await keys.createActionKey('acme', actionId, sql);
      expect(await storeOf().actionKey('acme', actionId)).toBeUndefined();
      return key;
    });
    expect(await keys.actionKey('acme', actionId)).toEqual(made);
    expect(await storeOf().actionKey('acme', actionId)).toEqual(made);
  });

  test('keys of a transaction that rolled back, the tenant\'s included, live nowhere', async () => {
    const [tenant, actionId] = [`new-${newId()}`, newId()];
    const keys = storeOf();
    const lost = await inTransaction('ROLLBACK', async (sql) => {
      const key = await keys.createActionKey(tenant, actionId, sql);
      expect(await keys.actionKey(tenant, actionId, sql)).toEqual(key);
      return key;
    });
    expect(await keys.actionKey(tenant, actionId)).toBeUndefined();
    const elsewhere = await storeOf().createActionKey(tenant, actionId);
    expect(elsewhere).not.toEqual(lost);
    expect(await keys.actionKey(tenant, actionId)).toEqual(elsewhere);
  });

  test('two services that meet a new tenant at once agree on its key', async () => {
    const tenant = `new-${newId()}`;
    const actionIds = Array.from({ length: 8 }, () => newId());
    const made = await Promise.all(actionIds.map((actionId) => storeOf().createActionKey(tenant, actionId)));
    const read = await storeOf().actionKeys(tenant, actionIds);
    expect(actionIds.map((actionId) => read.get(actionId))).toEqual(made);
  });

  test('a key destroyed by another process is forgotten within ACTION_KEY_CACHE_MS, and nothing new is sealed under it before', async () => {
    let nowMs = 0;
    const keys = new PgKeyStore({ sql: service, keyEncryptionKey, clock: { now: () => 0, monotonic: () => nowMs } });
    const actionId = newId();
    const key = await keys.createActionKey('acme', actionId);
    expect(await keys.actionKey('acme', actionId)).toEqual(key);
    await storeOf().destroyActionKey('acme', actionId);
    await expect(keys.createActionKey('acme', actionId)).rejects.toThrow(KeyDestroyed);
    nowMs = ACTION_KEY_CACHE_MS + 1;
    expect(await keys.actionKey('acme', actionId)).toBeUndefined();
  });

  test('a known tenant costs one statement a call, a key read again none', async () => {
    let statements = 0;
    const counting = new PgKeyStore({
      keyEncryptionKey,
      sql: {
        query: (text, values) => {
          statements += 1;
          return service.query(text, values);
        },
      },
    });
    const actionIds = Array.from({ length: 50 }, () => newId());
    await counting.createActionKeys('acme', [newId()]);
    statements = 0;
    await counting.createActionKeys('acme', actionIds);
    expect(statements).toBe(1);
    await counting.actionKeys('acme', actionIds);
    await counting.actionKeys('acme', actionIds);
    expect(statements).toBe(2);
  });
});
