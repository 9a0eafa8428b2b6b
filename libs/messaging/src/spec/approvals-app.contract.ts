import { originVerifier } from '@exequatur/audit-chain';
import { ActionWithdrawn, EventQuarantined } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import { PgEventStore, assertValidEvent, eventStoreDdl } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { Controller, Module } from '@nestjs/common';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Payload } from '@nestjs/microservices';
import type pg from 'pg';
import { inboxDdl } from '../inbox/inbox-ddl.js';
import { Inbox } from '../inbox/inbox.js';
import type { Quarantine } from '../inbox/dead-letters.js';
import type { MessagingLogger } from '../logger.js';
import { silentLogger } from '../logger.js';
import type { Delivery } from '../nest/delivery.js';
import { ExequaturStrategy } from '../nest/exequatur-strategy.js';
import { OnEvent, OnEvents } from '../nest/on-event.js';
import type { Transport } from '../port.js';
import { keys, trustedKeys } from './signed-events.contract.js';

type Withdrawn = Delivery<DataOf<typeof ActionWithdrawn>>;

/** What the handler under test does; each spec sets it. `calls` counts every run, `effects` what was committed. */
export class Behaviour {
  calls: string[] = [];
  act: (delivery: Withdrawn, tx: PgTransaction) => Promise<void> = () => Promise.resolve();
  /** Events of each call of a handler that takes runs, by their reasons. */
  runs: string[][] = [];
  /** Instead of the inbox: for handlers that fail before it. */
  before: (delivery: Withdrawn) => void = () => undefined;
}

export interface ApprovalsApp {
  readonly app: INestMicroservice;
  readonly strategy: ExequaturStrategy<PgTransaction>;
  /** `<action id> <reason>` of each effect, in the order of their transactions. */
  effects(): Promise<string[]>;
  quarantined(): Promise<{ reason: string; tenant: string }[]>;
}

export const approvalsTables = `${eventStoreDdl()} ${inboxDdl()} CREATE TABLE effect (number bigint GENERATED ALWAYS AS IDENTITY, action_id text, reason text)`;

/**
 * A consuming service in small: real Nest, real handlers, its own event store. Its handler takes events one by one, or in runs
 * with the positions recorded by statements of their own.
 */
export const startApprovals = async (pool: pg.Pool, transport: Transport, behaviour: Behaviour, logger: MessagingLogger = silentLogger, taking: 'events' | 'runs' = 'events'): Promise<ApprovalsApp> => {
  const store = new PgEventStore({ pool, service: 'approvals', signingKey: keys.approvals.key });
  const inbox = taking === 'runs' ? new Inbox<PgTransaction>(store, pool) : new Inbox<PgTransaction>(store);

  const cancel = async (delivery: Withdrawn, tx: PgTransaction): Promise<void> => {
    await tx.query('INSERT INTO effect (action_id, reason) VALUES ($1, $2)', [delivery.event.subject, delivery.event.data.reason]);
    await behaviour.act(delivery, tx);
  };

  @Controller()
  class CancelApprovalWhenActionWithdrawn {
    @OnEvent(ActionWithdrawn)
    async handle(@Payload() delivery: Withdrawn): Promise<void> {
      behaviour.calls.push(delivery.event.data.reason);
      behaviour.before(delivery);
      await inbox.once(delivery, { streams: [] }, (tx) => cancel(delivery, tx));
    }
  }

  @Controller()
  class CancelApprovalsWhenActionsWithdrawn {
    @OnEvents(ActionWithdrawn)
    async handle(@Payload() deliveries: readonly Withdrawn[]): Promise<void> {
      behaviour.runs.push(deliveries.map(({ event }) => event.data.reason));
      for (const delivery of deliveries) {
        behaviour.calls.push(delivery.event.data.reason);
        behaviour.before(delivery);
      }
      await inbox.onceMany(deliveries, { streams: [] }, async (tx, fresh) => {
        for (const delivery of fresh) await cancel(delivery, tx);
      });
    }
  }

  @Module({ controllers: [taking === 'runs' ? CancelApprovalsWhenActionsWithdrawn : CancelApprovalWhenActionWithdrawn] })
  class ApprovalsModule {}

  const streamOf = ({ id, tenant }: Quarantine) => ({ tenant: tenant ?? 'platform', aggregate: EventQuarantined.aggregate, id });
  const strategy = new ExequaturStrategy<PgTransaction>({
    service: 'approvals',
    transport,
    inbox,
    validate: assertValidEvent,
    verifyOrigin: originVerifier(trustedKeys),
    onQuarantined: {
      locks: (quarantine) => ({ streams: [streamOf(quarantine)] }),
      record: async (tx, quarantine) => {
        const { topic, partition, offset, reason, messageHash: message_hash, eventId } = quarantine;
        const data = { service: 'approvals' as const, topic, partition, offset, reason, message_hash, ...(eventId === undefined ? {} : { event_id: eventId }) };
        await store.append(tx, [{ stream: streamOf(quarantine), expectedVersion: 0, events: [{ definition: EventQuarantined, actor: { type: 'service', id: 'approvals' }, data }] }]);
      },
    },
    logger,
  });
  const app = await NestFactory.createMicroservice(ApprovalsModule, { strategy, logger: false });
  await app.listen();
  return {
    app,
    strategy,
    effects: async () => (await pool.query<{ line: string }>(`SELECT reason AS line FROM effect ORDER BY number`)).rows.map(({ line }) => line),
    quarantined: async () =>
      (await pool.query<{ tenant: string; bytes: Buffer }>(`SELECT tenant, bytes FROM event WHERE type = $1 ORDER BY xid, position`, [EventQuarantined.type])).rows.map(({ tenant, bytes }) => ({
        tenant,
        reason: (JSON.parse(bytes.toString('utf8')) as { data: { reason: string } }).data.reason,
      })),
  };
};
