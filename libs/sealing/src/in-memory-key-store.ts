import { randomBytes } from 'node:crypto';
import { KEY_BYTES } from './cipher.js';
import { KeyDestroyed } from './key-store.js';
import type { KeyStore } from './key-store.js';

/** For tests without a database. Knows no transactions: what a caller rolls back stays. */
export class InMemoryKeyStore implements KeyStore {
  /** null: destroyed */
  private readonly keys = new Map<string, Buffer | null>();

  async actionKey(tenant: string, actionId: string): Promise<Buffer | undefined> {
    return this.keys.get(nameOf(tenant, actionId)) ?? undefined;
  }

  async actionKeys(tenant: string, actionIds: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    const found = new Map<string, Buffer>();
    for (const actionId of actionIds) {
      const key = this.keys.get(nameOf(tenant, actionId));
      if (key) found.set(actionId, key);
    }
    return found;
  }

  async createActionKey(tenant: string, actionId: string): Promise<Buffer> {
    return (await this.createActionKeys(tenant, [actionId])).get(actionId) as Buffer;
  }

  async createActionKeys(tenant: string, actionIds: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    const destroyed = actionIds.find((actionId) => this.keys.get(nameOf(tenant, actionId)) === null);
    if (destroyed !== undefined) throw new KeyDestroyed(destroyed);
    for (const actionId of actionIds) {
      const name = nameOf(tenant, actionId);
      if (!this.keys.has(name)) this.keys.set(name, randomBytes(KEY_BYTES));
    }
    return this.actionKeys(tenant, actionIds);
  }

  newActionKeys(tenant: string, actionIds: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    const known = actionIds.find((actionId) => this.keys.has(nameOf(tenant, actionId)));
    return known === undefined ? this.createActionKeys(tenant, actionIds) : Promise.reject(new Error(`action ${known} has a key`));
  }

  async destroyActionKey(tenant: string, actionId: string): Promise<void> {
    this.keys.set(nameOf(tenant, actionId), null);
  }
}

const nameOf = (tenant: string, actionId: string): string => JSON.stringify([tenant, actionId]);
