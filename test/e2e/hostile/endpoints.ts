import type { JsonSchema } from './json-schema.js';

interface Operation {
  readonly description: string;
  readonly parameters: readonly { readonly name: string; readonly in: 'path' | 'query' | 'header'; readonly required: boolean; readonly schema: JsonSchema }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> };
}
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export type Kind = 'agent' | 'person' | 'root' | 'nobody';

/** One operation of /openapi.json, with what an attack needs to know of it. */
export interface Endpoint {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  /** as in OpenAPI, with {parameters} */
  readonly path: string;
  /** whom it takes, as `@Allow` names them */
  readonly callers: readonly string[];
  readonly query: Readonly<Record<string, JsonSchema>>;
  readonly neededQuery: readonly string[];
  readonly body: JsonSchema | undefined;
  /** it may be left out */
  readonly bodyOptional: boolean;
  readonly needsKey: boolean;
  readonly needsMatch: boolean;
}

export const endpointsOf = (document: OpenApi): Endpoint[] =>
  Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([verb, operation]): Endpoint => {
      const named = (where: string): (readonly [string, JsonSchema])[] => operation.parameters.filter((parameter) => parameter.in === where).map(({ name, schema }) => [name, schema] as const);
      const headers = named('header').map(([name]) => name);
      return {
        name: `${verb.toUpperCase()} ${path}`,
        method: verb === 'get' ? 'GET' : 'POST',
        path,
        callers: /For: ([^.]*)\./.exec(operation.description)?.[1]?.split(', ') ?? [],
        query: Object.fromEntries(named('query')),
        neededQuery: operation.parameters.filter((parameter) => parameter.in === 'query' && parameter.required).map(({ name: needed }) => needed),
        body: operation.requestBody?.content['application/json']?.schema,
        bodyOptional: operation.requestBody?.required === false,
        needsKey: headers.includes('Idempotency-Key'),
        needsMatch: headers.includes('If-Match'),
      };
    }),
  );

/** Someone it takes: a person before an agent, since people alone decide. */
export const rightKind = ({ callers }: Endpoint): Kind => {
  if (callers.includes('public')) return 'nobody';
  if (callers.some((caller) => caller.startsWith('person'))) return 'person';
  return callers.includes('agent') ? 'agent' : 'root';
};

/** Kinds it must refuse with 403. */
export const wrongKinds = ({ callers }: Endpoint): ('agent' | 'root' | 'person without a role')[] => {
  if (callers.includes('public')) return [];
  return [
    ...(callers.includes('agent') ? [] : (['agent'] as const)),
    ...(callers.includes('root') ? [] : (['root'] as const)),
    ...(callers.includes('person') ? [] : (['person without a role'] as const)),
  ];
};
