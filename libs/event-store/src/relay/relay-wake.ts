import type { ServiceName } from '@exequatur/contracts';
import type pg from 'pg';

export const relayChannel = (service: ServiceName): string => `exequatur_relay_${service}`;

/**
 * Tells the relay that something was committed. Sent after commit, since NOTIFY inside a transaction makes commits queue for
 * one lock; while one is on its way, all further commits share the next.
 */
export const relayWake = (pool: pg.Pool, service: ServiceName): (() => void) => {
  const statement = `NOTIFY ${relayChannel(service)}`;
  let sending = false;
  let wanted = false;
  const send = async (): Promise<void> => {
    sending = true;
    while (wanted) {
      wanted = false;
      // A lost wake costs one poll interval of the relay, nothing else.
      await pool.query(statement).catch(() => undefined);
    }
    sending = false;
  };
  return () => {
    wanted = true;
    if (!sending) void send();
  };
};
