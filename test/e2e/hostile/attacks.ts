import { randomUUID } from 'node:crypto';
import type { Code } from '@exequatur/contracts';
import { examplePolicy } from '@exequatur/standalone';
import type { Attack } from './attack.js';
import { rightKind, wrongKinds } from './endpoints.js';
import type { Endpoint } from './endpoints.js';
import { changed, extended, placesIn, sampleOf, takes } from './json-schema.js';
import type { JsonSchema } from './json-schema.js';
import { HOSTILE_TEXTS, HOSTILE_VALUES, NO_OBJECTS, unreadableBodies } from './payloads.js';
import type { Sent } from './wire.js';
import { pathFor } from './world.js';
import type { Tenant, World } from './world.js';

const own = (what: string): string => `own-${what}`;
const foreign = (what: string): string => `globex-${what}`;

/** Stands for a key that nobody used. */
const FRESH = 'a fresh key';
/** RFC 8037, appendix A.2. */
const PUBLIC_KEY = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

/** A request with nothing wrong about it, as the endpoint's own caller would send it: what the attacks change one thing of. */
export const soundRequest = (endpoint: Endpoint, { acme, root }: World): Sent & { readonly fields: unknown } => {
  const known = { tenant: 'acme', scope_path: acme.scopePath, scope_prefix: acme.scopePath, view_hash: acme.viewHash, grant: acme.grant.token, agent: 'somebody', person: 'somebody', type: 'http', settings: { url: 'http://127.0.0.1:9/', private_networks: ['127.0.0.1'] }, credential: { bearer_token: 'x' }, action_id: acme.action, source: examplePolicy(), validate_only: false, public_key: PUBLIC_KEY, from: 1, to: 2, sequence: 0 };
  const fields = endpoint.body === undefined ? undefined : sampleOf(endpoint.body, known);
  const credential = { nobody: undefined, root, person: acme.person, agent: acme.agent }[rightKind(endpoint)];
  const asked = [...endpoint.neededQuery, ...(endpoint.path.endsWith('/inclusion') ? ['sequence'] : []), ...(endpoint.path === '/cycles/v1/balances' ? ['tenant'] : [])].map((name) => [name, endpoint.path === '/v1/policies/diff' ? '1' : String(sampleOf(endpoint.query[name] ?? {}, known, name))] as const);
  const query = new URLSearchParams({ ...Object.fromEntries(asked), ...(endpoint.path.endsWith('/wait') ? { timeout: '0s' } : {}) }).toString();
  return {
    method: endpoint.method,
    path: `${pathFor(endpoint.path, acme, own)}${query === '' ? '' : `?${query}`}`,
    headers: {
      ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
      ...(fields === undefined ? {} : { 'content-type': 'application/json' }),
      ...(endpoint.needsKey ? { 'idempotency-key': FRESH } : {}),
      ...(endpoint.needsMatch ? { 'if-match': acme.etag } : {}),
    },
    ...(fields === undefined ? {} : { body: JSON.stringify(fields) }),
    fields,
  };
};

const fresh = (sent: Sent): Sent => (sent.headers['idempotency-key'] === FRESH ? { ...sent, headers: { ...sent.headers, 'idempotency-key': randomUUID() } } : sent);
const attack = (endpoint: Endpoint, what: string, sent: Sent, codes: readonly Code[] | 'any'): Attack => ({ endpoint: endpoint.name, what, sent: fresh(sent), codes });
const without = (headers: Readonly<Record<string, string>>, name: string): Record<string, string> => Object.fromEntries(Object.entries(headers).filter(([header]) => header !== name));

