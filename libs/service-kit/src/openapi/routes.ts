import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import type { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { CONSUMES } from '../http/bodies.js';
import { ALLOW, PAGE, type Selector } from '../identity/allow.js';
import { DESCRIBE, type RouteDescription } from './describe.js';

/** One HTTP route as its decorators say. */
export interface Route {
  /** `ClassName.method`, for messages. */
  readonly name: string;
  /** Lower case: `get`, `post`. */
  readonly method: string;
  /** With Nest's `:id` parameters. */
  readonly path: string;
  readonly allow: readonly Selector[] | undefined;
  readonly isPage: boolean;
  readonly consumes: readonly string[];
  readonly description: RouteDescription | undefined;
}

const joined = (...parts: readonly string[]): string => `/${parts.flatMap((part) => part.split('/')).filter((segment) => segment !== '').join('/')}`;
const pathsOf = (target: object): readonly string[] => {
  const found = Reflect.getMetadata(PATH_METADATA, target) as string | readonly string[] | undefined;
  return found === undefined ? [''] : typeof found === 'string' ? [found] : found;
};

/** Every route of the app's controllers. */
export const routesOf = (discovery: DiscoveryService, scanner: MetadataScanner, reflector: Reflector): readonly Route[] =>
  discovery.getControllers().flatMap(({ metatype, instance }) => {
    if (typeof metatype !== 'function' || typeof instance !== 'object' || instance === null) return [];
    const controller = metatype as Type<unknown>;
    const prototype = Object.getPrototypeOf(instance) as Record<string, (...args: unknown[]) => unknown>;
    return scanner.getAllMethodNames(prototype).flatMap((methodName): Route[] => {
      const handler = prototype[methodName];
      if (handler === undefined) return [];
      const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
      if (method === undefined) return [];
      const read = <T>(key: string): T | undefined => reflector.getAllAndOverride<T | undefined>(key, [handler, controller]);
      return pathsOf(controller).flatMap((prefix) =>
        pathsOf(handler).map((path) => ({
          name: `${controller.name}.${methodName}`,
          method: RequestMethod[method].toLowerCase(),
          path: joined(prefix, path),
          allow: read<readonly Selector[]>(ALLOW),
          isPage: read<boolean>(PAGE) === true,
          consumes: read<readonly string[]>(CONSUMES) ?? [],
          description: read<RouteDescription>(DESCRIBE),
        })),
      );
    });
  });

/** @throws Error naming each route that says not who may call it, or, below /v1, not what it takes and gives */
export const assertRoutes = (routes: readonly Route[]): void => {
  const faults = routes.flatMap(({ name, method, path, allow, description }) => [
    ...(allow === undefined || allow.length === 0 ? [`${name} (${method} ${path}) has no @Allow`] : []),
    ...(description === undefined && path.startsWith('/v1/') ? [`${name} (${method} ${path}) has no @Describe`] : []),
  ]);
  if (faults.length > 0) throw new Error(`routes are not declared: ${faults.join('; ')}`);
};
