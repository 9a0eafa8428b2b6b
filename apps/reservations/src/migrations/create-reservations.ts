import { eventStoreDdl } from '@exequatur/event-store';
import { inboxDdl } from '@exequatur/messaging';
import { directoryDdl, idempotencyDdl } from '@exequatur/service-kit';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { circuitDdl } from '../circuits/circuit-ddl.js';
import { delegationDdl } from '../delegations/delegation-ddl.js';
import { authorityDdl } from './authority-ddl.js';

/** Everything the service needs from the libs, then its own tables. */
export class CreateReservations1769846400000 implements MigrationInterface {
  readonly name = 'CreateReservations1769846400000';

  async up(runner: QueryRunner): Promise<void> {
    for (const ddl of [eventStoreDdl(), inboxDdl(), idempotencyDdl(), directoryDdl(), authorityDdl(), circuitDdl(), delegationDdl()]) await runner.query(ddl);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('the first migration holds the log and is not undone'));
  }
}
