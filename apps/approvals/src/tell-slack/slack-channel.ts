import { Injectable } from '@nestjs/common';
import { Database } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import { ApprovalsConfig } from '../approvals-config.js';
import { APPROVAL_LIMITS } from '../limits.js';
import { shownRequest } from '../show-request/show-request.js';
import type { Channel, DueNotice, Happening, Sent } from '../tell-channels/channel.js';
import { callSlack } from './slack-api.js';
import { slackCard, type SlackCard } from './slack-card.js';
import { SlackInstallations, type SlackInstallation } from './slack-installations.js';

/** Whoever gets a row writes the card; nobody else does until the lease is over. */
const LEASE = `INSERT INTO slack_card (tenant, approval_id, installation, leased_until) VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
ON CONFLICT (tenant, approval_id, installation) DO UPDATE SET leased_until = excluded.leased_until WHERE slack_card.leased_until IS NULL OR slack_card.leased_until <= clock_timestamp() RETURNING channel, ts`;
const WRITTEN = 'UPDATE slack_card SET leased_until = NULL, channel = COALESCE($4, channel), ts = COALESCE($5, ts) WHERE tenant = $1 AND approval_id = $2 AND installation = $3';
const SUMMARY = 'SELECT title, why, risk_points, has_reversal, all_roles FROM approval_request WHERE tenant = $1 AND approval_id = $2';

/** What is said below the card besides rewriting it, so that people are called again. */
const CALLS: Readonly<Partial<Record<Happening, string>>> = { 'approval.escalated': 'It was escalated.', 'approval.reminded': 'It still waits for a decision.', 'approval.emergency': 'It was approved in an emergency; somebody else reviews it.' };

interface Summary extends Record<string, unknown> {
  readonly title: string;
  readonly why: string;
  readonly risk_points: number;
  readonly has_reversal: boolean;
  readonly all_roles: readonly string[];
}

interface Written extends Record<string, unknown> {
  readonly channel: string | null;
  readonly ts: string | null;
}

/** One message a request, rewritten whenever what it shows is no longer so: it says how the request stands, not what happened. */
@Injectable()
export class SlackChannel implements Channel {
  readonly channel = 'slack';

  constructor(
    private readonly config: ApprovalsConfig,
    private readonly database: Database,
    private readonly streams: ApprovalStreams,
    private readonly installations: SlackInstallations,
  ) {}

  async send(notice: DueNotice): Promise<Sent> {
    const installation = this.installations.named(notice.address);
    if (installation?.tenant !== notice.tenant) return { ok: false, why: 'the workspace is no longer configured', final: true };
    return notice.approval_id === null ? this.alert(installation, notice) : this.write(installation, notice.approval_id, notice.happening);
  }

  /** Brings the card of a request up to how it stands now. */
  async write(installation: SlackInstallation, approvalId: string, happening: Happening): Promise<Sent> {
    const key = [installation.tenant, approvalId, installation.name];
    const made = await this.card(installation, approvalId);
    if (made === undefined) return { ok: true };
    const { rows } = await this.database.query<Written>(LEASE, [...key, Math.ceil((3 * APPROVAL_LIMITS.slackMs) / 1_000)]);
    const [before] = rows;
    if (before === undefined) return { ok: false, why: 'the card is being written', afterSeconds: 1 };
    // Read under the lease: whoever writes last shows the latest.
    const card = (await this.card(installation, approvalId)) ?? made;
    const posted = await this.put(installation, card, before);
    await this.database.query(WRITTEN, [...key, posted.channel ?? null, posted.ts ?? null]);
    const call = CALLS[happening];
    const place = { channel: posted.channel ?? before.channel, ts: posted.ts ?? before.ts };
    if (!posted.sent.ok || call === undefined || place.ts === null) return posted.sent;
    const called = await callSlack(installation, 'chat.postMessage', { channel: place.channel, thread_ts: place.ts, text: call });
    return called.ok ? { ok: true } : called;
  }

  /** Undefined when there is nothing to show here: unknown, or of roles that this workspace does not serve. */
  private async card({ tenant, shows = 'facts', roles }: SlackInstallation, approvalId: string): Promise<(SlackCard & { readonly open: boolean }) | undefined> {
    const { rows } = await this.database.query<Summary>(SUMMARY, [tenant, approvalId]);
    const [summary] = rows;
    if (summary === undefined || (roles !== undefined && !roles.some((role) => summary.all_roles.includes(role)))) return undefined;
    const shown = await this.database.snapshot(async (tx) => {
      const approval = await this.streams.load(tx, tenant, approvalId);
      return approval === undefined ? undefined : shownRequest(approval, shows === 'card' ? await this.streams.content(approval, tx) : undefined);
    });
    if (shown === undefined) return undefined;
    return { ...slackCard(shown, { shows, summary, risk_points: summary.risk_points, hasReversal: summary.has_reversal, publicUrl: this.config.PUBLIC_URL }), open: shown.status === 'open' };
  }

  private async put(installation: SlackInstallation, { text, blocks, open }: SlackCard & { readonly open: boolean }, { channel, ts }: Written): Promise<{ readonly sent: Sent; readonly channel?: string; readonly ts?: string }> {
    const message = { text, blocks, unfurl_links: false, unfurl_media: false };
    if (channel !== null && ts !== null) {
      const rewritten = await callSlack(installation, 'chat.update', { channel, ts, ...message });
      return { sent: rewritten };
    }
    // Decided before anybody could be told: there is nothing to rewrite, and nothing to ask.
    if (!open) return { sent: { ok: true } };
    const posted = await callSlack(installation, 'chat.postMessage', { channel: installation.channel, ...message });
    return posted.ok && posted.ts !== undefined ? { sent: { ok: true }, channel: posted.channel ?? installation.channel, ts: posted.ts } : { sent: posted };
  }

  private async alert(installation: SlackInstallation, { body }: DueNotice): Promise<Sent> {
    const { expired } = (JSON.parse(body) as { data: { expired: number } }).data;
    return callSlack(installation, 'chat.postMessage', { channel: installation.channel, text: `${expired} requests ended without anybody answering in the last 15 minutes, more than before. ${this.config.PUBLIC_URL}/queue` });
  }
}
