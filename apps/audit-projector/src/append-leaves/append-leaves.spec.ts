import { describe, expect, test } from '@jest/globals';
import { ActionProposed, HEADER, StreamHeadsPublished, TreeHeadPublished } from '@exequatur/contracts';
import { emptyFrontier, frontierRoot, generateSigningKey, importSigningKey, leafHash, merkleRoot, originHeaders, originVerifier, signBatch } from '@exequatur/audit-chain';
import type { IncomingMessage } from '@exequatur/messaging';
import { newId } from '@exequatur/kernel';
import { UNREADABLE_LOG } from '../limits.js';
import { planAppend } from './plan-append.js';
import type { LogState } from './plan-append.js';
import { isOwnTreeHead, readMessage } from './read-message.js';

const keys = { policy: generateSigningKey('policy'), audit: generateSigningKey('audit'), executor: generateSigningKey('executor') };
const verify = originVerifier(Object.fromEntries(Object.entries(keys).map(([service, { kid, publicJwk }]) => [service, [{ kid, jwk: publicJwk }]])));

const event = (type: string, tenant = 'acme', service = 'policy', id = newId()): Buffer => Buffer.from(JSON.stringify({ id, type, tenant, source: `/tenants/${tenant}/services/${service}`, data: {} }));
const message = (value: Buffer, headers: Readonly<Record<string, string>> = {}): IncomingMessage => ({ topic: 'exequatur.actions.v1', partition: 2, offset: '7', key: 'k', value, headers });
const signed = (value: Buffer, service: keyof typeof keys = 'policy', tenant = 'acme'): IncomingMessage => {
  const [proof] = signBatch([value], { tenant, service, key: importSigningKey(keys[service].privateJwk) });
  return message(value, { ...originHeaders(proof as NonNullable<typeof proof>), [HEADER.ordinal]: '4' });
};
const read = (incoming: IncomingMessage) => readMessage(incoming, verify);

describe('reading a message', () => {
  test('its owner vouches for it', () => {
    const value = event(ActionProposed.type);
    expect(read(signed(value))).toMatchObject({ tenant: 'acme', type: ActionProposed.type, origin: 'ok', ordinal: 4, partition: 2, offset: '7', hash: leafHash(value) });
  });

  test.each([
    ['nobody', message(event(ActionProposed.type)), 'no_proof'],
    ['another service', signed(event(ActionProposed.type), 'executor'), 'key_unknown'],
    ['the owner, for another tenant', signed(event(ActionProposed.type), 'policy', 'globex'), 'signature_invalid'],
    ['the owner, for other bytes', { ...signed(event(ActionProposed.type)), value: event(ActionProposed.type) }, 'signature_invalid'],
    ['an unknown type without a service', message(Buffer.from('{"tenant":"acme","type":"x"}')), 'no_owner'],
  ])('vouched for by %s: recorded as that', (_, incoming, origin) => {
    expect(read(incoming)).toMatchObject({ tenant: 'acme', origin, envelope: undefined });
  });

  test('a type newer than this program belongs to the service it names', () => {
    expect(read(signed(event('dev.exequatur.actions.ActionDreamt.v1')))).toMatchObject({ origin: 'ok', type: undefined });
  });

  test.each([
    ['no JSON', Buffer.from('hello')],
    ['no object', Buffer.from('[1]')],
    ['no UTF-8', Buffer.from([0xff, 0xfe, 0x00])],
    ['100,000 levels', Buffer.from('['.repeat(100_000))],
    ['two tenants', Buffer.from('{"tenant":"acme","tenant":"globex"}')],
    ['a tenant that is no name', Buffer.from('{"tenant":"../acme"}')],
    ['a tenant that is no text', Buffer.from('{"tenant":{"$ne":1}}')],
    ['__proto__', Buffer.from('{"__proto__":{"tenant":"acme"}}')],
    ['the name of the log it would end in', Buffer.from(`{"tenant":"${UNREADABLE_LOG}"}`)],
    ['nothing', Buffer.alloc(0)],
  ])('%s names no tenant and throws nothing', (_, value) => {
    expect(read(message(value))).toMatchObject({ tenant: undefined, origin: 'unreadable', eventId: '' });
  });

  test('headers that a database could not hold are left out', () => {
    const hostile = { [HEADER.path]: 'a\0b', [HEADER.signature]: 'x'.repeat(5_000), [HEADER.keyId]: 'ü', [HEADER.ordinal]: '99999999999999999999' };
    expect(read(message(event(ActionProposed.type), hostile))).toMatchObject({ path: undefined, signature: undefined, keyId: undefined, ordinal: undefined });
  });

  test('its own tree heads stay out; what only claims to be one does not', () => {
    const value = event(TreeHeadPublished.type, 'acme', 'audit');
    expect(isOwnTreeHead(read(signed(value, 'audit')))).toBe(true);
    expect(isOwnTreeHead(read(message(value)))).toBe(false);
    expect(isOwnTreeHead(read(signed(event(StreamHeadsPublished.type, 'acme', 'audit'), 'audit')))).toBe(false);
  });
});

