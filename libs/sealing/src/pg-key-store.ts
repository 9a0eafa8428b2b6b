import { randomBytes } from 'node:crypto';
import { systemClock } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { BoundedCache } from './bounded-cache.js';
import { KEY_BYTES } from './cipher.js';
import { ACTION_KEY_CACHE_MS, KeyDestroyed } from './key-store.js';
import type { KeyStore, SqlClient, SqlSender } from './key-store.js';
import { openBytes, sealBytes } from './seal.js';

interface WrappedRow {
  readonly wrapped: Buffer | null;
  readonly durable: boolean;
}
interface ActionRow extends WrappedRow {
  readonly action_id: string;
}

export interface PgKeyStoreOptions {
  /** A pool whose role has EXECUTE on the functions of `keystoreDdl`. */
  readonly sql: SqlClient;
  /** The key-encryption key of the installation, 32 bytes, from configuration. */
  readonly keyEncryptionKey: Buffer;
  readonly clock?: Clock;
}

const TENANT_KEYS_CACHED = 1_000;
const TENANT_KEY_CACHE_MS = 600_000;
const ACTION_KEYS_CACHED = 1_000;

/**
 * Data keys wrapped under a key per tenant, that one wrapped under the key-encryption key; PostgreSQL sees neither. A
 * wrapped key opens only under its own tenant and action, so rows cannot be exchanged. Another key-encryption key than the
 * one that made the rows shows as CannotOpen.
 */
export class PgKeyStore implements KeyStore {
  private readonly sql: SqlClient;
  private readonly keyEncryptionKey: Buffer;
  private readonly tenantKeys: BoundedCache<Buffer>;
  private readonly readKeys: BoundedCache<Buffer>;

  constructor({ sql, keyEncryptionKey, clock = systemClock }: PgKeyStoreOptions) {
    if (keyEncryptionKey.length !== KEY_BYTES) throw new RangeError(`the key-encryption key has ${KEY_BYTES} bytes`);
    this.sql = sql;
    this.keyEncryptionKey = keyEncryptionKey;
    this.tenantKeys = new BoundedCache(TENANT_KEYS_CACHED, TENANT_KEY_CACHE_MS, () => clock.monotonic());
    this.readKeys = new BoundedCache(ACTION_KEYS_CACHED, ACTION_KEY_CACHE_MS, () => clock.monotonic());
  }

  async actionKey(tenant: string, actionId: string, sql?: SqlClient): Promise<Buffer | undefined> {
    return (await this.actionKeys(tenant, [actionId], sql)).get(actionId);
  }

  async actionKeys(tenant: string, actionIds: readonly string[], sql: SqlClient = this.sql): Promise<ReadonlyMap<string, Buffer>> {
    const found = new Map<string, Buffer>();
    for (const actionId of actionIds) {
      const key = this.readKeys.get(nameOf(tenant, actionId));
      if (key !== undefined) found.set(actionId, key);
    }
    const missing = actionIds.filter((actionId) => !found.has(actionId));
    if (missing.length === 0) return found;
    const { rows } = await sql.query<ActionRow>('SELECT action_id, wrapped, durable FROM keystore.read_action_keys($1, $2::uuid[])', [tenant, missing]);
    const kept = rows.filter((row) => row.wrapped !== null);
    if (kept.length === 0) return found;
    const tenantKey = await this.tenantKey(tenant, sql);
    for (const row of kept) {
      const key = unwrapAction(tenantKey, tenant, row);
      found.set(row.action_id, key);
      if (row.durable) this.readKeys.set(nameOf(tenant, row.action_id), key);
    }
    return found;
  }

  async createActionKey(tenant: string, actionId: string, sql?: SqlClient): Promise<Buffer> {
    return (await this.createActionKeys(tenant, [actionId], sql)).get(actionId) as Buffer;
  }

  async createActionKeys(tenant: string, actionIds: readonly string[], sql: SqlClient = this.sql): Promise<ReadonlyMap<string, Buffer>> {
    if (actionIds.length === 0) return new Map();
    const distinct = [...new Set(actionIds)];
    const tenantKey = await this.tenantKey(tenant, sql);
    const wrapped = distinct.map((actionId) => sealBytes(tenantKey, actionPlace(tenant, actionId), randomBytes(KEY_BYTES)));
    const { rows } = await sql.query<ActionRow>('SELECT action_id, wrapped, durable FROM keystore.keep_action_keys($1, $2::uuid[], $3::bytea[])', [tenant, distinct, wrapped]);
    const keys = new Map<string, Buffer>();
    for (const row of rows) {
      if (row.wrapped === null) throw new KeyDestroyed(row.action_id);
      keys.set(row.action_id, unwrapAction(tenantKey, tenant, row));
    }
    return keys;
  }

  async newActionKeys(tenant: string, actionIds: readonly string[], tx: SqlSender): Promise<ReadonlyMap<string, Buffer>> {
    const keys = new Map(actionIds.map((actionId) => [actionId, randomBytes(KEY_BYTES)]));
    if (keys.size === 0) return keys;
    const tenantKey = await this.tenantKey(tenant, tx);
    const wrapped = [...keys].map(([actionId, key]) => sealBytes(tenantKey, actionPlace(tenant, actionId), key));
    tx.send({ name: 'keystore-add', text: 'SELECT keystore.add_action_keys($1, $2::uuid[], $3::bytea[])', values: [tenant, [...keys.keys()], wrapped] });
    return keys;
  }

  async destroyActionKey(tenant: string, actionId: string, sql: SqlClient = this.sql): Promise<void> {
    this.readKeys.delete(nameOf(tenant, actionId));
    await sql.query('SELECT keystore.destroy_action_key($1, $2)', [tenant, actionId]);
    // A read may have put it back while the statement ran.
    this.readKeys.delete(nameOf(tenant, actionId));
  }

  private async tenantKey(tenant: string, sql: SqlClient): Promise<Buffer> {
    const cached = this.tenantKeys.get(tenant);
    if (cached !== undefined) return cached;
    const read = await sql.query<WrappedRow>('SELECT wrapped, durable FROM keystore.read_tenant_key($1)', [tenant]);
    const row = read.rows[0] ?? (await this.makeTenantKey(tenant, sql));
    const key = openBytes(this.keyEncryptionKey, tenantPlace(tenant), row.wrapped as Buffer);
    // A key made in a transaction that is rolled back must not live on here while others make another one.
    if (row.durable) this.tenantKeys.set(tenant, key);
    return key;
  }

  private async makeTenantKey(tenant: string, sql: SqlClient): Promise<WrappedRow> {
    const wrapped = sealBytes(this.keyEncryptionKey, tenantPlace(tenant), randomBytes(KEY_BYTES));
    const { rows } = await sql.query<WrappedRow>('SELECT wrapped, durable FROM keystore.keep_tenant_key($1, $2)', [tenant, wrapped]);
    return rows[0] as WrappedRow;
  }
}

const nameOf = (tenant: string, actionId: string): string => JSON.stringify([tenant, actionId]);
const tenantPlace = (tenant: string): string => JSON.stringify(['tenant-key', tenant]);
const actionPlace = (tenant: string, actionId: string): string => JSON.stringify(['action-key', tenant, actionId]);
const unwrapAction = (tenantKey: Buffer, tenant: string, row: ActionRow): Buffer => openBytes(tenantKey, actionPlace(tenant, row.action_id), row.wrapped as Buffer);
