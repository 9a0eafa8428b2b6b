import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServiceName } from '@exequatur/contracts';

/** Which service serves a path. First match wins; what nothing matches belongs to the pages. */
const ROUTES: readonly (readonly [pattern: RegExp, service: ServiceName])[] = [
  [/^\/v1\/actions\/[^/]+\/executions$/, 'executor'],
  [/^\/v1\/(actions|intake|policies|action-kinds|tenants|agents|people|tools)(\/|$)/, 'policy'],
  [/^\/v1\/approvals(\/|$)/, 'approvals'],
  [/^\/v1\/(reservations|decide|balances|budgets|freezes|grants|circuits|delegations)(\/|$)/, 'reservations'],
  [/^\/cycles(\/|$)/, 'reservations'],
  [/^\/v1\/(executions|connectors)(\/|$)/, 'executor'],
  [/^\/v1\/(log|receipts|exports|timeline)(\/|$)/, 'audit'],
];

/** Paths every service answers for itself; with all of them behind one origin, these are put together. */
export const META_PATHS = ['/livez', '/readyz', '/metrics', '/openapi.json', '/.well-known/jwks.json'] as const;
export type MetaPath = (typeof META_PATHS)[number];

export const serviceFor = (path: string): ServiceName => ROUTES.find(([pattern]) => pattern.test(path))?.[1] ?? 'approvals';

/** What the front needs of a running service: its request handler, and answers to its own meta paths. */
export interface Behind {
  readonly name: ServiceName;
  handle(request: IncomingMessage, response: ServerResponse): void;
  ask(path: MetaPath): Promise<{ status: number; body: string }>;
}

/** One origin for several services in this process: picks by path, and joins the meta paths. */
export const frontOf = (services: readonly Behind[]) => {
  const byName = new Map(services.map((service) => [service.name, service]));
  return (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const meta = META_PATHS.find((candidate) => candidate === path);
    if (meta !== undefined && request.method === 'GET') {
      void joined(services, meta).then(
        ({ status, type, body }) => response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(body),
        () => response.writeHead(503).end(),
      );
      return;
    }
    const service = byName.get(serviceFor(path));
    if (service === undefined) response.writeHead(404).end();
    else service.handle(request, response);
  };
};

const joined = async (services: readonly Behind[], path: MetaPath): Promise<{ status: number; type: string; body: string }> => {
  const answers = await Promise.all(services.map(async (service) => ({ name: service.name, ...(await service.ask(path)) })));
  const status = Math.max(...answers.map((answer) => answer.status));
  if (path === '/metrics') return { status, type: 'text/plain; version=0.0.4; charset=utf-8', body: mergedMetrics(answers.map((answer) => answer.body)) };
  const parsed = answers.map((answer) => ({ name: answer.name, value: JSON.parse(answer.body) as Record<string, unknown> }));
  if (path === '/.well-known/jwks.json') return json(status, { keys: parsed.flatMap(({ value }) => value['keys'] as unknown[]) });
  if (path === '/openapi.json') return json(status, mergedOpenApi(parsed.map(({ value }) => value)));
  return json(status, Object.fromEntries(parsed.map(({ name, value }) => [name, value])));
};

const json = (status: number, value: unknown): { status: number; type: string; body: string } => ({ status, type: 'application/json', body: JSON.stringify(value) });

/** Each family once, as the text format demands: services share metric names and differ by their `service` label. */
const mergedMetrics = (texts: readonly string[]): string => {
  const families = new Map<string, { head: string[]; samples: string[] }>();
  for (const text of texts) {
    let family = { head: [] as string[], samples: [] as string[] };
    for (const line of text.split('\n')) {
      const named = /^# (HELP|TYPE) (\S+)/.exec(line);
      if (named?.[2] !== undefined) {
        family = families.get(named[2]) ?? { head: [], samples: [] };
        families.set(named[2], family);
        if (!family.head.includes(line)) family.head.push(line);
      } else if (line !== '') family.samples.push(line);
    }
  }
  return `${[...families.values()].flatMap(({ head, samples }) => [...head, ...samples]).join('\n')}\n`;
};

type Document = Record<string, unknown>;
const mergedOpenApi = (documents: readonly Document[]): Document => {
  const all = (key: string): Document => Object.assign({}, ...documents.map((document) => document[key] ?? {})) as Document;
  const component = (key: string): Document => Object.assign({}, ...documents.map((document) => (document['components'] as Document | undefined)?.[key] ?? {})) as Document;
  return { ...documents[0], info: { title: 'Exequatur', version: '1' }, paths: all('paths'), components: { schemas: component('schemas'), securitySchemes: component('securitySchemes'), responses: component('responses') } };
};
