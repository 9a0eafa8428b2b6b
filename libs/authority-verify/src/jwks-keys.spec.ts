import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { JwksKeys } from './jwks-keys.js';
import type { JwksOptions } from './jwks-keys.js';
import { KeysUnavailable, pinnedKeys } from './key-source.js';
import { JwksServer, SettableClock, testKey } from './spec/authority.js';

const first = testKey('reservations-1');
const second = testKey('reservations-2');

describe('JwksKeys', () => {
  let server: JwksServer;
  let clock: SettableClock;
  beforeEach(async () => {
    server = await JwksServer.start(first);
    clock = new SettableClock();
  });
  afterEach(() => server.stop());

  const keysAt = (options: Partial<JwksOptions> = {}) => new JwksKeys({ url: server.url, clock, ...options });
  const known = async (keys: JwksKeys, kid: string): Promise<string> => {
    try {
      return (await keys.keyOf(kid)) === undefined ? 'unknown' : 'known';
    } catch (error) {
      if (error instanceof KeysUnavailable) return 'unavailable';
      throw error;
    }
  };
  const down = (): void => {
    server.answer = () => ({ status: 500, body: '' });
  };

  test('fetches once, for many who ask at once and after', async () => {
    const keys = keysAt();
    expect(await Promise.all(Array.from({ length: 20 }, () => known(keys, first.kid)))).toEqual(Array.from({ length: 20 }, () => 'known'));
    expect(await known(keys, first.kid)).toBe('known');
    expect(server.requests).toBe(1);
  });

  test('rotation: a new kid is found by one more fetch, and an old one stops counting when the set is fetched again', async () => {
    const keys = keysAt();
    expect(await known(keys, first.kid)).toBe('known');
    server.publish(first, second);
    clock.ms += 10_000;
    expect(await known(keys, second.kid)).toBe('known');
    expect(server.requests).toBe(2);
    server.publish(second);
    expect(await known(keys, first.kid)).toBe('known');
    clock.ms += 300_000;
    expect(await known(keys, first.kid)).toBe('unknown');
    expect(await known(keys, second.kid)).toBe('known');
  });

  test('a stream of made-up kids costs one fetch in ten seconds', async () => {
    const keys = keysAt();
    for (let turn = 0; turn < 50; turn += 1) expect(await known(keys, `reservations-x${turn}`)).toBe('unknown');
    expect(server.requests).toBe(1);
    clock.ms += 10_000;
    for (let turn = 0; turn < 50; turn += 1) await known(keys, `reservations-y${turn}`);
    expect(server.requests).toBe(2);
  });

  test('down from the start: unavailable, one try a second, well once it is back', async () => {
    down();
    const keys = keysAt();
    for (let turn = 0; turn < 5; turn += 1) expect(await known(keys, first.kid)).toBe('unavailable');
    expect(server.requests).toBe(1);
    server.publish(first);
    clock.ms += 1_000;
    expect(await known(keys, first.kid)).toBe('known');
  });

  test('down later: known keys count for an hour, unknown ones cannot be judged', async () => {
    const keys = keysAt();
    expect(await known(keys, first.kid)).toBe('known');
    down();
    clock.ms += 300_000;
    expect(await known(keys, first.kid)).toBe('known');
    clock.ms += 1_000;
    expect(await known(keys, second.kid)).toBe('unavailable');
    clock.ms += 3_600_000;
    expect(await known(keys, first.kid)).toBe('unavailable');
  });

  test('nothing listens: unavailable', async () => {
    const keys = keysAt();
    await server.stop();
    expect(await known(keys, first.kid)).toBe('unavailable');
  });

  test.each([
    ['not JSON', { status: 200, body: 'hello' }],
    ['no set', { status: 200, body: '[]' }],
    ['a redirect', { status: 302, body: '', headers: { location: '/elsewhere' } }],
    ['a megabyte', { status: 200, body: JSON.stringify({ keys: [first.jwk], padding: 'x'.repeat(1_000_000) }) }],
    ['one kid for two keys', { status: 200, body: JSON.stringify({ keys: [first.jwk, testKey(first.kid).jwk] }) }],
    ['a key that is none', { status: 200, body: JSON.stringify({ keys: [{ ...first.jwk, x: 'AAAA' }] }) }],
  ])('%s is not a key set', async (_, answer) => {
    server.answer = () => answer;
    expect(await known(keysAt(), first.kid)).toBe('unavailable');
  });

  test('a server that never answers is given up on', async () => {
    const silent = new JwksKeys({ url: server.url, clock, timeoutMs: 20, fetch: (_, init) => new Promise((__, reject) => { init?.signal?.addEventListener('abort', () => reject(new Error('aborted'))); }) });
    expect(await known(silent, first.kid)).toBe('unavailable');
  });

  test('keys for other uses and other curves are left out', async () => {
    const keys = pinnedKeys({ keys: [{ ...first.jwk, use: 'enc' }, { ...second.jwk, alg: 'ES256' }, { kty: 'EC', crv: 'P-256', kid: 'reservations-3', x: 'x', y: 'y' }, null, 'x', { kid: 4 }] });
    for (const kid of [first.kid, second.kid, 'reservations-3']) expect(await keys.keyOf(kid)).toBeUndefined();
  });
});
