import { isIP } from 'node:net';
import { LocalServerError } from '@exequatur/local-servers';

/** Whether only this machine reaches what listens there. A name other than localhost may mean anything. */
export const isOwnMachine = (host: string): boolean => {
  if (isIP(host) === 4) return host.startsWith('127.');
  return isIP(host) === 6 ? host === '::1' : host === 'localhost';
};

/** The demo tenant's credentials, and every service's keys in one directory, are for one's own machine. */
export class PublicAddress extends LocalServerError {
  override readonly name = 'PublicAddress';
  constructor(readonly host: string) {
    super(`Other machines would reach ${host}. This program keeps every key in one place and makes development credentials for a demo tenant; if that is what you want, say so with --allow-public, and put TLS in front.`);
  }
}
