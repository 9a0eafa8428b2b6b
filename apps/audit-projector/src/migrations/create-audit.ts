import { eventStoreDdl } from '@exequatur/event-store';
import { inboxDdl } from '@exequatur/messaging';
import { directoryDdl, idempotencyDdl } from '@exequatur/service-kit';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { auditDdl } from './audit-ddl.js';

/** Everything the service needs from the libs, then its own tables. */
export class CreateAudit1772000000000 implements MigrationInterface {
  readonly name = 'CreateAudit1772000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const ddl of [eventStoreDdl(), inboxDdl(), idempotencyDdl(), directoryDdl(), auditDdl()]) await runner.query(ddl);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('the first migration holds the log and is not undone'));
  }
}
