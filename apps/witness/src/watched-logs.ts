import { importVerifyingKey } from '@exequatur/audit-chain';
import type { PublicJwk } from '@exequatur/audit-chain';
import type { KeyObject } from 'node:crypto';

/** The logs a witness watches, by the origin in their tree heads, with the public keys its owner trusts for them. */
export interface WatchedLog {
  /** `exequatur/acme`, or `exequatur/*` for every log that this key signs under such a name */
  readonly origin: string;
  readonly keys: readonly KeyObject[];
}

/** A list of logs that cannot be used. */
export class WatchedLogsError extends Error {
  override readonly name = 'WatchedLogsError';
}

/**
 * From JSON `[{"origin": "exequatur/acme", "keys": [JWK, …]}, …]`; several keys while a log rotates its own.
 * @throws WatchedLogsError
 */
export const readWatchedLogs = (json: string): readonly WatchedLog[] => {
  try {
    const listed = JSON.parse(json) as readonly { readonly origin: unknown; readonly keys: readonly PublicJwk[] }[];
    const logs = listed.map(({ origin, keys }) => {
      if (typeof origin !== 'string' || !/^[^\s+]{1,300}$/u.test(origin) || keys.length === 0) throw new WatchedLogsError('a watched log has an origin without spaces or plus, and at least one key');
      return { origin, keys: keys.map(importVerifyingKey) };
    });
    if (logs.length === 0) throw new WatchedLogsError('there is no log to watch');
    return logs;
  } catch (error) {
    if (error instanceof WatchedLogsError) throw error;
    throw new WatchedLogsError(`the list of logs cannot be used: ${error instanceof Error ? error.message : 'it is none'}`);
  }
};

/** Keys trusted for an origin; an exact entry comes before a pattern, and undefined means: not watched. */
export const keysFor = (logs: readonly WatchedLog[], origin: string): readonly KeyObject[] | undefined =>
  (logs.find((log) => log.origin === origin) ?? logs.find((log) => log.origin.endsWith('/*') && origin.startsWith(log.origin.slice(0, -1)) && origin.length >= log.origin.length))?.keys;
