import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { name } from '@exequatur/contracts';
import { sha256Text, type Clock } from '@exequatur/kernel';
import { Allow, Answer, CLOCK, Consumes, Describe, Http, Problem, problem, ShapedPath } from '@exequatur/service-kit';
import type { HttpRequest } from '@exequatur/service-kit';
import { reasonWords } from '../pages/rejection-words.js';
import { RejectionReasons } from '../reject-reasons/rejection-reasons.js';
import { DecideFromSlack } from './decide-from-slack.js';
import { readInteraction, type Interaction } from './interaction.js';
import { callSlack } from './slack-api.js';
import { rejectionDialog } from './slack-card.js';
import { SlackInstallations, type SlackInstallation } from './slack-installations.js';
import { isSignedBySlack } from './slack-signature.js';

const NO_BYTES = Buffer.alloc(0);

/** Where Slack sends what people press. Its signature is the credential; who may decide is judged afterwards, by the linked person. */
@Controller('v1/approvals/slack')
@Allow('public')
export class SlackInteractionsHttp {
  constructor(
    private readonly installations: SlackInstallations,
    private readonly decisions: DecideFromSlack,
    private readonly reasons: RejectionReasons,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Post(':installation/interactions')
  @HttpCode(200)
  @Consumes('application/x-www-form-urlencoded')
  @Describe({ summary: 'For Slack: a button or a dialog, signed (v0). Acknowledged once it is kept; what it led to stands on the card.', answers: { 200: 'empty' }, codes: ['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'INVALID'], keyless: true })
  async take(@Http() request: HttpRequest, @ShapedPath('installation', name()) installationName: string): Promise<Answer> {
    // Its name stands in the app's settings and is no secret; without it there is no secret to check a signature with.
    const installation = this.installations.named(installationName) ?? problem('NOT_FOUND');
    const body = request.rawBody ?? NO_BYTES;
    if (!isSignedBySlack(installation.signing_secret, { ...signatureOf(request), body }, Math.floor(this.clock.now() / 1_000))) return problem('UNAUTHENTICATED');
    const payload = (request.body as Readonly<Record<string, string>> | undefined)?.['payload'] ?? '';
    const interaction = interactionIn(payload);
    if (interaction === undefined) return acknowledged;
    // The secret is the app's; the app may be in other workspaces too.
    if (interaction.team !== installation.team_id) return problem('FORBIDDEN');
    if (interaction.gesture === 'ask-why') this.decisions.begin(this.askWhy(installation, interaction));
    else await this.decisions.keep(sha256Text(body), installation, interaction);
    return acknowledged;
  }

  private async askWhy(installation: SlackInstallation, { triggerId, value, channel, ts, user }: Interaction): Promise<void> {
    const { codes } = await this.reasons.of(installation.tenant);
    const opened = await callSlack(installation, 'views.open', { trigger_id: triggerId, view: rejectionDialog(value, 'Nothing runs, and the agent gets your reason.', { channel, ts }, codes.map((code) => [code, reasonWords(code)])) });
    if (!opened.ok) await callSlack(installation, 'chat.postEphemeral', { channel, user, text: 'The dialog could not be opened; press again.' });
  }
}

const acknowledged = new Answer(200, NO_BYTES);

const interactionIn = (payload: string): Interaction | undefined => {
  try {
    return readInteraction(payload);
  } catch (error) {
    return problem('INVALID', error instanceof Problem ? error.detail : 'payload is not what Slack sends');
  }
};

const signatureOf = ({ headers }: HttpRequest): { readonly timestamp: string | undefined; readonly signature: string | undefined } => ({ timestamp: single(headers['x-slack-request-timestamp']), signature: single(headers['x-slack-signature']) });
const single = (value: string | readonly string[] | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
