import { describe, expect, test } from '@jest/globals';
import { admitsAddress, DEFAULT_PRIVATE_NETWORKS } from './admit-address.js';
import { Egress } from './egress.js';
import { Networks, parseNetwork, plainAddress } from './networks.js';

const DEFAULT = new Networks(DEFAULT_PRIVATE_NETWORKS);
const NONE = new Networks([]);
const admits = (address: string, declared: readonly string[] = [], installation = DEFAULT): boolean => admitsAddress(address, new Networks(declared), installation);

describe('what is out in the internet and what is not', () => {
  test.each(['93.184.216.34', '8.8.8.8', '100.63.255.255', '100.128.0.0', '172.15.0.1', '172.32.0.1', '192.0.1.1', '2606:2800:220:1::1', '::ffff:8.8.8.8', '2a00:1450::1'])('%s is', (address) => expect(admits(address)).toBe(true));

  test.each([
    '127.0.0.1', '127.255.255.254', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '169.254.1.1', '169.254.169.254', '198.18.0.1', '203.0.113.5', '224.0.0.1', '255.255.255.255',
    '::', '::1', '[::1]', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd12:3456::1', 'ff02::1', '2001:db8::1', '2001::1', '64:ff9b::7f00:1', '64:ff9b::8.8.8.8', '2002:7f00:1::', '::127.0.0.1', '::8.8.8.8',
    '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:10.0.0.1', '[::ffff:a9fe:a9fe]', 'example.org', '', '1.2.3', '127.1',
  ])('%s is not', (address) => expect(admits(address)).toBe(false));

  test.each(['169.254.169.254', '168.63.129.16', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254', '::ffff:169.254.169.254'])('%s hands out credentials: refused even where its range is open', (address) => {
    const everything = ['0.0.0.0/0', '::/0'];
    expect(admits(address, everything, new Networks(everything))).toBe(false);
    expect(admits(address, [address], new Networks(everything))).toBe(false);
    expect(admits(address, [address], new Networks([address]))).toBe(true);
  });
});

describe('what a connector declares', () => {
  test.each([
    ['127.0.0.1', ['127.0.0.1'], true],
    ['127.0.0.2', ['127.0.0.1'], false],
    ['::ffff:127.0.0.1', ['127.0.0.1'], true],
    ['127.0.0.1', ['::ffff:127.0.0.0/104'], true],
    ['10.2.3.4', ['10.2.0.0/16'], true],
    ['10.3.3.4', ['10.2.0.0/16'], false],
    ['fd12::7', ['fd12::/16'], true],
    ['::1', ['127.0.0.1'], false],
    // The installation opens neither.
    ['169.254.1.1', ['169.254.0.0/16'], false],
    ['fe80::1', ['fe80::/10'], false],
  ])('%s under %j: %s', (address, declared, admitted) => expect(admits(address, declared)).toBe(admitted));

  test('means nothing where the installation opens nothing', () => expect(admits('127.0.0.1', ['127.0.0.1'], NONE)).toBe(false));
  test('is not needed for what is public', () => expect(admits('8.8.8.8', [], NONE)).toBe(true));
  test('what an installation opens is not reached without it', () => expect(admits('127.0.0.1', [])).toBe(false));
});

describe('networks', () => {
  test.each(['', 'localhost', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/', 'fd00::/129', '::ffff:10.0.0.0/8', '10.0.0.0/1e1', '010.0.0.1'])('%j is none', (text) => {
    expect(parseNetwork(text)).toBeUndefined();
    expect(() => new Networks([text])).toThrow(RangeError);
  });
  test.each([
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::FFFF:1.2.3.4', '1.2.3.4'],
    ['[FD00::0001%3]', 'fd00::1'],
  ])('the plain form of %s is %s', (text, plain) => expect(plainAddress(text)).toBe(plain));
});

describe('a name is judged by all its addresses', () => {
  const egress = (addresses: readonly string[]): Egress => new Egress(DEFAULT_PRIVATE_NETWORKS, async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  test('public ones are reached', async () => expect(await egress(['8.8.8.8', '2606:2800::1']).reach('tool.example', [])).toMatchObject({ kind: 'reached', addresses: [{ address: '8.8.8.8' }, { address: '2606:2800::1' }] }));
  test('one inside is too many', async () => expect(await egress(['8.8.8.8', '127.0.0.1']).reach('rebound.example', [])).toEqual({ kind: 'refused' }));
  test('a mapped one inside too', async () => expect(await egress(['::ffff:10.0.0.1']).reach('rebound.example', [])).toEqual({ kind: 'refused' }));
  test('none at all', async () => expect(await egress([]).reach('gone.example', [])).toEqual({ kind: 'unresolved' }));
  test('an address is not looked up', async () => expect(await egress(['8.8.8.8']).reach('[::1]', ['::1'])).toEqual({ kind: 'reached', addresses: [{ address: '::1', family: 6 }] }));
});
