import { Inject, Injectable } from '@nestjs/common';
import { ApprovalEscalated, ApprovalOpened, ApprovalReminded, CheckpointStored, GlassBroken, VoteRefused } from '@exequatur/contracts';
import type { PgTransaction, RecordedEvent } from '@exequatur/event-store';
import type { Queryable } from '@exequatur/service-kit';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { endOf, statusOf } from '../queue-view/queue-row.js';
import { ADDRESSEES, type Addressees, type Happening } from './channel.js';

/** Addresses from configuration, and endpoints that a tenant's admins keep in the database, in one statement. */
const KEEP = `INSERT INTO notice (tenant, event_id, channel, address, approval_id, happening, body)
SELECT $1, h.event_id, a.channel, a.address, $2, h.happening, h.body FROM unnest($3::uuid[], $4::text[], $5::text[]) AS h(event_id, happening, body)
JOIN (SELECT * FROM unnest($6::text[], $7::text[], $8::text[]) AS configured(channel, address, happening)
  UNION ALL SELECT 'webhook', name, unnest(events) FROM webhook_endpoint WHERE tenant = $1) AS a ON a.happening = h.happening
ON CONFLICT DO NOTHING`;

/** What is to be told of, and where it stands. */
export interface ToTell {
  readonly tenant: string;
  readonly approvalId: string | null;
  readonly happenings: readonly { readonly eventId: string; readonly happening: Happening; readonly body: object }[];
}

/** Notices of what just happened, in the transaction that recorded it: whoever is to be told will be, and once for each event. */
@Injectable()
export class KeepNotices {
  constructor(@Inject(ADDRESSEES) private readonly addressees: readonly Addressees[]) {}

  async keep(tx: PgTransaction, approval: RecordedApproval, recorded: readonly RecordedEvent[]): Promise<void> {
    const end = endOf(approval);
    const happenings = recorded.flatMap((each) => {
      const happening = each.envelope.id === end?.envelope.id ? 'approval.resolved' : happeningOf(each);
      return happening === undefined ? [] : [{ eventId: each.envelope.id, happening, body: bodyOf(happening, approval, each) }];
    });
    await this.tell(tx, { tenant: approval.tenant, approvalId: approval.state.request.approval_id, happenings });
  }

  async tell(tx: Pick<Queryable, 'query'>, { tenant, approvalId, happenings }: ToTell): Promise<void> {
    const configured = [...new Set(happenings.map(({ happening }) => happening))].flatMap((happening) =>
      this.addressees.flatMap((each) => each.addresses(tenant, happening).map((address) => ({ channel: each.channel, address, happening }))),
    );
    // No endpoint in the database can ask for it.
    const told = happenings.filter(({ happening }) => happening !== 'approval.changed' || configured.some((each) => each.happening === happening));
    if (told.length === 0) return;
    await tx.query(KEEP, [
      tenant,
      approvalId,
      told.map(({ eventId }) => eventId),
      told.map(({ happening }) => happening),
      told.map(({ body }) => JSON.stringify(body)),
      configured.map(({ channel }) => channel),
      configured.map(({ address }) => address),
      configured.map(({ happening }) => happening),
    ]);
  }
}

const NAMED: ReadonlyMap<string, Happening> = new Map([
  [ApprovalOpened.type, 'approval.opened'],
  [ApprovalEscalated.type, 'approval.escalated'],
  [ApprovalReminded.type, 'approval.reminded'],
  [GlassBroken.type, 'approval.emergency'],
]);
/** Nothing that a reader would see is different after these. */
const UNSEEN: readonly string[] = [VoteRefused.type, CheckpointStored.type];

const happeningOf = ({ envelope }: RecordedEvent): Happening | undefined => NAMED.get(envelope.type) ?? (UNSEEN.includes(envelope.type) ? undefined : 'approval.changed');

/** Ids and states; what was asked and said is fetched by whoever may read it. */
const bodyOf = (type: Happening, approval: RecordedApproval, { envelope }: RecordedEvent): object => {
  const { request, decidedBy, expiresAt } = approval.state;
  const { facts } = request;
  return {
    type,
    timestamp: envelope.time,
    data: { tenant: approval.tenant, approval_id: request.approval_id, action_id: request.action_id, status: statusOf(approval), agent: facts.agent, run_id: facts.run_id, action_kind: facts.action_kind, decide_by: expiresAt, ...(decidedBy === undefined ? {} : { decided_by: decidedBy }) },
  };
};
