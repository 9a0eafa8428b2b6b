import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { HttpRequest } from '../http/http-request.js';
import { principalName } from '../identity/principal.js';
import type { ServiceMetrics } from './metrics.js';

/** Duration and status of each request, by route pattern; a line a request at level debug. Paths only: queries and bodies stay out. */
export const watchRequests = (server: FastifyInstance, metrics: ServiceMetrics, log: Logger): void => {
  server.addHook('onResponse', (request: HttpRequest, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.requested(request.method, route, reply.statusCode, reply.elapsedTime / 1_000);
    log.debug(
      { request_id: request.id, traceparent: request.traceparent, method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime * 10) / 10, caller: request.principal === undefined ? undefined : principalName(request.principal) },
      'answered',
    );
    done();
  });
};
