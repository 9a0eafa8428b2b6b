import { CODES, type Code, type Schema } from '@exequatur/contracts';
import type { Selector } from '../identity/allow.js';
import { takesKey } from './describe.js';
import type { Route } from './routes.js';

type Json = Readonly<Record<string, unknown>>;

/** What any route may answer with. */
const EVERYWHERE: readonly Code[] = ['BUSY', 'DEPENDENCY_DOWN', 'INTERNAL'];
const WITH_CREDENTIAL: readonly Code[] = ['UNAUTHENTICATED', 'FORBIDDEN'];
const WITH_BODY: readonly Code[] = ['MALFORMED', 'INVALID', 'TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];
const WITH_KEY: readonly Code[] = ['IDEMPOTENCY_KEY_REQUIRED', 'IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_IN_FLIGHT'];

const problemSchema: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'retryable'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(CODES) },
    retryable: { type: 'boolean' },
    errors: { type: 'array', items: { type: 'object', required: ['pointer', 'expected'], properties: { pointer: { type: 'string' }, expected: { type: 'string' } } } },
  },
};


const codesOf = (route: Route): readonly Code[] => [
  ...new Set([
    ...(route.description?.codes ?? []),
    ...(route.description?.body === undefined ? [] : WITH_BODY),
    ...(route.allow?.includes('public') === true ? [] : WITH_CREDENTIAL),
    ...(takesKey(route.method, route.description) ? WITH_KEY : []),
    ...EVERYWHERE,
  ]),
];

const errorsOf = (errors: Readonly<Record<number, Schema<unknown>>>): Json =>
  Object.fromEntries(Object.entries(errors).map(([status, schema]) => [status, { description: 'An error in the words of the protocol.', content: { 'application/json': { schema: schema.json } } }]));

const problemsOf = (route: Route): Json => {
  if (route.description?.errors !== undefined) return errorsOf(route.description.errors);
  const byStatus = new Map<number, Code[]>();
  for (const code of codesOf(route)) byStatus.set(CODES[code].status, [...(byStatus.get(CODES[code].status) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      { description: codes.join(', '), content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
    ]),
  );
};

const answerOf = (schema: Schema<unknown> | 'html' | 'empty'): Json => {
  if (schema === 'empty') return { description: 'Done.' };
  if (schema === 'html') return { description: 'A page.', content: { 'text/html': { schema: { type: 'string' } } } };
  return { description: 'Done.', content: { 'application/json': { schema: schema.json } } };
};

const answersOf = (route: Route): Json => Object.fromEntries(Object.entries(route.description?.answers ?? {}).map(([status, schema]) => [status, answerOf(schema)]));

const parametersOf = (route: Route): readonly Json[] => {
  const inPath = [...route.path.matchAll(/:([A-Za-z0-9_]+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const query = route.description?.query?.json as { properties?: Record<string, unknown>; required?: readonly string[] } | undefined;
  const inQuery = Object.entries(query?.properties ?? {}).map(([name, schema]) => ({ name, in: 'query', required: query?.required?.includes(name) === true, schema }));
  const key = takesKey(route.method, route.description) ? [{ name: 'Idempotency-Key', in: 'header', required: true, schema: { type: 'string', minLength: 1, maxLength: 255 } }] : [];
  const ifMatch = codesOf(route).includes('IF_MATCH_REQUIRED') ? [{ name: 'If-Match', in: 'header', required: true, schema: { type: 'string' } }] : [];
  return [...inPath, ...inQuery, ...key, ...ifMatch];
};

const callersOf = (allow: readonly Selector[]): string => `For: ${allow.join(', ')}.`;

/** A body that is one text is not JSON. */
const mediaTypesOf = ({ description, consumes }: Route): readonly string[] => (description?.body?.json['type'] === 'string' ? consumes : ['application/json', ...consumes]);

const operationOf = (route: Route): Json => ({
  operationId: route.name.replace('.', '_'),
  summary: route.description?.summary,
  description: callersOf(route.allow ?? []),
  ...(route.allow?.includes('public') === true ? { security: [] } : {}),
  parameters: parametersOf(route),
  ...(route.description?.body === undefined
    ? {}
    : { requestBody: { required: route.description.bodyOptional !== true, content: Object.fromEntries(mediaTypesOf(route).map((mediaType) => [mediaType, { schema: mediaType === 'application/json' ? route.description?.body?.json : { type: 'string' } }])) } }),
  responses: { ...problemsOf(route), ...answersOf(route) },
});

/** OpenAPI 3.1 of the routes that describe themselves; the shapes are JSON Schema 2020-12 already. Pages are left out. */
export const openApiDocument = (service: string, origin: string, routes: readonly Route[]): Json => {
  const described = routes.filter(({ description, isPage }) => description !== undefined && !isPage).sort((a, b) => (`${a.path} ${a.method}` < `${b.path} ${b.method}` ? -1 : 1));
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of described) {
    const path = route.path.replaceAll(/:([A-Za-z0-9_]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: `Exequatur ${service}`, version: 'v1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: origin }],
    security: [{ credential: [] }],
    paths,
    components: {
      schemas: { Problem: problemSchema },
      securitySchemes: { credential: { type: 'http', scheme: 'bearer', description: 'exq_agent_…, exq_person_…, a service token, or the platform admin token.' } },
    },
  };
};