describe('planning an append', () => {
  const none = new Map<string, LogState>();
  const plan = (messages: readonly IncomingMessage[], logs: ReadonlyMap<string, LogState> = none, known: Parameters<typeof planAppend>[2] = []) => planAppend(messages.map(read), logs, known);
  const placed = (result: ReturnType<typeof plan>): readonly string[] => result.leaves.map(({ tenant, sequence }) => `${tenant} ${sequence}`);

  test('each tenant’s leaves follow one another in its own log', () => {
    const messages = [signed(event(ActionProposed.type)), signed(event(ActionProposed.type, 'globex'), 'policy', 'globex'), signed(event(ActionProposed.type))];
    const result = plan(messages);
    expect(placed(result)).toEqual(['acme 0', 'acme 1', 'globex 0']);
    expect(frontierRoot(result.frontiers.get('acme') ?? emptyFrontier)).toEqual(merkleRoot([messages[0], messages[2]].map((each) => leafHash(each?.value as Buffer))));
  });

  test('invariant 20: a delivery is taken once, in the batch and against the log', () => {
    const one = signed(event(ActionProposed.type));
    expect(placed(plan([one, one]))).toEqual(['acme 0']);
    const { eventId, hash } = read(one);
    const logs = new Map([['acme', { frontier: { size: 1, hashes: [hash.toString('hex')] }, generation: 1 }]]);
    expect(plan([one], logs, [{ tenant: 'acme', eventId, hash: hash.toString('hex'), originOk: true }]).leaves).toEqual([]);
  });

  test('the same id with other bytes is a leaf of its own, and a fork', () => {
    const id = newId();
    const result = plan([signed(event(ActionProposed.type, 'acme', 'policy', id)), message(Buffer.from(JSON.stringify({ id, tenant: 'acme', forged: true })))]);
    expect(result.leaves.map(({ fork }) => fork)).toEqual([false, true]);
  });

  test('a forged copy that came first does not keep the real one out', () => {
    const value = event(ActionProposed.type);
    const result = plan([message(value), signed(value)], new Map([['acme', { frontier: emptyFrontier, generation: 1 }]]));
    expect(result.leaves.map(({ leaf, fork }) => [leaf.origin, fork])).toEqual([['no_proof', false], ['ok', false]]);
  });

  test('what nobody vouches for starts no tenant’s log, but is in one that exists', () => {
    const forged = message(event(ActionProposed.type));
    expect(placed(plan([forged]))).toEqual([`${UNREADABLE_LOG} 0`]);
    expect(placed(plan([signed(event(ActionProposed.type)), forged]))).toEqual(['acme 0', 'acme 1']);
  });
});
