import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Answer } from './answer.js';
import type { HttpReply } from './http-request.js';

/**
 * Lets handlers return an Answer; anything else goes out as JSON with the route's own status. Here rather than in an
 * interceptor, since one interceptor puts an observable around every request of an app.
 */
export class AnsweringAdapter extends FastifyAdapter {
  override reply(response: HttpReply, body: unknown, statusCode?: number): unknown {
    if (body instanceof Answer) return response.code(body.status).headers(body.headers).send(body.body);
    return super.reply(response as never, body, statusCode);
  }
}
