import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import type { ServiceName, Topic } from '@exequatur/contracts';
import type { MigrationInterface } from 'typeorm';
import type { Readiness } from '../observability/health.js';

export interface ServiceDefinition {
  readonly name: ServiceName;
  readonly module: Type<unknown> | DynamicModule;
  /** TypeORM migration classes, oldest first; a class name ends in 13 digits (milliseconds), which order them. */
  readonly migrations: readonly (new () => MigrationInterface)[];
  /** TypeORM entity classes of read models and configuration. */
  readonly entities?: readonly (new (...args: never[]) => object)[];
  /** Topics whose events the service has handlers for. Documentation and check: a handler on another topic fails the start. */
  readonly eventTopics?: readonly Topic[];
  /**
   * `topic` (default): service-kit keeps the directory tables from the directory topic. `own`: the service projects by itself
   * (policy, in the transaction of the event, with `projectDirectory`), or needs no directory.
   */
  readonly directory?: 'topic' | 'own';
  /** How long one lock is waited for in `PgEventStore.transact`; 2 s when left out. Short where commands are batched. */
  readonly lockTimeoutMs?: number;
  /** PostgreSQL settings of this service's connections, by name. */
  readonly databaseSettings?: Readonly<Record<string, string>>;
}

export interface RunningService {
  readonly name: ServiceName;
  readonly app: INestApplication;
  /** One request through this service's routes; for several services behind one port. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** A GET without a socket, for the meta paths of several services behind one origin. */
  inject(path: string): Promise<{ readonly status: number; readonly body: string }>;
  /** Opens HOST:PORT of the configuration. @returns the origin, `http://127.0.0.1:41234` */
  listen(): Promise<string>;
  ready(): Promise<Readiness>;
  /** Drains requests, then stops consumers, relay and pool; bounded by 5 s. May be called twice. */
  close(): Promise<void>;
}
