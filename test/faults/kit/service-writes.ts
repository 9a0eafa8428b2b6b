import type { ServiceName } from '@exequatur/contracts';
import { serviceFor } from '@exequatur/standalone';

/** Questions that are asked with a body: they change nothing, and take no key. */
const QUESTIONS: ReadonlySet<string> = new Set(['POST /v1/decide', 'POST /cycles/v1/decide']);
const READS: ReadonlySet<string> = new Set(['get', 'head', 'options', 'trace']);
/** Of a path item, what is no method (OpenAPI 3.1, "Path Item Object"). */
const NO_METHOD: ReadonlySet<string> = new Set(['parameters', 'servers', 'summary', 'description', '$ref']);

/** `METHOD path` of every write that a service describes. One process for all describes those of the others too. */
export const writesOf = async (origin: string, service: ServiceName): Promise<readonly string[]> => {
  const { paths } = (await (await fetch(`${origin}/openapi.json`)).json()) as { paths: Record<string, object> };
  return Object.entries(paths)
    .filter(([path]) => serviceFor(path) === service)
    .flatMap(([path, item]) => Object.keys(item).filter((method) => !READS.has(method) && !NO_METHOD.has(method)).map((method) => `${method.toUpperCase()} ${path}`))
    .filter((write) => !QUESTIONS.has(write));
};
