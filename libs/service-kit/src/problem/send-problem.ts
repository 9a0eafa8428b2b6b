import type { HttpReply } from '../http/http-request.js';
import { PROBLEM_CONTENT_TYPE, type Problem } from './problem.js';

/** RFC 9110: a 401 says how to authenticate. */
const CHALLENGE = 'Bearer realm="exequatur"';

/** Status and headers of a problem; the body is the caller's (a document, or a page). */
export const problemHead = (reply: HttpReply, problem: Problem): HttpReply => {
  reply.code(problem.status);
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
  if (problem.status === 401) reply.header('www-authenticate', CHALLENGE);
  return reply;
};

export const sendProblem = (reply: HttpReply, problem: Problem): void => {
  problemHead(reply, problem).header('content-type', PROBLEM_CONTENT_TYPE).send(Buffer.from(JSON.stringify(problem.document()), 'utf8'));
};
