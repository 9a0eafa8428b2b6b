import { constants, copyFileSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryInUse } from './local-server-errors.js';
import { processStart } from './process-table.js';

/** Who runs the server of a data directory. The start time tells a reused pid from the owner. */
type Owner = { pid: number; startedAt: string };

const fileName = 'owner.lock';

const parseOwner = (text: string): Owner | undefined => {
  try {
    const parsed: unknown = JSON.parse(text);
    const { pid, startedAt } = parsed as Partial<Owner>;
    return typeof pid === 'number' && typeof startedAt === 'string' ? { pid, startedAt } : undefined;
  } catch {
    return undefined;
  }
};

const readLock = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

/** The live owner of a data directory, undefined when nobody owns it or the owner died. */
export const liveOwner = (directory: string): Owner | undefined => {
  const owner = parseOwner(readLock(join(directory, fileName)) ?? '');
  return owner !== undefined && processStart(owner.pid) === owner.startedAt ? owner : undefined;
};

/** What file systems without hard links answer (exFAT, some shared folders). */
const noHardLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

const copyNew = (from: string, to: string): boolean => {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
};

/** Links a complete file into place, so no reader ever sees a half-written lock. False when a lock is there already. */
const link = (from: string, to: string): boolean => {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!noHardLinks.has(code ?? '')) throw error;
  }
  return copyNew(from, to);
};

/** Moves a dead owner's lock away; if another process replaced it meanwhile, that one's lock is put back. */
const setAside = (directory: string, lock: string, seen: string | undefined): void => {
  const aside = join(directory, `${fileName}.${process.pid}.stale`);
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  if (readLock(aside) !== seen) link(aside, lock);
  rmSync(aside, { force: true });
};

/**
 * Takes the directory for this process and returns how to give it back. A lock whose owner has died is taken over.
 * @throws DataDirectoryInUse while its owner, this process included, is alive
 */
export const lockDirectory = (directory: string): (() => void) => {
  const lock = join(directory, fileName);
  const mine = join(directory, `${fileName}.${process.pid}.${Math.trunc(performance.now() * 1000)}`);
  writeFileSync(mine, JSON.stringify({ pid: process.pid, startedAt: processStart(process.pid) ?? '' }), { mode: 0o600 });
  try {
    while (!link(mine, lock)) {
      const seen = readLock(lock);
      const owner = liveOwner(directory);
      if (owner !== undefined) throw new DataDirectoryInUse(directory, owner.pid);
      setAside(directory, lock, seen);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  let held = true;
  return () => {
    // Once only: after that the lock may be another process'.
    if (held) rmSync(lock, { force: true });
    held = false;
  };
};
