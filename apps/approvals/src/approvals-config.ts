import { IsNotEmpty, IsOptional, Matches } from 'class-validator';
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
}
