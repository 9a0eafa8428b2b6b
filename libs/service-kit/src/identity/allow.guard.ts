import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { CONSUMES, FORM_TYPE, JSON_TYPE, mediaTypeOf } from '../http/bodies.js';
import type { HttpReply, HttpRequest } from '../http/http-request.js';
import { requireIdempotencyKey } from '../idempotency/run-idempotent.js';
import { DESCRIBE, takesKey, type RouteDescription } from '../openapi/describe.js';
import { problem } from '../problem/problem.js';
import { ALLOW, PAGE, isAllowed, type Selector } from './allow.js';
import type { Authentication } from './authentication.js';
import type { Directory } from './directory.js';
import type { PageSessions } from './page-sessions.js';
import { principalName, type Principal } from './principal.js';
import type { RateLimit } from './rate-limit.js';

export interface GuardParts {
  readonly reflector: Reflector;
  readonly authentication: Authentication;
  readonly directory: Directory;
  readonly rateLimit: RateLimit;
  /** Known only once the app's modules are there. */
  readonly pages: () => PageSessions | undefined;
}

/** What the decorators of a route say; read once a route, since every request asks. */
interface Route {
  readonly isPage: boolean;
  readonly selectors: readonly Selector[];
  /** media types of bodies */
  readonly taken: readonly string[];
  readonly description: RouteDescription | undefined;
}

/** Media type, credential, rate, permission, Idempotency-Key, in this order, before any handler sees the request. */
export class AllowGuard implements CanActivate {
  private readonly routes = new Map<unknown, Map<unknown, Route>>();

  constructor(private readonly parts: GuardParts) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Events prove their origin in the transport strategy.
    if (context.getType() !== 'http') return true;
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const { isPage, selectors, taken, description } = this.routeOf(context);
    if (isPage) request.isPage = true;
    if (request.rawBody !== undefined && !taken.includes(mediaTypeOf(request) ?? '')) problem('UNSUPPORTED_MEDIA_TYPE');
    const principal = await this.authenticate(request, context.switchToHttp().getResponse<HttpReply>(), isPage);
    if (principal !== undefined) {
      request.principal = principal;
      this.parts.rateLimit.take(nameForLimit(principal));
    }
    if (!selectors.includes('public')) {
      if (principal === undefined) return problem('UNAUTHENTICATED');
      if (!isAllowed(selectors, principal)) return problem('FORBIDDEN');
    }
    if (takesKey(request.method, description)) requireIdempotencyKey(request);
    return true;
  }

  private async authenticate(request: HttpRequest, reply: HttpReply, isPage: boolean): Promise<Principal | undefined> {
    const principal = await this.parts.authentication.principalOf(request.headers.authorization);
    if (principal !== undefined || !isPage) return principal;
    const session = await this.parts.pages()?.read(request, reply);
    const person = session === undefined ? undefined : await this.parts.directory.person(session.tenant, session.person);
    return person === undefined || session?.authTime === undefined ? person : { ...person, authTime: session.authTime };
  }

  private routeOf(context: ExecutionContext): Route {
    const [controller, handler] = [context.getClass(), context.getHandler()];
    const ofController = this.routes.get(controller) ?? new Map<unknown, Route>();
    const known = ofController.get(handler);
    if (known !== undefined) return known;
    const isPage = this.metadata<boolean>(context, PAGE) === true;
    const route: Route = {
      isPage,
      selectors: this.metadata<readonly Selector[]>(context, ALLOW) ?? [],
      taken: [JSON_TYPE, ...(isPage ? [FORM_TYPE] : []), ...(this.metadata<readonly string[]>(context, CONSUMES) ?? [])],
      description: this.metadata<RouteDescription>(context, DESCRIBE),
    };
    this.routes.set(controller, ofController.set(handler, route));
    return route;
  }

  private metadata<T>(context: ExecutionContext, key: string): T | undefined {
    return this.parts.reflector.getAllAndOverride<T | undefined>(key, [context.getHandler(), context.getClass()]);
  }
}

const nameForLimit = (principal: Principal): string => ('tenant' in principal ? `${principal.tenant}/${principalName(principal)}` : principalName(principal));