/** Credentials that prove nobody, then those of somebody whom the endpoint does not take. */
export const credentialAttacks = (endpoint: Endpoint, world: World, forged: Readonly<Record<string, string>>): Attack[] => {
  if (endpoint.callers.includes('public')) return [];
  const sound = soundRequest(endpoint, world);
  const { acme, root } = world;
  const as = (authorization: string): Sent => ({ ...sound, headers: { ...sound.headers, authorization } });
  const nobody: Record<string, string> = {
    'not Bearer': `Basic ${Buffer.from(`acme:${acme.person}`).toString('base64')}`,
    'an empty one': 'Bearer ',
    'an unknown agent key': `Bearer exq_agent_${'A'.repeat(43)}`,
    'an unknown person token': `Bearer exq_person_${'A'.repeat(43)}`,
    'a key cut short': `Bearer ${acme.agent.slice(0, -1)}`,
    'a token cut short': `Bearer ${acme.person.slice(0, -1)}`,
    'a token in other letters': `Bearer ${acme.person.toUpperCase()}`,
    'two tokens': `Bearer ${acme.person} ${acme.agent}`,
    'a revoked key': `Bearer ${acme.revokedKey}`,
    'the admin token cut short': `Bearer ${root.slice(0, -1)}`,
    'a hash': `Bearer sha256:${'a'.repeat(64)}`,
    'a grant': `Bearer ${acme.grant.token}`,
    'SQL': "Bearer ' OR '1'='1",
    'a long one': `Bearer ${'A'.repeat(5_000)}`,
    ...Object.fromEntries(Object.entries(forged).map(([what, token]) => [what, `Bearer ${token}`])),
  };
  const known = { agent: acme.agent, root, 'person without a role': acme.roleless };
  return [
    attack(endpoint, 'no credential', { ...sound, headers: without(sound.headers, 'authorization') }, ['UNAUTHENTICATED']),
    ...Object.entries(nobody).map(([what, authorization]) => attack(endpoint, `credential: ${what}`, as(authorization), ['UNAUTHENTICATED'])),
    ...wrongKinds(endpoint).map((kind) => attack(endpoint, `the wrong kind: ${kind}`, as(`Bearer ${known[kind]}`), ['FORBIDDEN'])),
  ];
};

/** Bodies that cannot be read, and readable ones that the published schema does not take; each field in turn, then by chance. */
export const bodyAttacks = (endpoint: Endpoint, world: World, random: () => number, byChance: number): Attack[] => {
  const { body: schema } = endpoint;
  if (schema === undefined || schema.type !== 'object') return [];
  const sound = soundRequest(endpoint, world);
  const as = (what: string, body: string | Buffer, codes: readonly Code[]): Attack => attack(endpoint, what, { ...sound, body }, codes);
  const typed = (type: string): Attack => attack(endpoint, `content type ${type}`, { ...sound, headers: { ...sound.headers, 'content-type': type } }, ['UNSUPPORTED_MEDIA_TYPE']);
  return [
    ...unreadableBodies(sound.body?.toString() ?? '{}').filter(([what]) => !(endpoint.bodyOptional && what === 'no body')).map(([what, body, code]) => as(what, body, [code])),
    ...NO_OBJECTS.map((body) => as(body, body, ['INVALID'])),
    ...['application/x-www-form-urlencoded', 'application/xml', 'multipart/form-data; boundary=x', 'application/json-patch+json', 'text/html', ''].map(typed),
    ...fieldAttacks(schema, sound.fields).map(([what, value]) => as(what, JSON.stringify(value), ['INVALID', 'MALFORMED'])),
    ...chanceAttacks(schema, sound.fields, random, byChance).map(([what, value]) => as(what, JSON.stringify(value), ['INVALID', 'MALFORMED'])),
  ];
};

const WRONG_TYPES: readonly unknown[] = [null, 1.5, [], {}, true, '', 'a'.repeat(5_000)];

const fieldAttacks = (schema: JsonSchema, sound: unknown): (readonly [what: string, value: unknown])[] => {
  const places = placesIn(sound);
  const wrong = places.slice(1).flatMap((place) => WRONG_TYPES.map((value) => [`/${place.join('/')} = ${String(JSON.stringify(value)).slice(0, 20)}`, changed(sound, place, value)] as const));
  const missing = places.slice(1).map((place) => [`no /${place.join('/')}`, changed(sound, place, undefined)] as const);
  const unknown = places.flatMap((place) => ['unexpected', 'constructor', 'tenant_id', 'isAdmin'].flatMap((field) => {
    const inner = place.reduce<unknown>((value, step) => (value as Record<string | number, unknown>)[step], sound);
    return typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? [[`/${place.join('/')} and ${field}`, extended(sound, place, field)] as const] : [];
  }));
  return [...wrong, ...missing, ...unknown].filter(([, value]) => !takes(schema, value));
};

