import { createHash } from 'node:crypto';
import { accessSync, chmodSync, constants, mkdirSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { DataDirectoryInUse, DataDirectoryUnwritable } from './local-server-errors.js';
import { liveOwner } from './directory-lock.js';
import { sharedDirectory } from './postgres-binaries.js';
import { canEnter, serverAccount, type ServerAccount } from './server-account.js';

const create = (directory: string): void => {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new DataDirectoryUnwritable(directory, (error as NodeJS.ErrnoException).code ?? 'unknown reason');
  }
};

const elsewhere = (dataDirectory: string): string =>
  join(sharedDirectory, `${basename(dataDirectory)}-${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 12)}`);

/** Lets the borrowed account pass through the directory: what lies in it has its own, narrower modes. */
const letPass = (directory: string): void => chmodSync(directory, statSync(directory).mode | 0o111);

/** Whether root could make the other place and the account can enter it, whatever root's umask is. */
const openElsewhere = (account: ServerAccount, home: string): boolean => {
  try {
    create(home);
    for (const directory of [sharedDirectory, home]) letPass(directory);
    return canEnter(account, home);
  } catch {
    return false;
  }
};

/**
 * The directory that holds `cluster` (PostgreSQL's own data directory), `superuser-password`, `owner.lock` and `server.log`.
 * It is `dataDirectory`, except for root when the account that must run PostgreSQL cannot get there: then a directory of
 * its own below /var/lib/exequatur, always the same one for the same `dataDirectory`.
 * @throws DataDirectoryUnwritable
 */
export const prepareHome = (dataDirectory: string, account: ServerAccount | undefined, log: (line: string) => void): string => {
  const wanted = resolve(dataDirectory);
  create(wanted);
  if (account === undefined) return wanted;
  letPass(wanted);
  if (canEnter(account, wanted)) return wanted;
  const home = elsewhere(wanted);
  if (!openElsewhere(account, home)) {
    throw new DataDirectoryUnwritable(wanted, `user ${account.name}, who must run PostgreSQL because it refuses root, can enter neither it nor ${home}`);
  }
  log(`user ${account.name}, who runs PostgreSQL because it refuses root, cannot enter ${wanted}: its data is kept in ${home}`);
  return home;
};

/**
 * Deletes the database of a data directory and its password, wherever `startEmbeddedPostgres` keeps it (`npm start --reset`).
 * Other files in the data directory stay.
 * @throws DataDirectoryInUse while a live process owns it
 */
export const removePostgresData = (dataDirectory: string): void => {
  const wanted = resolve(dataDirectory);
  const homes = serverAccount() === undefined ? [wanted] : [wanted, elsewhere(wanted)];
  for (const home of homes) {
    const owner = liveOwner(home);
    if (owner !== undefined) throw new DataDirectoryInUse(home, owner.pid);
  }
  for (const home of homes) {
    const names = home === wanted ? ['cluster', 'superuser-password', 'server.log', 'server.log.1'] : ['.'];
    for (const name of names) rmSync(join(home, name), { recursive: true, force: true });
  }
};
