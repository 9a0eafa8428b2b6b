import { createParamDecorator, SetMetadata, type CustomDecorator, type ExecutionContext } from '@nestjs/common';
import type { ServiceName } from '@exequatur/contracts';
import type { HttpRequest } from '../http/http-request.js';
import { problem } from '../problem/problem.js';
import type { Principal } from './principal.js';

/** Who may call a route. `person:<role>` wants that role among the person's roles; `public` needs no credential. */
export type Selector = 'public' | 'agent' | 'person' | `person:${string}` | 'service' | `service:${ServiceName}` | 'root';

export const ALLOW = 'exequatur:allow';
export const PAGE = 'exequatur:page';

/** On a controller or a route; the route's wins. A route with neither makes the service refuse to start. */
export const Allow = (...selectors: readonly Selector[]): CustomDecorator => SetMetadata(ALLOW, selectors);

/** An HTML page: the session cookie authenticates here (and only here), and problems are answered as pages. */
export const Page = (): CustomDecorator => SetMetadata(PAGE, true);

export const isAllowed = (selectors: readonly Selector[], principal: Principal): boolean =>
  selectors.some((selector) => {
    if (selector === principal.type) return true;
    if (principal.type === 'person') return selector.startsWith('person:') && principal.roles.includes(selector.slice('person:'.length));
    return principal.type === 'service' && selector === `service:${principal.service}`;
  });

export const principalOf = (request: HttpRequest): Principal => request.principal ?? problem('UNAUTHENTICATED');

/** The authenticated principal. @throws Problem UNAUTHENTICATED on a public route that was called without a credential */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Principal => principalOf(context.switchToHttp().getRequest<HttpRequest>()));
