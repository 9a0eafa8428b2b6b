import { createHash } from 'node:crypto';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { Database } from '@exequatur/service-kit';
import { createTransport, type Transporter } from 'nodemailer';
import { ApprovalsConfig } from '../approvals-config.js';
import { APPROVAL_LIMITS } from '../limits.js';
import { TOLD, type Addressees, type Channel, type DueNotice, type Happening, type Sent } from '../tell-channels/channel.js';
import { mailSettings, type MailSettings } from './mail-settings.js';
import { alertMail, requestMail, type MailFacts, type MailText } from './mail-text.js';

/** Stands for everybody who is to get a mail; becomes one notice a person when it is sent. */
const EVERYBODY = '*';

/**
 * People with an address whose role may answer now, or who are asked by name, or to whom such a role is lent; neither the
 * agent's owner, who may not decide, nor who voted. An alert goes to operators and admins; that the glass was broken is one, to
 * auditors too, besides those who would have decided. At most this many a notice.
 */
const MOST_RECIPIENTS = 200;
const FAN_OUT = `INSERT INTO notice (tenant, event_id, channel, address, approval_id, happening, body)
SELECT $1, $2, 'mail', m.person, $3, $4, $5 FROM mail_address m JOIN directory_person p ON p.tenant = m.tenant AND p.person = m.person
LEFT JOIN approval_request r ON r.tenant = m.tenant AND r.approval_id = $3::uuid
WHERE m.tenant = $1 AND $4 = ANY (m.events) AND CASE WHEN r.approval_id IS NULL THEN p.roles && ARRAY['operator', 'admin'] ELSE
  ($4 = 'approval.emergency' AND p.roles && ARRAY['operator', 'admin', 'auditor'] OR r.agent_owner IS DISTINCT FROM p.person) AND NOT r.approvals @> jsonb_build_array(jsonb_build_object('person', p.person)) AND ($4 = 'approval.emergency' AND p.roles && ARRAY['operator', 'admin', 'auditor'] OR p.roles && (CASE WHEN r.status = 'open' THEN r.current_roles ELSE r.all_roles END) OR p.person = ANY (r.asked) OR EXISTS (
    SELECT FROM voting_delegation d JOIN directory_person f ON f.tenant = d.tenant AND f.person = d.from_person AND d.role = ANY (f.roles)
    WHERE d.tenant = p.tenant AND d.to_person = p.person AND d.role = ANY (r.current_roles) AND d.ended_at IS NULL AND d.starts_at <= clock_timestamp() AND d.ends_at > clock_timestamp())) END
ORDER BY m.person LIMIT ${MOST_RECIPIENTS} ON CONFLICT DO NOTHING`;
const FACTS = 'SELECT approval_id, title, why, agent, action_kind, environment, risk_points, status, decided_by, expires_at FROM approval_request WHERE tenant = $1 AND approval_id = $2';

/** Mail through one server. What it says are facts of the queue; who may read more signs in. */
@Injectable()
export class MailChannel implements Channel, Addressees, BeforeApplicationShutdown {
  readonly channel = 'mail';
  private readonly settings: MailSettings | undefined;
  private readonly transport: Transporter | undefined;
  private readonly publicUrl: string;

  constructor(
    config: ApprovalsConfig,
    private readonly database: Database,
  ) {
    this.settings = config.EXEQUATUR_MAIL === undefined ? undefined : mailSettings(config.EXEQUATUR_MAIL);
    this.transport = this.settings === undefined ? undefined : transportOf(this.settings);
    this.publicUrl = config.PUBLIC_URL;
  }

  beforeApplicationShutdown(): void {
    this.transport?.close();
  }

  addresses(_tenant: string, happening: Happening): readonly string[] {
    return this.settings !== undefined && TOLD.some((told) => told === happening) ? [EVERYBODY] : [];
  }

  async send(notice: DueNotice): Promise<Sent> {
    const { tenant, event_id, address: person, approval_id, happening, body } = notice;
    if (this.transport === undefined || this.settings === undefined) return { ok: false, why: 'no mail server is configured', final: true };
    if (person === EVERYBODY) {
      await this.database.query(FAN_OUT, [tenant, event_id, approval_id, happening, body]);
      return { ok: true };
    }
    const { rows } = await this.database.query<{ address: string }>('SELECT address FROM mail_address WHERE tenant = $1 AND person = $2', [tenant, person]);
    const to = rows[0]?.address;
    if (to === undefined) return { ok: false, why: 'this person has no address any more', final: true };
    const mail = await this.mailFor(notice);
    // Decided meanwhile: a mail that asks for it would only send people where nothing is to be done.
    if (mail === undefined) return { ok: true };
    return this.deliver(to, mail, event_id);
  }

  private async mailFor({ tenant, approval_id, happening, body }: DueNotice): Promise<MailText | undefined> {
    if (approval_id === null) return alertMail((JSON.parse(body) as { data: { expired: number } }).data.expired, this.publicUrl);
    const { rows } = await this.database.query<MailFacts & Record<string, unknown>>(FACTS, [tenant, approval_id]);
    const [facts] = rows;
    const asks = happening !== 'approval.resolved' && happening !== 'approval.emergency';
    return facts === undefined || (asks && facts.status !== 'open') ? undefined : requestMail(happening, facts, this.publicUrl);
  }

  /** A second attempt of one that was taken without a word carries the same Message-ID. */
  private async deliver(to: string, { subject, text }: MailText, eventId: string): Promise<Sent> {
    const { from } = this.settings ?? { from: '' };
    const recipient = createHash('sha256').update(to).digest('hex').slice(0, 16);
    const messageId = `<${eventId}.${recipient}@${from.slice(from.lastIndexOf('@') + 1)}>`;
    try {
      await this.transport?.sendMail({ from, to: { name: '', address: to }, subject, text, messageId, headers: { 'auto-submitted': 'auto-generated' }, textEncoding: 'quoted-printable', disableFileAccess: true, disableUrlAccess: true });
      return { ok: true };
    } catch (error) {
      return faultOf(error);
    }
  }
}

/** A password never goes out in clear, except to this very machine. */
const transportOf = ({ host, port, secure = false, username, password }: MailSettings): Transporter => {
  const auth = username === undefined || password === undefined ? {} : { auth: { user: username, pass: password } };
  const requireTLS = 'auth' in auth && !secure && !['127.0.0.1', '::1', 'localhost'].includes(host);
  const patience = APPROVAL_LIMITS.noticeMs / 3;
  return createTransport({ host, port, secure, requireTLS, ...auth, connectionTimeout: patience, greetingTimeout: patience, socketTimeout: patience, logger: false });
};

/** What a server says may repeat an address, so only its number is kept. */
const faultOf = (error: unknown): Sent => {
  const { responseCode, code } = error as { readonly responseCode?: number; readonly code?: string };
  if (responseCode === undefined) return { ok: false, why: code ?? 'the mail server could not be reached' };
  return { ok: false, why: `the mail server answered ${responseCode}`, ...(responseCode >= 500 ? { final: true } : {}) };
};
