import type { PgQueries } from './pg-transaction.js';

/**
 * The log holds transaction ids this database cluster has not reached: it was restored from a dump into another one. New
 * events would sort before old ones and never be relayed, so nothing is appended or published until it is re-stamped.
 */
export class RestoredLog extends Error {
  constructor() {
    super('the event log was restored into another database cluster and must be re-stamped first');
    this.name = 'RestoredLog';
  }
}

/** @throws RestoredLog */
export const assertLogBelongsHere = async (db: PgQueries): Promise<void> => {
  const { rows } = await db.query<{ foreign_log: boolean }>(`
    SELECT greatest((SELECT xid FROM event ORDER BY xid DESC, position DESC LIMIT 1), (SELECT xid FROM relay_cursor)) >= pg_snapshot_xmax(pg_current_snapshot()) AS foreign_log`);
  if (rows[0]?.foreign_log === true) throw new RestoredLog();
};

/**
 * Gives every event of a restored log this cluster's transaction id, in the order they had, and sets the relay's cursor behind
 * those already published (reliability.md section 2). Bytes and proofs do not hold these numbers and stay as they are.
 * For an operator, in one transaction, after a logical restore and before any service of the schema starts.
 */
export const restampRestoredLog = async (tx: PgQueries): Promise<void> => {
  await tx.query('LOCK TABLE event, relay_cursor IN ACCESS EXCLUSIVE MODE');
  await tx.query('ALTER TABLE event DISABLE TRIGGER event_is_append_only');
  await tx.query(`
    UPDATE relay_cursor SET epoch = epoch + 1, xid = pg_current_xact_id(), moved_at = clock_timestamp(),
      position = (SELECT count(*) FROM event WHERE (event.xid, event.position) <= (relay_cursor.xid, relay_cursor.position))`);
  // Negative first: the new numbers overlap the old ones, and uniqueness is checked row by row.
  await tx.query(`
    UPDATE event SET xid = pg_current_xact_id(), position = -place.place
    FROM (SELECT xid, position, row_number() OVER (ORDER BY xid, position) AS place FROM event) AS place
    WHERE (event.xid, event.position) = (place.xid, place.position)`);
  await tx.query('UPDATE event SET position = -position');
  await tx.query("SELECT setval(pg_get_serial_sequence('event', 'position'), (SELECT count(*) + 1 FROM event), false)");
  await tx.query('ALTER TABLE event ENABLE TRIGGER event_is_append_only');
};
