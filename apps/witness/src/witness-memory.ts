import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The newest tree head a witness has cosigned of one log. */
export interface RememberedHead {
  readonly origin: string;
  readonly size: number;
  /** hex */
  readonly root: string;
  /** the note with this witness's own cosignature */
  readonly note: string;
}

/** A directory whose content cannot be trusted or written. The witness then cosigns nothing. */
export class MemoryError extends Error {
  override readonly name = 'MemoryError';
}

/** File name and public name of a log: SHA-256 of its origin in hex. */
export const nameOfLog = (origin: string): string => createHash('sha256').update(origin, 'utf8').digest('hex');

/**
 * What must not be forgotten, one file a log in a directory that one witness process owns. A head is on the disk, file and
 * directory, before its cosignature leaves: a witness that forgets would cosign a fork.
 */
export class WitnessMemory {
  private readonly heads = new Map<string, RememberedHead>();

  /** @throws MemoryError when a file there is damaged: better no witness than one that starts anew */
  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const file of readdirSync(directory).filter((name) => name.endsWith('.head.json'))) {
      const head = readHead(join(directory, file));
      if (`${nameOfLog(head.origin)}.head.json` !== file) throw new MemoryError(`${file} is the memory of another log`);
      this.heads.set(head.origin, head);
    }
  }

  get size(): number {
    return this.heads.size;
  }

  head(origin: string): RememberedHead | undefined {
    return this.heads.get(origin);
  }

  named(name: string): RememberedHead | undefined {
    return [...this.heads.values()].find(({ origin }) => nameOfLog(origin) === name);
  }

  keep(head: RememberedHead): void {
    const path = join(this.directory, `${nameOfLog(head.origin)}.head.json`);
    const next = `${path}.next`;
    written(next, JSON.stringify(head));
    renameSync(next, path);
    synced(this.directory);
    this.heads.set(head.origin, head);
  }
}

const written = (path: string, text: string): void => {
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

const synced = (directory: string): void => {
  const file = openSync(directory, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

const readHead = (path: string): RememberedHead => {
  try {
    const { origin, size, root, note } = JSON.parse(readFileSync(path, 'utf8')) as RememberedHead;
    if (typeof origin === 'string' && Number.isSafeInteger(size) && size >= 0 && /^[0-9a-f]{64}$/.test(root) && typeof note === 'string') return { origin, size, root, note };
  } catch {
    throw new MemoryError(`${path} cannot be read`);
  }
  throw new MemoryError(`${path} is damaged`);
};
