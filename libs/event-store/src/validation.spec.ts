import { describe, expect, test } from '@jest/globals';
import { ActionProposed, ActionWithdrawn, EVENTS, StreamHeadsPublished, TenantCreated } from '@exequatur/contracts';
import type { EventEnvelope } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { buildEnvelope, sequenceOf, topicOf } from './envelope.js';
import { actionStream, proposed, withdrawn } from './spec/fixtures.js';
import { InvalidEvent, UnknownEventType, assertValidEvent, assertValidSealed } from './validation.js';

const stream = actionStream();
const valid = buildEnvelope({ service: 'policy', stream, version: 1, event: proposed(stream.id), nowMs: 1_770_000_000_000 });

const refusal = (envelope: unknown): InvalidEvent => {
  try {
    assertValidEvent(envelope);
  } catch (error) {
    if (error instanceof InvalidEvent) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('assertValidEvent', () => {
  test('takes an event as it is built', () => {
    expect(() => assertValidEvent(valid)).not.toThrow();
  });

  const { subject: _, ...withoutSubject } = valid;
  const changed = (fields: Partial<Record<keyof EventEnvelope | 'extra', unknown>>): unknown => ({ ...valid, ...fields });
  test.each<[string, unknown, string]>([
    ['a missing attribute', withoutSubject, '/subject'],
    ['an attribute that is not ours', changed({ extra: 1 }), '/extra'],
    ['another specversion', changed({ specversion: '0.3' }), '/specversion'],
    ['an id that is no UUID', changed({ id: 'one' }), '/id'],
    ['a time without zone', changed({ time: '2026-01-31T08:00:00' }), '/time'],
    ['data that is text', changed({ data: 'x' }), '/data'],
    ['a field that data does not have', changed({ data: { ...(valid.data as object), surprise: true } }), '/data/surprise'],
    ['a number where data has text', changed({ data: { ...(valid.data as object), door: 7 } }), '/data/door'],
    ['a pointer that needs escaping', changed({ data: { ...(valid.data as object), 'a/b~c': 7 } }), '/data/a~1b~0c'],
    ['another tenant in its key', changed({ partitionkey: `globex/action/${stream.id}` }), '/partitionkey'],
    ['another aggregate in its key', changed({ partitionkey: `acme/tenant/${stream.id}` }), '/partitionkey'],
    ['a service that does not own the type', changed({ source: '/tenants/acme/services/approvals' }), '/source'],
    ['another tenant in its source', changed({ source: '/tenants/globex/services/policy' }), '/source'],
    ['version zero', changed({ sequence: '0000000000' }), '/sequence'],
    ['a version that is not padded', changed({ sequence: '1' }), '/sequence'],
    ['another schema', changed({ dataschema: 'https://example.org/x' }), '/dataschema'],
    ['sealed content of another form', changed({ sealed: { alg: 'none' } }), '/sealed/action_id'],
  ])('refuses %s', (__, envelope, pointer) => {
    expect(refusal(envelope)).toMatchObject({ eventType: ActionProposed.type, pointer });
  });

  test('refuses sealed content on an event that has none', () => {
    const event = { ...withdrawn(), sealed: { alg: 'A256GCM', action_id: stream.id, nonce: '', ciphertext: '' } } as const;
    expect(refusal(buildEnvelope({ service: 'policy', stream, version: 1, event, nowMs: 0 }))).toMatchObject({ eventType: ActionWithdrawn.type, pointer: '/sealed' });
  });

  test.each([null, undefined, 'x', 7, [], {}, { type: 7 }, { type: 'dev.exequatur.actions.ActionProposed.v2' }, { type: '__proto__' }])('says that %j is of an unknown type', (envelope) => {
    expect(refusal(envelope)).toBeInstanceOf(UnknownEventType);
  });

  test('never repeats the value it refuses', () => {
    expect(refusal(changed({ actorid: 'c4nary'.repeat(100) })).message).not.toContain('c4nary');
  });

  test('the schema of every event type compiles', () => {
    for (const { type } of EVENTS) expect(refusal({ type }).message).toContain('/specversion');
  });
});

describe('assertValidSealed', () => {
  const plaintext = { salt: 'AAAA', arguments: '{}' };
  test('takes what the event may seal', () => {
    expect(() => assertValidSealed(ActionProposed, plaintext)).not.toThrow();
  });
  test('refuses what it may not', () => {
    expect(() => assertValidSealed(ActionProposed, { ...plaintext, password: 'x' })).toThrow('/password');
    expect(() => assertValidSealed(ActionProposed, { salt: 'AAAA' })).toThrow('/arguments');
    expect(() => assertValidSealed(ActionWithdrawn, {})).toThrow('must have no sealed content');
  });
});

describe('envelope', () => {
  test('a fact that every service owns goes to the service’s own topic, others to that of their context', () => {
    expect([topicOf(TenantCreated, 'policy').name, topicOf(ActionProposed, 'policy').name]).toEqual(['exequatur.directory.v1', 'exequatur.actions.v1']);
    expect([topicOf(StreamHeadsPublished, 'policy').name, topicOf(StreamHeadsPublished, 'executor').name]).toEqual(['exequatur.directory.v1', 'exequatur.executions.v1']);
  });

  test('attributes that are absent are left out, not empty', () => {
    const envelope = buildEnvelope({ service: 'policy', stream, version: 12, event: withdrawn(), nowMs: 0 });
    expect(Object.keys(envelope)).not.toEqual(expect.arrayContaining(['correlationid']));
    expect([envelope.sequence, envelope.time]).toEqual(['0000000012', '1970-01-01T00:00:00.000Z']);
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 31])('%p is no stream version', (version) => {
    expect(() => sequenceOf(version)).toThrow(RangeError);
  });

  test('an id chosen before is kept', () => {
    const id = newId();
    expect(buildEnvelope({ service: 'policy', stream, version: 1, event: { ...withdrawn(), id }, nowMs: 0 }).id).toBe(id);
  });
});
