import { HEADER } from '@exequatur/contracts';
import { derivedId, sha256Text } from '@exequatur/kernel';
import type { IncomingMessage } from '../port.js';
import { NO_LOCKS } from './inbox-store.js';
import type { InboxLocks, InboxStore, SqlTransaction } from './inbox-store.js';
import { headOf, messageOf } from './stored-message.js';
import type { MessageRow } from './stored-message.js';

/** A message that was refused for a deterministic reason: what EventQuarantined says, and where it belongs. */
export interface Quarantine {
  /** Derived from topic, key, bytes and proof: the same message always gets the same id. */
  readonly id: string;
  readonly service: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** `<CODE>: <detail>`, printable ASCII, at most 300 characters. */
  readonly reason: string;
  /** `sha256:<hex>` of the message's value. */
  readonly messageHash: string;
  /** Set only when the owner's signature over the event was valid; else nothing in the message can be believed. */
  readonly tenant?: string;
  readonly eventId?: string;
}

/** What the service records in the transaction of the dead letter's row; wired to the event store by service-kit. */
export interface QuarantineRecorder<Tx extends SqlTransaction = SqlTransaction> {
  locks(quarantine: Quarantine): InboxLocks;
  record(tx: Tx, quarantine: Quarantine): Promise<void>;
}

/** Where the message says it belongs, as far as it could be read. */
export interface ClaimedPlace {
  readonly key: string;
  readonly version: number;
}

export interface OpenLetter {
  readonly id: string;
  readonly message: IncomingMessage;
}

/** Bytes alone would let a forged copy, refused for its signature, stand for the true message that follows. */
export const letterId = ({ topic, key, value, headers }: IncomingMessage): string =>
  derivedId('dead-letter', topic, key, sha256Text(value), headers[HEADER.path] ?? '', headers[HEADER.signature] ?? '', headers[HEADER.keyId] ?? '');

const KEEP = `
INSERT INTO inbox_dead_letter (id, topic, partition, "offset", reason, stream_key, version, head, value)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING`;

const OPEN = `
SELECT id, topic, partition, "offset", head, value FROM inbox_dead_letter
WHERE redriven_at IS NULL AND stream_key = $1 AND topic = $2 AND version = $3 ORDER BY at`;

const WAITS = `
SELECT EXISTS (SELECT 1 FROM inbox_dead_letter WHERE redriven_at IS NULL AND stream_key = $1 AND topic = $2 AND version >= $3)
  OR EXISTS (SELECT 1 FROM inbox_parked WHERE stream_key = $1 AND topic = $2 AND version >= $3) AS waits`;

/** The service's own record of what it refused, from which an operator re-drives. */
export class DeadLetters<Tx extends SqlTransaction> {
  constructor(
    private readonly store: InboxStore<Tx>,
    private readonly recorder: QuarantineRecorder<Tx>,
  ) {}

  /** Whether this message was refused before; it then waits for a re-drive. */
  async has(id: string): Promise<boolean> {
    const found = await this.store.transact(NO_LOCKS, (tx) => tx.query('SELECT 1 FROM inbox_dead_letter WHERE id = $1', [id]));
    return found.rowCount === 1;
  }

  /** Row and EventQuarantined in one transaction; again: nothing. */
  async keep(quarantine: Quarantine, message: IncomingMessage, claimed: ClaimedPlace | undefined): Promise<void> {
    await this.store.transact(this.recorder.locks(quarantine), async (tx) => {
      const { id, topic, partition, offset, reason } = quarantine;
      const kept = await tx.query(KEEP, [id, topic, partition, offset, reason, claimed?.key ?? null, claimed?.version ?? null, headOf(message), message.value]);
      if (kept.rowCount === 1) await this.recorder.record(tx, quarantine);
    });
  }

  async open(topic: string, key: string, version: number): Promise<readonly OpenLetter[]> {
    const { rows } = await this.store.transact(NO_LOCKS, (tx) => tx.query(OPEN, [key, topic, version]));
    return (rows as (MessageRow & { id: string })[]).map((row) => ({ id: row.id, message: messageOf(row) }));
  }

  async topicsOf(key: string): Promise<readonly string[]> {
    const { rows } = await this.store.transact(NO_LOCKS, (tx) =>
      tx.query('SELECT topic FROM inbox_dead_letter WHERE stream_key = $1 AND redriven_at IS NULL UNION SELECT topic FROM inbox_parked WHERE stream_key = $1 ORDER BY 1', [key]),
    );
    return (rows as { topic: string }[]).map(({ topic }) => topic);
  }

  /** Whether anything of the stream waits for this version or a later one. */
  async waits(topic: string, key: string, version: number): Promise<boolean> {
    const { rows } = await this.store.transact(NO_LOCKS, (tx) => tx.query(WAITS, [key, topic, version]));
    return (rows[0] as { waits: boolean }).waits;
  }

  async markRedriven(id: string): Promise<void> {
    await this.store.transact(NO_LOCKS, (tx) => tx.query('UPDATE inbox_dead_letter SET redriven_at = clock_timestamp() WHERE id = $1', [id]));
  }
}