const chanceAttacks = (schema: JsonSchema, sound: unknown, random: () => number, howMany: number): (readonly [what: string, value: unknown])[] => {
  const places = placesIn(sound);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const found: (readonly [string, unknown])[] = [];
  for (let tries = 0; found.length < howMany && tries < howMany * 50; tries += 1) {
    const [first, second, value] = [pick(places), pick(places), pick(HOSTILE_VALUES)];
    const broken = changed(sound, first, value);
    const twice = random() < 0.3 && placesIn(broken).some((place) => place.join('/') === second.join('/')) ? changed(broken, second, pick(HOSTILE_VALUES)) : broken;
    if (!takes(schema, twice)) found.push([`by chance: ${JSON.stringify(twice).slice(0, 80)}`, twice]);
  }
  return found;
};

const BAD_KEYS: Readonly<Record<string, string>> = { 'with a space': 'a b', 'of 300 characters': 'k'.repeat(300), 'with a tab': 'a\tb', 'beyond ASCII': 'schl\u00fcssel' };

/** Idempotency-Key and If-Match. */
export const headerAttacks = (endpoint: Endpoint, world: World): Attack[] => {
  const sound = soundRequest(endpoint, world);
  const key = (value: string): Sent => ({ ...sound, headers: { ...sound.headers, 'idempotency-key': value } });
  const match = (value: string): Sent => ({ ...sound, headers: { ...sound.headers, 'if-match': value } });
  return [
    ...(endpoint.needsKey
      ? [
          attack(endpoint, 'no Idempotency-Key', { ...sound, headers: without(sound.headers, 'idempotency-key') }, ['IDEMPOTENCY_KEY_REQUIRED']),
          attack(endpoint, 'an empty Idempotency-Key', key(''), ['IDEMPOTENCY_KEY_REQUIRED']),
          ...Object.entries(BAD_KEYS).map(([what, value]) => attack(endpoint, `an Idempotency-Key ${what}`, key(value), ['INVALID'])),
        ]
      : []),
    ...(endpoint.needsMatch
      ? [
          attack(endpoint, 'no If-Match', { ...sound, headers: without(sound.headers, 'if-match') }, ['IF_MATCH_REQUIRED']),
          ...['*', '"999"', 'W/"1"', 'nonsense', '"1', "' OR 1=1"].map((value) => attack(endpoint, `If-Match ${value}`, match(value), ['STALE'])),
        ]
      : []),
  ];
};

/** Every query parameter with what its schema does not take, names that do not exist, names given twice. */
export const queryAttacks = (endpoint: Endpoint, world: World): Attack[] => {
  if (endpoint.method !== 'GET') return [];
  const sound = soundRequest(endpoint, world);
  const [path = '', query = ''] = sound.path.split('?');
  const as = (what: string, change: (query: URLSearchParams) => void, codes: readonly Code[]): Attack => {
    const parameters = new URLSearchParams(query);
    change(parameters);
    return attack(endpoint, what, { ...sound, path: `${path}?${parameters.toString()}` }, codes);
  };
  const numeric = (schema: JsonSchema): boolean => schema.type === 'integer' || schema.type === 'number';
  const refused = Object.entries(endpoint.query).flatMap(([name, schema]) => HOSTILE_TEXTS.filter((text) => (numeric(schema) ? !/^-?(0|[1-9]\d{0,15})$/.test(text) || !takes(schema, Number(text)) : !takes(schema, text))).map((text) => as(`${name}=${text.slice(0, 30)}`, (parameters) => parameters.set(name, text), ['INVALID'])));
  const twice = Object.keys(endpoint.query).map((name) => as(`${name} twice`, (parameters) => {
    parameters.append(name, '1');
    parameters.append(name, '1');
  }, ['INVALID']));
  const cursors = Object.hasOwn(endpoint.query, 'cursor') ? ['nonsense', 'W10', 'bnVsbA', 'eyJfX3Byb3RvX18iOnt9fQ', Buffer.from('["a","b","c","d","e"]').toString('base64url'), Buffer.from('"\' OR 1=1"').toString('base64url'), Buffer.from('{"a":1}').toString('base64url')] : [];
  return [
    ...refused,
    ...twice,
    ...(Object.keys(endpoint.query).length === 0 ? [] : ['nonsense', 'constructor', '__proto__', 'tenant_id'].map((name) => as(`unknown ${name}`, (parameters) => parameters.set(name, '1'), ['INVALID']))),
    ...cursors.map((cursor) => as(`cursor ${cursor}`, (parameters) => parameters.set('cursor', cursor), ['INVALID'])),
    ...(Object.hasOwn(endpoint.query, 'tenant') && rightKind(endpoint) !== 'root' ? [as('another tenant', (parameters) => parameters.set('tenant', 'globex'), ['FORBIDDEN', 'NOT_FOUND'])] : []),
  ];
};

