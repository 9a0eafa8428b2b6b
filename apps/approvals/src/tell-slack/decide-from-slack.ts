import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { Database, Directory, LOGGER, Problem, problem, problemOf, type PersonPrincipal } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { approvalStream } from '../approval-stream/approval-streams.js';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { ApprovalsConfig } from '../approvals-config.js';
import { staleDetail } from '../decide-request/decide-requests.js';
import { APPROVAL_LIMITS } from '../limits.js';
import type { Ballot } from '../vote-on-request/ballots.js';
import { VoteOnRequest } from '../vote-on-request/vote-on-request.js';
import type { Interaction } from './interaction.js';
import { callSlack } from './slack-api.js';
import { SlackChannel } from './slack-channel.js';
import { slackAccount, SlackInstallations, type SlackInstallation } from './slack-installations.js';

/** What was acknowledged is kept: first in the table, then answered, then worked on, by whichever instance comes to it. */
const KEEP = 'INSERT INTO slack_interaction (digest, installation, payload) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING digest';
const TAKE = `UPDATE slack_interaction SET attempts = attempts + 1, next_at = clock_timestamp() + interval '30 seconds'
WHERE digest IN (SELECT digest FROM slack_interaction WHERE next_at <= clock_timestamp() ORDER BY next_at LIMIT 20 FOR UPDATE SKIP LOCKED) RETURNING digest, installation, payload, attempts`;
/** In the transaction of the decision: whoever ends it decides, so nothing is decided twice. */
const END = 'UPDATE slack_interaction SET next_at = NULL, payload = NULL, outcome = $2 WHERE digest = $1 AND next_at IS NOT NULL RETURNING digest';
const MOST_ATTEMPTS = 5;

interface Kept {
  readonly digest: string;
  readonly installation: string;
  readonly payload: string | null;
}

/** Votes of people who pressed a button in Slack: judged like any other, as the person that the account is linked to. */
@Injectable()
export class DecideFromSlack implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly config: ApprovalsConfig,
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly directory: Directory,
    private readonly installations: SlackInstallations,
    private readonly votes: VoteOnRequest,
    private readonly cards: SlackChannel,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.next();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await Promise.all(this.underWay);
  }

  /** Kept when this resolves; the same bytes again change nothing. */
  async keep(digest: string, installation: SlackInstallation, interaction: Interaction): Promise<void> {
    // Not what Slack sent: that holds the whole card.
    const payload = JSON.stringify(interaction);
    const { rows } = await this.database.query(KEEP, [digest, installation.name, payload]);
    if (rows.length > 0) this.begin(this.work({ digest, installation: installation.name, payload }));
  }

  /** For what is not kept, such as opening a dialog: ends before the service does. */
  begin(work: Promise<void>): void {
    const settled = work
      .catch((error: unknown) => this.log.warn({ err: error }, 'what was pressed in Slack could not be worked on; it is tried again'))
      .finally(() => this.underWay.delete(settled));
    this.underWay.add(settled);
  }

  private next(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.begin(this.sweep().finally(() => this.next()));
    }, APPROVAL_LIMITS.slackSweepMs);
  }

  private async sweep(): Promise<void> {
    const { rows } = await this.database.query<Kept & { readonly attempts: number } & Record<string, unknown>>(TAKE);
    for (const kept of rows) {
      if (kept.attempts > MOST_ATTEMPTS) await this.database.query(END, [kept.digest, 'given up']);
      else this.begin(this.work(kept));
    }
  }

  private async work({ digest, installation: name, payload }: Kept): Promise<void> {
    const installation = this.installations.named(name);
    const interaction = payload === null ? undefined : (JSON.parse(payload) as Interaction);
    if (installation === undefined || interaction === undefined) {
      await this.database.query(END, [digest, 'nothing to do']);
      return;
    }
    const fault = await this.decide(digest, installation, interaction);
    if (fault === undefined) return;
    await this.tell(installation, interaction, fault);
    // Somebody saw a card that is no longer so.
    await this.cards.write(installation, interaction.approvalId, 'approval.changed');
  }

  /** @returns what the person is to be told; undefined when it counted */
  private async decide(digest: string, { tenant }: SlackInstallation, interaction: Interaction): Promise<string | undefined> {
    const person = await this.directory.holderOf(tenant, slackAccount(interaction.team, interaction.user));
    if (person?.type !== 'person') {
      this.log.warn({ tenant, approval_id: interaction.approvalId }, 'an account of Slack that is linked to nobody tried to decide');
      await this.database.query(END, [digest, 'not linked']);
      return 'This Slack account is linked to nobody here, so it cannot decide. Sign in to decide';
    }
    try {
      return await this.vote(digest, person, interaction);
    } catch (error) {
      if (!(error instanceof Problem) || error.status >= 500) throw error;
      await this.database.query(END, [digest, error.code]);
      return wordsOf(error);
    }
  }

  private vote(digest: string, caller: PersonPrincipal, { gesture, approvalId, version, viewHash, reason = '', reasonCode }: Interaction): Promise<string | undefined> {
    const ballot: Ballot = gesture === 'approve' ? { vote: 'approve', view_hash: viewHash } : { vote: 'reject', view_hash: viewHash, reason, instruction: 'abort', ...(reasonCode === undefined ? {} : { reason_code: reasonCode }) };
    const checkVersion = (approval: RecordedApproval): void => {
      if (approval.version !== version) problem('STALE', staleDetail(approval));
    };
    return this.store.transact({ streams: [approvalStream(caller.tenant, approvalId)] }, async (tx) => {
      // Decided by another instance meanwhile.
      if ((await tx.query(END, [digest, 'decided'])).rows.length === 0) return undefined;
      const { refusal } = await this.votes.vote(tx, { caller, approvalId, checkVersion }, ballot);
      return refusal === undefined ? undefined : wordsOf(problemOf(refusal));
    });
  }

  private async tell(installation: SlackInstallation, { channel, user, approvalId }: Interaction, words: string): Promise<void> {
    const said = await callSlack(installation, 'chat.postEphemeral', { channel, user, text: `${words}. ${this.config.PUBLIC_URL}/approvals/${approvalId}` });
    if (!said.ok) this.log.warn({ fault: said.why }, 'a person in Slack could not be told that their decision did not count');
  }
}

/** Nothing of it is mark-up: codes, our words, and names that have no such characters. */
const wordsOf = (refused: Problem): string => {
  const { title, detail } = refused.document();
  return `It did not count. ${title}${detail === undefined ? '' : `: ${detail}`}`.replace(/[<>&]/g, ' ');
};
