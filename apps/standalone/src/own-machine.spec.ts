import { expect, test } from '@jest/globals';
import { readOptions } from './options.js';
import { isOwnMachine, PublicAddress } from './own-machine.js';
import { startStandalone } from './standalone.js';

test.each<[string, boolean]>([
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['', false],
  ['192.168.1.4', false],
  ['::ffff:127.0.0.1', false],
  ['localhost.example.com', false],
  ['127.0.0.1.example.com', false],
])('%j is this machine alone: %s', (host, own) => {
  expect(isOwnMachine(host)).toBe(own);
});

test('an address that others reach is refused before anything starts, unless one says so', async () => {
  const options = readOptions(['node', 'main', '--host', '0.0.0.0', '--port', '0']);
  await expect(startStandalone(options, () => undefined)).rejects.toThrow(PublicAddress);
  await expect(startStandalone(options, () => undefined)).rejects.toThrow('--allow-public');
  expect(readOptions(['node', 'main', '--allow-public']).allowPublic).toBe(true);
});
