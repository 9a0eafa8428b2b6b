import 'reflect-metadata';
import { DiscoveryService, MetadataScanner, NestFactory, Reflector } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { ServiceConfig } from '../config/service-config.js';
import { fastifyServer } from '../http/fastify-server.js';
import { RouteTable } from '../http/route-table.js';
import { AllowGuard } from '../identity/allow.guard.js';
import { Authentication } from '../identity/authentication.js';
import type { PageSessions } from '../identity/page-sessions.js';
import { RateLimit } from '../identity/rate-limit.js';
import { nestLogger } from '../observability/logger.js';
import { watchRequests } from '../observability/watch-requests.js';
import { assertRoutes, routesOf } from '../openapi/routes.js';
import { ProblemFilter } from '../problem/problem.filter.js';
import { ServiceRoot } from './platform.module.js';
import { startPlatform, type Platform } from './platform.js';
import { watchPlatform } from './readiness-checks.js';
import type { RunningService, ServiceDefinition } from './service-definition.js';
import { Shutdown } from './shutdown.js';
import { PAGE_SESSIONS } from './tokens.js';

/** Requests under way may end in this time; then their connections are cut. */
const DRAIN_MS = 1_500;
/** Expired idempotent answers are looked for this often. */
const SWEEP_MS = 60_000;

/** The app's sessions, looked up once its modules are there; apps without pages have none. */
const pageSessionsOf = (app: NestFastifyApplication): (() => PageSessions | undefined) => {
  let found: PageSessions | undefined | 'not yet' = 'not yet';
  return () => {
    if (found !== 'not yet') return found;
    try {
      found = app.get<PageSessions>(PAGE_SESSIONS, { strict: false });
    } catch {
      found = undefined;
    }
    return found;
  };
};

const buildApp = async (platform: Platform): Promise<{ readonly app: NestFastifyApplication; readonly server: FastifyInstance }> => {
  const { adapter, server } = fastifyServer(platform.admission, { secure: platform.config.PUBLIC_URL.startsWith('https:') });
  const routes = new RouteTable();
  routes.watch(server);
  watchRequests(server, platform.metrics, platform.log);
  const app = await NestFactory.create<NestFastifyApplication>(ServiceRoot.of(platform), adapter, { logger: nestLogger(platform.log), bodyParser: false, abortOnError: false });
  const reflector = app.get(Reflector);
  const pages = pageSessionsOf(app);
  const { directory, signer, providerTokens, clock, config, log } = platform;
  app.useGlobalGuards(new AllowGuard({ reflector, directory, authentication: new Authentication(directory, signer, providerTokens), rateLimit: new RateLimit(config.REQUESTS_PER_SECOND, clock), pages }));
  app.useGlobalFilters(new ProblemFilter(routes, log, pages));
  const declared = routesOf(app.get(DiscoveryService, { strict: false }), new MetadataScanner(), reflector);
  assertRoutes(declared);
  platform.openApi.describe(declared);
  return { app, server };
};

const sweepIdempotency = ({ idempotency, database, log }: Platform): NodeJS.Timeout =>
  setInterval(() => {
    idempotency.sweep(database).catch((error: unknown) => log.warn({ err: error }, 'expired idempotent answers were not swept'));
  }, SWEEP_MS).unref();

/** @throws ConfigError, a connection error, or an Error that names the routes without @Allow; nothing stays behind then */
const start = async (definition: ServiceDefinition, config: ServiceConfig, shutdown: Shutdown): Promise<RunningService> => {
  const platform = await startPlatform(definition, config, shutdown);
  const { app, server } = await buildApp(platform);
  shutdown.later('app', () => app.close());
  // Not inheriting the app's configuration: its filter would answer what a failing handler must say to the transport.
  const consumers = app.connectMicroservice({ strategy: platform.strategy }, { inheritAppConfig: false });
  await app.init();
  await server.ready();
  shutdown.later('consumers', () => consumers.close());
  watchPlatform(platform);
  await app.startAllMicroservices();
  const sweep = sweepIdempotency(platform);
  shutdown.later('requests', async () => {
    clearInterval(sweep);
    await platform.admission.drain(DRAIN_MS);
    if (platform.admission.inFlight > 0) server.server.closeAllConnections();
  });
  platform.log.info('started');
  return {
    name: definition.name,
    app,
    handle: (request, response) => server.routing(request, response),
    inject: async (path) => {
      const { statusCode, payload } = await server.inject({ method: 'GET', url: path });
      return { status: statusCode, body: payload };
    },
    listen: async () => {
      await app.listen(config.PORT, config.HOST);
      return app.getUrl();
    },
    ready: () => platform.health.readiness(),
    close: () => shutdown.run(platform.log),
  };
};

/**
 * One service: configuration, database, migrations, topics, relay, Nest app, consumers, ready to answer. Several may run in
 * one process. `listen()` opens a port of its own; without it, requests come through `handle`.
 */
export const createService = async (definition: ServiceDefinition, config: ServiceConfig): Promise<RunningService> => {
  const shutdown = new Shutdown();
  try {
    return await start(definition, config, shutdown);
  } catch (error) {
    await shutdown.run();
    throw error;
  }
};
