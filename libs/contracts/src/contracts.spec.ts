import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { EventEnvelope } from './envelope.js';
import { ALL_TOPICS, CODES, EVENTS, definitionOf, envelopeSchema, upcast, versionsBefore, UPCASTERS } from './index.js';

interface Fixture {
  envelope: EventEnvelope;
  sealed_plaintext?: unknown;
}
const directory = new URL('../fixtures/', import.meta.url);
const fixture = (name: string, version: number): Fixture => JSON.parse(readFileSync(new URL(`${name}.v${version}.json`, directory), 'utf8')) as Fixture;
const ajv = new Ajv2020({ allErrors: true, strict: true });
const envelopeWithAnyData = { ...envelopeSchema.json, properties: { ...(envelopeSchema.json['properties'] as object), data: {} } };

describe('event catalogue', () => {
  test('type strings are unique and say context, name and version', () => {
    expect(new Set(EVENTS.map((event) => event.type)).size).toBe(EVENTS.length);
    for (const event of EVENTS) {
      expect(event.type).toBe(`dev.exequatur.${event.context}.${event.name}.v${event.version}`);
      expect(definitionOf(event.type)).toBe(event);
    }
  });

  test.each(EVENTS.map((event) => [event.name, event] as const))('%s has a golden fixture that its schema accepts', (_, event) => {
    const { envelope, sealed_plaintext } = fixture(event.name, event.version);
    expect(ajv.validate(envelopeWithAnyData, envelope)).toBe(true);
    const validate = ajv.compile(event.data.json);
    expect([validate(envelope.data), validate.errors]).toEqual([true, null]);
    if (event.sealed) expect(ajv.validate(event.sealed.json, sealed_plaintext)).toBe(true);
    expect(envelope.sealed !== undefined).toBe(event.sealed !== undefined);
  });

  test.each(EVENTS.map((event) => [event.name, event] as const))('%s refuses an unknown field, and a missing required one', (_, event) => {
    const { envelope } = fixture(event.name, event.version);
    const validate = ajv.compile(event.data.json);
    expect(validate({ ...(envelope.data as object), surprise: 1 })).toBe(false);
    for (const field of event.data.json['required'] as string[]) {
      const { [field]: _left, ...rest } = envelope.data as Record<string, unknown>;
      expect(validate(rest)).toBe(false);
    }
  });

  test('there is no fixture without an event, and every earlier version can be read', () => {
    const known = EVENTS.flatMap((event) => Array.from({ length: event.version }, (_, index) => `${event.name}.v${index + 1}.json`));
    expect(readdirSync(directory).sort()).toEqual(known.sort());
    for (const event of EVENTS) for (const earlier of versionsBefore(event.type)) expect(UPCASTERS.map((each) => each.from)).toContain(earlier);
  });

  test('upcasting walks the chain to the newest version and leaves others alone', () => {
    const { envelope } = fixture('ActionWithdrawn', 1);
    const chain = [
      { from: envelope.type, to: 'two', upcast: (data: unknown) => ({ ...(data as object), second: true }) },
      { from: 'two', to: 'three', upcast: (data: unknown) => ({ ...(data as object), third: true }) },
    ];
    expect(upcast(envelope, chain)).toMatchObject({ type: 'three', data: { second: true, third: true } });
    expect(upcast(envelope)).toBe(envelope);
  });
});

test('topics have one name, one owner and a fixed number of partitions', () => {
  expect(new Set(ALL_TOPICS.map((topic) => topic.name)).size).toBe(ALL_TOPICS.length);
  for (const topic of ALL_TOPICS) expect(topic.partitions).toBeGreaterThan(0);
});

test('only a retryable code may ask to come back later, and every status is an error', () => {
  for (const entry of Object.values(CODES)) expect(entry.status).toBeGreaterThanOrEqual(400);
  for (const status of [429, 503]) for (const entry of Object.values(CODES).filter((each) => each.status === status)) expect(entry.retryable).toBe(true);
});
