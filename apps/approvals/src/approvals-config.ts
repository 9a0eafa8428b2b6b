import { IsIn, IsNotEmpty, IsOptional, IsUrl, Matches } from 'class-validator';
import { ServiceConfig } from '@exequatur/service-kit';

/** What approvals is told from outside, beyond what every service is. */
export class ApprovalsConfig extends ServiceConfig {
  /** Encrypts the session cookies of the pages: at least 32 random bytes in base64url, the same for every replica. */
  @Matches(/^[A-Za-z0-9_-]{43,}$/, { message: 'must be at least 32 bytes in base64url' })
  EXEQUATUR_SESSION_SECRET!: string;

  /** Whom to tell of approvals: a JSON list of {name, tenant, url, secret, events?, private_network?}; it holds secrets, so give the file. */
  @IsOptional()
  @IsNotEmpty()
  EXEQUATUR_WEBHOOKS?: string;

  /** Whether endpoints that admins keep over the API may lie in a private range, and be spoken to without TLS. */
  @IsIn(['true', 'false'])
  EXEQUATUR_WEBHOOKS_INSIDE: string = 'false';

  /** The mail server that notices go through: JSON {host, port, from, secure?, username?, password?}; it may hold a secret, so give the file. */
  @IsOptional()
  @IsNotEmpty()
  EXEQUATUR_MAIL?: string;

  /** Slack workspaces: a JSON list of {name, tenant, team_id, channel, bot_token, signing_secret, shows?, roles?, events?, api?}; it holds secrets, so give the file. */
  @IsOptional()
  @IsNotEmpty()
  EXEQUATUR_SLACK?: string;

  /** How old a sign-in may be to approve, by action class: JSON {"financial":300}, seconds; `*` stands for the classes not named. */
  @IsOptional()
  @IsNotEmpty()
  EXEQUATUR_STEP_UP?: string;

  /** Where approvals finds policy, which keeps the directory: people who sign in with their provider are made known there. */
  @IsUrl({ require_tld: false, require_protocol: true, protocols: ['http', 'https'] })
  POLICY_URL: string = 'http://127.0.0.1:8080';
}
