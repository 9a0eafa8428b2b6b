import { randomBytes, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '@exequatur/kernel';
import { CLOCK, problem, type HttpRequest, type PageSessions } from '@exequatur/service-kit';
import { sealData, unsealData } from 'iron-session';
import { ApprovalsConfig } from '../approvals-config.js';
import { APPROVAL_LIMITS } from '../limits.js';
import { problemPage } from './problem.page.js';

/** What the cookie holds, encrypted: a token against forged forms from the first visit on, and the person once signed in. */
export interface PageSession {
  readonly csrf: string;
  readonly tenant?: string;
  readonly person?: string;
  /** When the person proved who they are, Unix seconds. */
  readonly authTime?: number;
  /** The provider they came from; absent after an access token. */
  readonly issuer?: string;
  /** The session's end, Unix ms, whatever the browser does with the cookie. */
  readonly until: number;
}

export type SignedIn = Required<Pick<PageSession, 'tenant' | 'person' | 'authTime'>> & Pick<PageSession, 'issuer'>;

/** Sessions of the pages: one encrypted cookie, nothing on the server, so any replica can read it. */
@Injectable()
export class Sessions implements PageSessions {
  readonly loginPath = '/login';
  private readonly secure: boolean;
  private readonly cookieName: string;

  constructor(
    private readonly config: ApprovalsConfig,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.secure = config.PUBLIC_URL.startsWith('https:');
    // The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis).
    this.cookieName = this.secure ? '__Host-exq_session' : 'exq_session';
  }

  async read(request: HttpRequest): Promise<{ readonly tenant: string; readonly person: string; readonly authTime?: number } | undefined> {
    const session = await this.current(request);
    return session?.tenant === undefined || session.person === undefined ? undefined : { tenant: session.tenant, person: session.person, ...(session.authTime === undefined ? {} : { authTime: session.authTime }) };
  }

  /** The session of a request; undefined without a cookie, with a forged or an expired one. */
  async current(request: HttpRequest): Promise<PageSession | undefined> {
    const sealed = cookieIn(request.headers.cookie, this.cookieName);
    if (sealed === undefined) return undefined;
    const content = await unsealData<Partial<PageSession>>(sealed, { password: this.config.EXEQUATUR_SESSION_SECRET, ttl: APPROVAL_LIMITS.sessionSeconds }).catch((): Partial<PageSession> => ({}));
    const { csrf, until } = content;
    return typeof csrf === 'string' && typeof until === 'number' && this.clock.now() < until ? { ...content, csrf, until } : undefined;
  }

  /** A new session, with a form token of its own. */
  begin(who?: SignedIn): PageSession {
    return { csrf: randomBytes(24).toString('base64url'), until: this.clock.now() + APPROVAL_LIMITS.sessionSeconds * 1_000, ...who };
  }

  /** Set-Cookie for a session. */
  async cookie(session: PageSession): Promise<string> {
    const sealed = await sealData(session, { password: this.config.EXEQUATUR_SESSION_SECRET, ttl: APPROVAL_LIMITS.sessionSeconds });
    return this.setCookie(sealed, APPROVAL_LIMITS.sessionSeconds);
  }

  /** Set-Cookie that ends the session. */
  endingCookie(): string {
    return this.setCookie('', 0);
  }

  /** The session a form was posted in. @throws Problem FORBIDDEN when the form is not one of ours */
  async posted(request: HttpRequest, fields: Readonly<Record<string, string>>): Promise<PageSession> {
    const site = request.headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && site !== 'none') problem('FORBIDDEN', 'this form was sent by another site');
    const session = await this.current(request);
    if (session === undefined || !same(session.csrf, fields['csrf'] ?? '')) return problem('FORBIDDEN', 'this form is out of date: open the page again');
    return session;
  }

  problemPage(document: Parameters<PageSessions['problemPage']>[0]): string {
    return problemPage(document);
  }

  private setCookie(value: string, seconds: number): string {
    return `${this.cookieName}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${this.secure ? '; Secure' : ''}`;
  }
}

const same = (left: string, right: string): boolean => {
  const [one, other] = [Buffer.from(left), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
};

export const cookieIn = (header: string | undefined, name: string): string | undefined => {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
};

/** Form fields of a page request; a page that is sent JSON has none. */
export const formFields = (request: HttpRequest): Readonly<Record<string, string>> => {
  const { body } = request;
  if (typeof body !== 'object' || body === null) return {};
  return Object.fromEntries(Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
};
