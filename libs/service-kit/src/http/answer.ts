import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import type { HttpReply } from './http-request.js';

/** An answer as it goes out: serialised once, so that a replay is byte-equal. */
export class Answer {
  constructor(
    readonly status: number,
    readonly body: Buffer,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  static json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
    return new Answer(status, Buffer.from(JSON.stringify(value), 'utf8'), { 'content-type': 'application/json; charset=utf-8', ...headers });
  }

  static html(status: number, page: string, headers: Readonly<Record<string, string>> = {}): Answer {
    return new Answer(status, Buffer.from(page, 'utf8'), { 'content-type': 'text/html; charset=utf-8', ...headers });
  }

  /** 303 See Other: after a form was posted. */
  static seeOther(location: string, headers: Readonly<Record<string, string>> = {}): Answer {
    return new Answer(303, Buffer.alloc(0), { location, ...headers });
  }
}

/** Lets handlers return an Answer; anything else goes out as JSON with the route's own status. */
export class AnswerInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    return next.handle().pipe(
      map((result: unknown) => {
        if (!(result instanceof Answer)) return result;
        const reply = context.switchToHttp().getResponse<HttpReply>();
        reply.code(result.status).headers(result.headers);
        return result.body;
      }),
    );
  }
}
