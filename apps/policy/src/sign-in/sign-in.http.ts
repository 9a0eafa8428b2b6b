import { Controller, HttpCode, Post } from '@nestjs/common';
import { list, name, object, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Describe, ProviderTokens, problem, ShapedBody } from '@exequatur/service-kit';
import { PeopleOfProviders } from './people-of-providers.js';

/** An id token of our own sign-in, or an access token for the API. */
const signInBody = object({ token: text(8_192) });
const signedIn = object({ tenant: name(), person: name(), roles: list(name(), 50) });

/** Brings one person up to what their identity provider says now; whoever holds the token is the proof, so nothing else is asked. */
@Controller('v1/people/sign-in')
export class SignInHttp {
  constructor(
    private readonly tokens: ProviderTokens,
    private readonly people: PeopleOfProviders,
  ) {}

  @Post()
  @HttpCode(200)
  @Allow('public')
  @Describe({ summary: 'Sign in with a token of an identity provider: the person is linked, or given the roles that the provider’s claims mean now.', body: signInBody, answers: { 200: signedIn }, codes: ['UNAUTHENTICATED', 'FORBIDDEN', 'CONFLICT', 'DEPENDENCY_DOWN'], keyless: true })
  async signIn(@ShapedBody(signInBody) { token }: Shape<typeof signInBody>): Promise<Shape<typeof signedIn>> {
    const proven = (await this.tokens.idToken(token)) ?? (await this.tokens.accessToken(token)) ?? problem('UNAUTHENTICATED');
    return this.people.bringUpToDate(proven);
  }
}
