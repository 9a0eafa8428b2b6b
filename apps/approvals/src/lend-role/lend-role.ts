import { Injectable } from '@nestjs/common';
import { decideDelegation, evolveDelegation, noDelegation, type VotingDelegation, type VotingDelegationCommand, type VotingDelegationEvent } from '@exequatur/approvals-domain';
import { VotingDelegated, VotingDelegationEnded } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction, RecordedEvent } from '@exequatur/event-store';
import { isRefusal, toInstant } from '@exequatur/kernel';
import { Database, problem, type PersonPrincipal } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import { Voters } from '../decide-request/voters.js';
import type { Loan } from './lend-role.http.js';

export const delegationStream = (tenant: string, id: string): StreamId => ({ tenant, aggregate: 'voting-delegation', id });

const DEFINITIONS = { VotingDelegated, VotingDelegationEnded } as const;
const SEES_ALL: readonly string[] = ['auditor', 'admin'];

interface Row {
  readonly delegation_id: string;
  readonly from_person: string;
  readonly to_person: string;
  readonly role: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly standing: boolean;
}

@Injectable()
export class LendRole {
  constructor(
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
    private readonly voters: Voters,
    private readonly database: Database,
  ) {}

  /** @throws Problem NOT_ELIGIBLE, CONFLICT, INVALID when nobody has that name */
  async lend(tx: PgTransaction, person: PersonPrincipal, delegationId: string, { to, role, ends_at, starts_at }: { readonly to: string; readonly role: string; readonly ends_at: string; readonly starts_at?: string }): Promise<Loan> {
    const now = await this.streams.databaseNow(tx);
    const known = await this.voters.now(tx, person.tenant, [person.id, to], now);
    if (!known.some(({ id }) => id === to)) problem('INVALID', 'nobody of that name', [{ pointer: '/to', expected: 'a person of this tenant' }]);
    const ownRoles = known.find(({ id }) => id === person.id)?.roles ?? [];
    const loan = { delegation_id: delegationId, from: person.id, to, role, starts_at: starts_at ?? toInstant(now), ends_at };
    return this.settle(tx, person, delegationId, [], { type: 'Lend', metadata: { now }, data: { loan, ownRoles } });
  }

  /** @throws Problem NOT_FOUND */
  async end(tx: PgTransaction, person: PersonPrincipal, delegationId: string): Promise<Loan> {
    const now = await this.streams.databaseNow(tx);
    const past = await this.store.load(tx, delegationStream(person.tenant, delegationId));
    return this.settle(tx, person, delegationId, past, { type: 'End', metadata: { now }, data: { person: person.id } });
  }

  async list(person: PersonPrincipal): Promise<readonly Loan[]> {
    const all = person.roles.some((role) => SEES_ALL.includes(role));
    const { rows } = await this.database.query<Row>(
      `SELECT delegation_id, from_person, to_person, role, starts_at, ends_at, (ended_at IS NULL AND ends_at > clock_timestamp()) AS standing FROM voting_delegation
WHERE tenant = $1 AND ($2 OR from_person = $3 OR to_person = $3) ORDER BY delegation_id DESC LIMIT 200`,
      [person.tenant, all, person.id],
    );
    return rows.map((row) => ({ delegation_id: row.delegation_id, from: row.from_person, to: row.to_person, role: row.role, starts_at: row.starts_at.toISOString(), ends_at: row.ends_at.toISOString(), status: row.standing ? 'standing' : 'ended' }));
  }

  private async settle(tx: PgTransaction, person: PersonPrincipal, delegationId: string, past: readonly RecordedEvent[], command: VotingDelegationCommand): Promise<Loan> {
    const before = past.map(asEvent).reduce<VotingDelegation>(evolveDelegation, noDelegation());
    const decision = decideDelegation(command, before);
    if (isRefusal(decision)) return problem(decision.code as 'CONFLICT', decision.detail);
    const events = decision as readonly VotingDelegationEvent[];
    const time = toInstant(command.metadata.now);
    if (events.length > 0) {
      const stream = delegationStream(person.tenant, delegationId);
      await this.store.append(tx, [{ stream, expectedVersion: past.length, events: events.map((event) => ({ definition: DEFINITIONS[event.type], data: event.data, actor: { type: 'person', id: person.id }, time })) }]);
      for (const event of events) await keepRow(tx, person.tenant, event, time);
    }
    return loanOf(events.reduce<VotingDelegation>(evolveDelegation, before));
  }
}

const asEvent = ({ envelope }: RecordedEvent): VotingDelegationEvent => ({ type: envelope.type === VotingDelegated.type ? 'VotingDelegated' : 'VotingDelegationEnded', data: envelope.data }) as VotingDelegationEvent;

const keepRow = async (tx: PgTransaction, tenant: string, { type, data }: VotingDelegationEvent, time: string): Promise<void> => {
  if (type === 'VotingDelegationEnded') await tx.query('UPDATE voting_delegation SET ended_at = $3 WHERE tenant = $1 AND delegation_id = $2', [tenant, data.delegation_id, time]);
  else await tx.query('INSERT INTO voting_delegation (tenant, delegation_id, from_person, to_person, role, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7)', [tenant, data.delegation_id, data.from, data.to, data.role, data.starts_at, data.ends_at]);
};

const loanOf = (state: VotingDelegation): Loan => {
  if (state.status === 'None') throw new Error('a loan that was never made');
  const { status, ...loan } = state;
  return { ...loan, status: status === 'Standing' ? 'standing' : 'ended' };
};
