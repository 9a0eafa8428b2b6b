import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Answer } from './answer.js';
import type { HttpReply } from './http-request.js';

/**
 * Lets handlers return an Answer; anything else goes out as JSON with the route's own status. Here rather than in an
 * interceptor, since one interceptor puts an observable around every request of an app.
 */
export class AnsweringAdapter extends FastifyAdapter {
  override reply(response: Parameters<FastifyAdapter['reply']>[0], body: unknown, statusCode?: number): ReturnType<FastifyAdapter['reply']> {
    if (!(body instanceof Answer)) return super.reply(response, body, statusCode);
    return (response as HttpReply).code(body.status).headers(body.headers).send(body.body) as ReturnType<FastifyAdapter['reply']>;
  }
}
