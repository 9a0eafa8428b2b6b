import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { EVENTS } from '@exequatur/contracts';
import type { EventEnvelope } from '@exequatur/contracts';
import { ocsfEvent, OCSF_VERSION } from './ocsf-event.js';
import type { ShownEvent } from './shown-event.js';

const fixtures = new URL('../../../../libs/contracts/fixtures/', import.meta.url);

/** Every event type there is, as its golden fixture. */
const shown: readonly ShownEvent[] = EVENTS.map(({ name, version }) => {
  const { envelope } = JSON.parse(readFileSync(new URL(`${name}.v${version}.json`, fixtures), 'utf8')) as { envelope: EventEnvelope<Record<string, unknown>> };
  return { sequence: 3, tenant: envelope.tenant, event_id: envelope.id, name, type: envelope.type, service: envelope.source.split('/').at(-1) ?? '', version: Number(envelope.sequence), time: envelope.time, subject: envelope.subject, actor_type: envelope.actortype, actor_id: envelope.actorid, action_id: envelope.correlationid, agent: 'bot', action_kind: 'message.email.send', event_hash: `sha256:${'0'.repeat(64)}`, data: envelope.data };
});

test('each event has the numbers that OCSF computes', () => {
  for (const event of shown.map(ocsfEvent)) {
    const { class_uid: classUid, category_uid: category, type_uid: type, activity_id: activity } = event as Record<string, number>;
    expect([Math.floor((classUid as number) / 1_000), type]).toEqual([category, (classUid as number) * 100 + (activity as number)]);
  }
  expect(new Set(shown.map((event) => ocsfEvent(event)['class_name']))).toEqual(new Set(['API Activity', 'User Access Management', 'Entity Management']));
});

