import type { HttpReply, HttpRequest } from '../http/http-request.js';
import type { ProblemDocument } from '../problem/problem.js';

/** What an app with HTML pages provides under PAGE_SESSIONS. */
export interface PageSessions {
  /** Whom the session cookie names; undefined when there is none or it is not valid. Roles are then read from the directory. */
  read(request: HttpRequest, reply: HttpReply): Promise<{ readonly tenant: string; readonly person: string; readonly authTime?: number } | undefined>;
  /** Where a visitor without a session is sent (303). */
  readonly loginPath: string;
  /** The page that shows a problem. */
  problemPage(document: ProblemDocument, request: HttpRequest): string;
}
