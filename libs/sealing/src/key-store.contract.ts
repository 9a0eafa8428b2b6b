import { beforeEach, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { KeyDestroyed } from './key-store.js';
import type { KeyStore } from './key-store.js';

/** What every key store does. `make` gives a store over fresh or shared data; tests use ids of their own. */
export const keyStoreContract = (name: string, make: () => Promise<KeyStore>): void => {
  describe(`key store: ${name}`, () => {
    let keys: KeyStore;
    let actionId: string;
    beforeEach(async () => {
      keys = await make();
      actionId = newId();
    });

    test('there is no key before one is made', async () => {
      expect(await keys.actionKey('acme', actionId)).toBeUndefined();
      expect(await keys.actionKeys('acme', [actionId])).toEqual(new Map());
    });

    test('a key has 32 bytes, stays the same, and making it again gives it', async () => {
      const key = await keys.createActionKey('acme', actionId);
      expect(key).toHaveLength(32);
      expect(await keys.actionKey('acme', actionId)).toEqual(key);
      expect(await keys.actionKey('acme', actionId)).toEqual(key);
      expect(await keys.createActionKey('acme', actionId)).toEqual(key);
    });

    test('invariant 18: another tenant has another key for the same id, or none', async () => {
      const key = await keys.createActionKey('acme', actionId);
      expect(await keys.actionKey('other', actionId)).toBeUndefined();
      expect(await keys.createActionKey('other', actionId)).not.toEqual(key);
      await keys.destroyActionKey('other', actionId);
      expect(await keys.actionKey('acme', actionId)).toEqual(key);
    });

    test('a batch gives the keys that exist, a batch that makes gives all', async () => {
      const others = [newId(), newId()];
      const first = await keys.createActionKey('acme', actionId);
      expect(await keys.actionKeys('acme', [actionId, ...others])).toEqual(new Map([[actionId, first]]));
      const made = await keys.createActionKeys('acme', [others[0] as string, actionId, ...others]);
      expect([...made.keys()].sort()).toEqual([actionId, ...others].sort());
      expect(made.get(actionId)).toEqual(first);
      expect(new Set([...made.values()].map((key) => key.toString('hex'))).size).toBe(3);
      expect(await keys.actionKeys('acme', [actionId, ...others])).toEqual(made);
      expect(await keys.createActionKeys('acme', [])).toEqual(new Map());
      expect(await keys.actionKeys('acme', [])).toEqual(new Map());
    });

    test('two that make one key at once get the same', async () => {
      const made = await Promise.all(Array.from({ length: 8 }, () => keys.createActionKey('acme', actionId)));
      expect(new Set(made.map((key) => key.toString('hex'))).size).toBe(1);
    });

    test('invariant 29: a destroyed key is gone at once and never comes back', async () => {
      await keys.createActionKey('acme', actionId);
      await keys.actionKey('acme', actionId);
      await keys.destroyActionKey('acme', actionId);
      expect(await keys.actionKey('acme', actionId)).toBeUndefined();
      expect(await keys.actionKeys('acme', [actionId])).toEqual(new Map());
      await expect(keys.createActionKey('acme', actionId)).rejects.toThrow(KeyDestroyed);
      await expect(keys.createActionKeys('acme', [newId(), actionId])).rejects.toThrow(actionId);
      await keys.destroyActionKey('acme', actionId);
      expect(await keys.actionKey('acme', actionId)).toBeUndefined();
    });

    test('what was destroyed before it was made is never made', async () => {
      await keys.destroyActionKey('acme', actionId);
      await expect(keys.createActionKey('acme', actionId)).rejects.toThrow(KeyDestroyed);
    });
  });
};
