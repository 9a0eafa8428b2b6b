import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import { plainAddress } from './networks.js';

/** For `net.connect`: whatever name is asked for, the addresses that were judged, and no others. */
export const pinnedLookup =
  (addresses: readonly LookupAddress[]): LookupFunction =>
  (_host, options, callback) => {
    const fitting = addresses.filter(({ family }) => options.family === undefined || options.family === 0 || family === options.family);
    const [first] = fitting;
    if (first === undefined) callback(new Error('no judged address of this family'), '', 0);
    else if (options.all === true) callback(null, [...fitting]);
    else callback(null, first.address, first.family);
  };

/** Whether a connection really goes to one of the judged addresses. */
export const isPinned = ({ remoteAddress }: Pick<Socket, 'remoteAddress'>, addresses: readonly LookupAddress[]): boolean => {
  const remote = plainAddress(remoteAddress ?? '');
  return remote !== undefined && isIP(remote) !== 0 && addresses.some(({ address }) => plainAddress(address) === remote);
};
