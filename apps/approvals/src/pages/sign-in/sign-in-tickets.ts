import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '@exequatur/kernel';
import { CLOCK, type HttpRequest } from '@exequatur/service-kit';
import { sealData, unsealData } from 'iron-session';
import { ApprovalsConfig } from '../../approvals-config.js';
import { APPROVAL_LIMITS } from '../../limits.js';
import { cookieIn } from '../sessions.js';

/** What is remembered of a visitor who left for their provider, so that only that visitor can come back. */
export interface SignInTicket {
  readonly issuer: string;
  readonly state: string;
  readonly nonce: string;
  /** PKCE (RFC 7636) */
  readonly verifier: string;
  /** a path of ours */
  readonly next: string;
  /** the person was to prove again who they are */
  readonly fresh: boolean;
  /** Unix ms */
  readonly begunAt: number;
}

/** One encrypted cookie for the way to the provider and back. Lax, not Strict: coming back is a navigation from another site. */
@Injectable()
export class SignInTickets {
  private readonly attributes: string;
  private readonly name: string;
  private readonly password: string;

  constructor(
    config: ApprovalsConfig,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    const secure = config.PUBLIC_URL.startsWith('https:');
    this.name = secure ? '__Host-exq_sign_in' : 'exq_sign_in';
    this.attributes = `; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
    this.password = config.EXEQUATUR_SESSION_SECRET;
  }

  async cookie(ticket: SignInTicket): Promise<string> {
    const sealed = await sealData({ ticket }, { password: this.password, ttl: APPROVAL_LIMITS.signInSeconds });
    return `${this.name}=${sealed}${this.attributes}; Max-Age=${APPROVAL_LIMITS.signInSeconds}`;
  }

  /** For a ticket that led nowhere; one that led somewhere is spent with its code. */
  endingCookie(): string {
    return `${this.name}=${this.attributes}; Max-Age=0`;
  }

  async ticketOf(request: HttpRequest): Promise<SignInTicket | undefined> {
    const sealed = cookieIn(request.headers.cookie, this.name);
    if (sealed === undefined) return undefined;
    // A session is sealed with the same secret; its content is no ticket.
    const { ticket } = await unsealData<{ readonly ticket?: SignInTicket }>(sealed, { password: this.password, ttl: APPROVAL_LIMITS.signInSeconds }).catch((): { readonly ticket?: SignInTicket } => ({}));
    return ticket !== undefined && this.clock.now() - ticket.begunAt <= APPROVAL_LIMITS.signInSeconds * 1_000 ? ticket : undefined;
  }
}
