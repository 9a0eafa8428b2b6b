import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Logger } from 'pino';
import type { PageSessions } from '../identity/page-sessions.js';
import type { RouteTable } from '../http/route-table.js';
import type { HttpReply, HttpRequest } from '../http/http-request.js';
import { asProblem } from './as-problem.js';
import { Problem } from './problem.js';
import { problemHead, sendProblem } from './send-problem.js';

/** The one place where what was thrown becomes an answer. Consumers have their own filter in the transport strategy. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly routes: RouteTable,
    private readonly log: Logger,
    private readonly pages: () => PageSessions | undefined,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    // Thrown again for the transport strategy, which decides between retry and dead letter.
    if (host.getType() !== 'http') throw error;
    const request = host.switchToHttp().getRequest<HttpRequest>();
    const reply = host.switchToHttp().getResponse<HttpReply>();
    const problem = this.withMethods(asProblem(error), request, reply);
    if (problem.status >= 500) this.log.error({ err: error, request_id: request.id, code: problem.code }, 'request failed');
    if (reply.sent) return;
    const pages = request.isPage === true ? this.pages() : undefined;
    if (pages === undefined) return sendProblem(reply, problem);
    if (problem.code === 'UNAUTHENTICATED') reply.code(303).header('location', pages.loginPath).send();
    else problemHead(reply, problem).header('content-type', 'text/html; charset=utf-8').send(pages.problemPage(problem.document(), request));
  }

  /** Nest knows unmatched requests only as "not found". */
  private withMethods(problem: Problem, request: HttpRequest, reply: HttpReply): Problem {
    if (problem.code !== 'NOT_FOUND' || !request.is404) return problem;
    const methods = this.routes.methodsOf(request.url);
    if (methods.length === 0) return problem;
    reply.header('allow', methods.join(', '));
    return new Problem('METHOD_NOT_ALLOWED');
  }
}

