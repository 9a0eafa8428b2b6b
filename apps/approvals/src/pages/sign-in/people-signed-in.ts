import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '@exequatur/kernel';
import { accountOf, authTimeOf, CLOCK, Directory, problem, rolesOf, tenantOf, type PersonPrincipal } from '@exequatur/service-kit';
import { ApprovalsConfig } from '../../approvals-config.js';
import { APPROVAL_LIMITS } from '../../limits.js';
import type { SignedIn } from '../sessions.js';
import { SignInRefused, type ComeBack } from './provider-sign-in.js';

const LOOK_AGAIN_MS = 50;

/** Whom somebody who came back from their provider is here. What their claims change is recorded by policy, which owns the directory. */
@Injectable()
export class PeopleSignedIn {
  constructor(
    private readonly config: ApprovalsConfig,
    private readonly directory: Directory,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws SignInRefused; Problem FORBIDDEN or CONFLICT with words for the visitor, DEPENDENCY_DOWN */
  async personOf({ idToken, proven }: ComeBack): Promise<SignedIn> {
    const { provider, claims } = proven;
    const tenant = tenantOf(provider, claims);
    const account = accountOf(provider.issuer, claims.sub);
    const authTime = authTimeOf(claims);
    if (tenant === undefined || account === undefined || authTime === undefined) throw new SignInRefused('claims without tenant, subject or auth_time');
    const claimed = provider.people === undefined ? undefined : rolesOf(provider, claims);
    const person = (await this.known(tenant, account, claimed)) ?? (await this.madeKnown(idToken, tenant, account, claimed));
    return { tenant, person: person.id, authTime, issuer: provider.issuer };
  }

  private async known(tenant: string, account: string, claimed: readonly string[] | undefined): Promise<PersonPrincipal | undefined> {
    const holder = await this.directory.holderOf(tenant, account);
    if (holder?.type !== 'person') return undefined;
    return claimed === undefined || [...holder.roles].sort().join(' ') === claimed.join(' ') ? holder : undefined;
  }

  private async madeKnown(idToken: string, tenant: string, account: string, claimed: readonly string[] | undefined): Promise<PersonPrincipal> {
    await this.tellPolicy(idToken);
    const deadline = this.clock.monotonic() + APPROVAL_LIMITS.knownMs;
    for (;;) {
      const person = await this.known(tenant, account, claimed);
      if (person !== undefined) return person;
      if (this.clock.monotonic() > deadline) return problem('DEPENDENCY_DOWN', 'your account is not known here yet: try again in a moment');
      await delay(LOOK_AGAIN_MS);
    }
  }

  private async tellPolicy(token: string): Promise<void> {
    const answer = await fetch(`${this.config.POLICY_URL}/v1/people/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
      redirect: 'error',
      signal: AbortSignal.timeout(APPROVAL_LIMITS.identityMs),
    }).catch(() => problem('DEPENDENCY_DOWN', 'your account cannot be looked up now: try again in a moment'));
    if (answer.ok) return;
    if (answer.status === 403) problem('FORBIDDEN', 'your account has no role here: ask your administrator');
    if (answer.status === 409) problem('CONFLICT', 'somebody here has this name already: ask your administrator to link the two accounts');
    if (answer.status === 401) throw new SignInRefused('policy does not take the id token');
    problem('DEPENDENCY_DOWN', 'your account cannot be looked up now: try again in a moment');
  }
}
