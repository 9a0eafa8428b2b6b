import type { FastifyInstance } from 'fastify';

interface KnownRoute {
  readonly segments: readonly string[];
  readonly methods: readonly string[];
}

/** What paths exist, to tell a wrong method (405) from a wrong path (404). */
export class RouteTable {
  private readonly routes: KnownRoute[] = [];

  /** Call before routes are registered. */
  watch(server: FastifyInstance): void {
    server.addHook('onRoute', ({ url, method }) => {
      this.routes.push({ segments: url.split('/'), methods: Array.isArray(method) ? method : [method] });
    });
  }

  /** Methods this path takes, sorted; none for an unknown path. */
  methodsOf(url: string): readonly string[] {
    const segments = (url.split('?', 1)[0] ?? '').split('/');
    const matching = this.routes.filter((route) => route.segments.length === segments.length && route.segments.every((expected, index) => expected.startsWith(':') || expected === segments[index]));
    return [...new Set(matching.flatMap(({ methods }) => methods))].sort();
  }
}