const schema = join(resolve(process.env['EXEQUATUR_VECTORS'] ?? '../shared/vectors'), 'ocsf-schema');
if (existsSync(schema)) {
  interface Attribute {
    readonly requirement?: string;
    readonly profile?: string | null;
    readonly type?: string;
    readonly is_array?: boolean;
    readonly enum?: Readonly<Record<string, unknown>>;
  }
  type Attributes = Record<string, Attribute>;
  interface Definition {
    readonly name: string;
    readonly uid?: number;
    readonly extends?: string;
    readonly attributes: Attributes & { readonly $include?: readonly string[] };
    readonly constraints?: { readonly at_least_one?: readonly string[] };
  }
  const read = <T>(path: string): T => JSON.parse(readFileSync(join(schema, path), 'utf8')) as T;
  const dictionary = read<{ attributes: Attributes; types: { attributes: Record<string, { type?: string }> } }>('dictionary.json');
  const definitions = (folder: string): ReadonlyMap<string, Definition> => new Map(readdirSync(join(schema, folder), { recursive: true, withFileTypes: true }).filter((each) => each.isFile()).map((each) => read<Definition>(join(each.parentPath, each.name).slice(schema.length + 1))).map((each) => [each.name, each]));
  const [classes, objects] = [definitions('events'), definitions('objects')];

  /** Child over parent, enums merged, includes spliced in (the schema's own README). */
  const attributesOf = (found: ReadonlyMap<string, Definition>, name: string): Attributes => {
    const definition = found.get(name);
    if (definition === undefined) throw new Error(`the schema has no ${name}`);
    const merged: Attributes = definition.extends === undefined ? {} : attributesOf(found, definition.extends);
    const { $include: includes = [], ...own } = definition.attributes as unknown as Attributes & { $include?: string[] };
    const included = includes.map((path) => read<Definition>(path)).flatMap((profile) => Object.entries(profile.attributes).map(([key, attribute]) => [key, { profile: profile.name, ...attribute }] as const));
    for (const [key, attribute] of [...included, ...Object.entries(own)] as [string, Attribute][]) {
      const before = merged[key];
      merged[key] = { ...before, ...attribute, ...(before?.enum === undefined && attribute.enum === undefined ? {} : { enum: { ...before?.enum, ...attribute.enum } }) };
    }
    return merged;
  };

  const TEXT = new Set(['string_t', 'datetime_t', 'url_t', 'hostname_t', 'username_t', 'email_t', 'uuid_t', 'ip_t']);
  const faults = (attributes: Attributes, constraints: Definition['constraints'], value: Readonly<Record<string, unknown>>, at: string): string[] => {
    const found: string[] = [];
    for (const [key, { requirement, profile }] of Object.entries(attributes)) if (requirement === 'required' && (profile ?? null) === null && !(key in value)) found.push(`${at}.${key} is missing`);
    const some = constraints?.at_least_one;
    if (some !== undefined && !some.some((key) => key in value)) found.push(`${at} has none of ${some.join()}`);
    for (const [key, content] of Object.entries(value)) {
      const attribute = attributes[key];
      if (attribute === undefined || (attribute.profile ?? null) !== null) found.push(`${at}.${key} is no attribute here`);
      // The source form leaves these two to whoever resolves a class; they are compared below.
      else if (key !== 'class_uid' && key !== 'category_uid') found.push(...attributeFaults({ ...dictionary.attributes[key], ...attribute, enum: { ...dictionary.attributes[key]?.enum, ...attribute.enum } }, content, `${at}.${key}`));
    }
    return found;
  };
  const attributeFaults = (attribute: Attribute, value: unknown, at: string): string[] => {
    if (attribute.is_array === true) return Array.isArray(value) ? value.flatMap((each, index) => attributeFaults({ ...attribute, is_array: false }, each, `${at}[${index}]`)) : [`${at} is no list`];
    const { type = '' } = attribute;
    if (type === 'object') return typeof value === 'object' && value !== null ? [] : [`${at} is no object`];
    const base = type in dictionary.types.attributes ? (dictionary.types.attributes[type]?.type ?? type) : undefined;
    if (base === undefined) return typeof value === 'object' && value !== null ? faults(attributesOf(objects, type), objects.get(type)?.constraints, value as Record<string, unknown>, at) : [`${at} is no ${type}`];
    const known = Object.keys(attribute.enum ?? {});
    if (known.length > 0 && !known.includes(String(value))) return [`${at} is ${String(value)}, none of ${known.join()}`];
    return TEXT.has(base) || TEXT.has(type) ? (typeof value === 'string' ? [] : [`${at} is no text`]) : Number.isInteger(value) || typeof value === 'boolean' ? [] : [`${at} is no number`];
  };

  describe(`against the definitions of OCSF ${OCSF_VERSION}`, () => {
    test('they are of this version', () => expect(read<{ version: string }>('version.json').version).toBe(OCSF_VERSION));

    test.each(shown.map((event) => [event.name, event] as const))('%s', (_, event) => {
      const ocsf = ocsfEvent(event) as Readonly<Record<string, unknown>> & { readonly class_name: string };
      const name = { 'API Activity': 'api_activity', 'User Access Management': 'user_access', 'Entity Management': 'entity_management' }[ocsf.class_name] ?? '';
      const category = read<{ attributes: Record<string, { uid: number }> }>('categories.json').attributes[name === 'api_activity' ? 'application' : 'iam']?.uid ?? 0;
      expect([ocsf['category_uid'], ocsf['class_uid']]).toEqual([category, category * 1_000 + (classes.get(name)?.uid ?? 0)]);
      // As it is on a wire: what JSON leaves out is not there.
      expect(faults(attributesOf(classes, name), classes.get(name)?.constraints, JSON.parse(JSON.stringify(ocsf)) as Record<string, unknown>, name)).toEqual([]);
    });

    test('the check finds what is wrong', () => {
      const [event] = shown;
      const good = ocsfEvent(event as ShownEvent);
      const attributes = attributesOf(classes, 'entity_management');
      for (const wrong of [{ surprise: 1 }, { activity_id: 77 }, { time: 'now' }, { entity: {} }, { entity: undefined }]) expect(faults(attributes, undefined, JSON.parse(JSON.stringify({ ...good, ...wrong })) as Record<string, unknown>, 'e')).not.toEqual([]);
    });
  });
} else {
  test('left out: OCSF events against the schema’s definitions, EXEQUATUR_VECTORS names no folder that has them', () => {
    expect(process.env['EXEQUATUR_REQUIRE_VECTORS']).not.toBe('1');
  });
}