/** Path parameters that name nothing, and methods that the path does not take. */
export const pathAttacks = (endpoint: Endpoint, world: World): Attack[] => {
  const sound = soundRequest(endpoint, world);
  const names = HOSTILE_TEXTS.filter((text) => text.trim() !== '').map((text) => encodeURIComponent(text).slice(0, 2_000));
  const raw = ['..', '../..', '%2e%2e%2f%2e%2e%2f', '%ff', '%zz', '.', 'a'.repeat(600), '00000000-0000-7000-8000-000000000000', '00000000-0000-7000-8000-00000000000', '{id}', '%7B%7D'];
  const at = (value: string): Sent => ({ ...sound, path: sound.path.replace(pathFor(endpoint.path, world.acme, own), endpoint.path.replace('{keyId}', value).replaceAll(/\{[^}]+\}/g, value)) });
  const parameters = endpoint.path.includes('{') ? [...names, ...raw].map((value) => attack(endpoint, `id ${value.slice(0, 40)}`, at(value), ['NOT_FOUND', 'MALFORMED', 'METHOD_NOT_ALLOWED', 'INVALID'])) : [];
  const methods = ['PUT', 'PATCH', 'DELETE'].map((method) => attack(endpoint, method, { ...sound, method }, ['METHOD_NOT_ALLOWED']));
  return [...parameters, ...methods];
};

/** Everything of globex reads as not found, in paths and in bodies. */
export const tenantAttacks = (endpoint: Endpoint, world: World): Attack[] => {
  const sound = soundRequest(endpoint, world);
  const { acme, globex } = world;
  const inPath = (of: Tenant, name: (what: string) => string): string => sound.path.replace(pathFor(endpoint.path, acme, own), pathFor(endpoint.path, of, name));
  // Versions are numbers that every tenant has.
  const hidden = endpoint.path.includes('{') && !endpoint.path.startsWith('/v1/policies/{') && rightKind(endpoint) !== 'root';
  const asAgent = hidden && endpoint.callers.includes('agent') && !['/v1/approvals/', '/v1/agents/'].some((prefix) => endpoint.path.startsWith(prefix));
  const minimal = endpoint.body === undefined ? undefined : minimalOf(endpoint.body, sound.fields);
  const { body: _body, ...bare } = sound;
  const request: Sent = minimal === undefined ? bare : { ...bare, body: JSON.stringify(minimal) };
  const named = endpoint.body?.properties?.['tenant'] !== undefined && rightKind(endpoint) !== 'root';
  return [
    ...(hidden ? [attack(endpoint, "another tenant's id", { ...request, path: inPath(globex, foreign) }, ['NOT_FOUND'])] : []),
    ...(asAgent ? [attack(endpoint, "another agent's id", { ...request, headers: { ...sound.headers, authorization: `Bearer ${acme.otherAgent}` } }, ['NOT_FOUND'])] : []),
    ...(asAgent ? [attack(endpoint, "another tenant's agent", { ...request, headers: { ...sound.headers, authorization: `Bearer ${globex.agent}` } }, ['NOT_FOUND', 'FORBIDDEN'])] : []),
    ...(named ? [attack(endpoint, 'another tenant in the body', { ...sound, body: JSON.stringify(changed(sound.fields, ['tenant'], 'globex')) }, ['FORBIDDEN', 'NOT_FOUND', 'INVALID'])] : []),
  ];
};

/** Required fields alone: nothing but the id can be what is refused. */
const minimalOf = (schema: JsonSchema, sound: unknown): unknown => Object.fromEntries(Object.entries(sound as object).filter(([field]) => schema.required?.includes(field)));
