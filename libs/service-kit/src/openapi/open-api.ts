import { openApiDocument } from './openapi-document.js';
import type { Route } from './routes.js';

/** The service's OpenAPI document; its routes are known once the app's controllers are. */
export class OpenApi {
  private routes: readonly Route[] = [];

  constructor(
    private readonly service: string,
    private readonly origin: string,
  ) {}

  describe(routes: readonly Route[]): void {
    this.routes = routes;
  }

  document(): Readonly<Record<string, unknown>> {
    return openApiDocument(this.service, this.origin, this.routes);
  }
}
