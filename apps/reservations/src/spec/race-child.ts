/**
 * One of many processes that race for the same rows. Told where the database is, it waits for commands, says `ready`, waits
 * for `go` (the start barrier), and runs each command in a transaction of its own.
 */
import 'reflect-metadata';
import { importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import { LockTimeout, PgEventStore } from '@exequatur/event-store';
import type { RaceMessage, RaceReport } from '@exequatur/testing';
import pg from 'pg';
import type { AuthorityCommand, AuthorityOutcome } from '../authority/authority-command.js';
import { RuntimeAuthority } from '../authority/runtime-authority.js';
import { TenantBoards } from '../authority/tenant-board.js';

export interface RaceSetup {
  readonly url: string;
  readonly key: PrivateJwk;
}

/** An outcome is `held`, a status, a code, or `error <message>`. */
const say = (report: RaceReport<string>): void => void process.send?.(report);

const shown = (outcome: AuthorityOutcome | undefined): string => {
  if (outcome === undefined) return 'nothing';
  if (outcome.kind === 'reserved') return outcome.decision.held ? 'held' : outcome.decision.code;
  return outcome.kind === 'settled' ? outcome.reservation.status : outcome.code;
};

let authority: RuntimeAuthority | undefined;
let pool: pg.Pool | undefined;
let commands: readonly AuthorityCommand[] = [];

const run = async (command: AuthorityCommand): Promise<string> => {
  for (;;) {
    try {
      return shown((await authority?.run([command]))?.[0]);
    } catch (error) {
      if (!(error instanceof LockTimeout)) return `error ${error instanceof Error ? error.message : 'unknown'}`;
    }
  }
};

const race = async (): Promise<void> => {
  const outcomes: string[] = [];
  for (const command of commands) outcomes.push(await run(command));
  say({ outcomes });
};

process.on('message', (message: RaceMessage<RaceSetup, AuthorityCommand>) => {
  if (message === 'go') void race();
  else if (message === 'end') void pool?.end().finally(() => process.disconnect());
  else if ('setup' in message) {
    pool = new pg.Pool({ connectionString: message.setup.url, max: 1, pipeline: true, options: '-c search_path=reservations' });
    pool.on('error', () => undefined);
    authority = new RuntimeAuthority(new PgEventStore({ pool, service: 'reservations', signingKey: importSigningKey(message.setup.key) }), new TenantBoards());
    void pool.query('SELECT 1').then(() => say('ready'));
  } else {
    commands = message.tasks;
    say('ready');
  }
});
