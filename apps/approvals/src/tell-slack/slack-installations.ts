import { Injectable } from '@nestjs/common';
import { list, name, object, oneOf, optional, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { shaped } from '@exequatur/service-kit';
import { ApprovalsConfig } from '../approvals-config.js';
import type { Addressees } from '../tell-channels/channel.js';

const slackId = (prefix: string): { json: Record<string, unknown>; type?: string } => ({ json: { type: 'string', pattern: `^[${prefix}][A-Z0-9]{1,30}$` } });

const installation = object({
  /** stands in rows, logs and the path of interactions */
  name: name(),
  tenant: name(),
  team_id: slackId('TE'),
  /** the one channel that cards go to */
  channel: slackId('CGD'),
  bot_token: text(500),
  signing_secret: text(200),
  /**
   * `facts`: title, rule and numbers, as in a list; decided after signing in. `card`: everything that the card says leaves for
   * Slack, where no erasure reaches it, and linked people can decide there.
   */
  shows: optional(oneOf('facts', 'card')),
  /** only requests that one of these roles may answer */
  roles: optional(list(name(), 50)),
  /** base of the Web API */
  api: optional(text(300)),
});
const installations = list(installation, 100);
export type SlackInstallation = Shape<typeof installation>;

/** The account of a person in a workspace, as policy links it to a person: issuer and subject, `#` between them. */
export const slackAccount = (teamId: string, userId: string): string => `https://slack.com/${teamId}#${userId}`;

/** Workspaces as the operator configured them; each is told of everything, since its card shows how a request stands. */
@Injectable()
export class SlackInstallations implements Addressees {
  readonly channel = 'slack';
  private readonly all: readonly SlackInstallation[];

  /** @throws Error naming the field, never its value */
  constructor(config: ApprovalsConfig) {
    this.all = config.EXEQUATUR_SLACK === undefined ? [] : parsed(config.EXEQUATUR_SLACK);
  }

  addresses(tenant: string): readonly string[] {
    return this.all.filter((each) => each.tenant === tenant).map((each) => each.name);
  }

  named(installationName: string): SlackInstallation | undefined {
    return this.all.find((each) => each.name === installationName);
  }
}

const LOOPBACK: readonly string[] = ['127.0.0.1', '[::1]', 'localhost'];

const parsed = (source: string): readonly SlackInstallation[] => {
  let found: readonly SlackInstallation[];
  try {
    found = shaped(installations, JSON.parse(source));
  } catch {
    throw new Error('EXEQUATUR_SLACK must be a JSON list of {name, tenant, team_id, channel, bot_token, signing_secret, shows?, roles?, api?}');
  }
  if (new Set(found.map((each) => each.name)).size !== found.length) throw new Error('EXEQUATUR_SLACK: each name once');
  for (const { name: known, api } of found) if (api !== undefined && !mayCarryToken(api)) throw new Error(`EXEQUATUR_SLACK: the api of ${known} must be https`);
  return found;
};

/** A token never goes out in clear, except to this very machine. */
const mayCarryToken = (api: string): boolean => {
  if (!URL.canParse(api)) return false;
  const { protocol, hostname, username } = new URL(api);
  return username === '' && (protocol === 'https:' || (protocol === 'http:' && LOOPBACK.includes(hostname)));
};
