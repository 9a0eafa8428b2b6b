import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where static files of logs lie: a directory here, an object store elsewhere. A path is written whole or not at all. */
export interface TileStore {
  read(path: string): Promise<Buffer | undefined>;
  write(path: string, bytes: Uint8Array): Promise<void>;
}

/** Files below one directory; what reads them may be any web server. */
export class DirectoryTiles implements TileStore {
  constructor(private readonly directory: string) {}

  async read(path: string): Promise<Buffer | undefined> {
    try {
      return await readFile(join(this.directory, path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const target = join(this.directory, path);
    await mkdir(dirname(target), { recursive: true });
    // Several instances may write the same file at once; each has a name of its own for what is not whole yet.
    const next = `${target}.${process.pid}-${Math.random().toString(36).slice(2)}`;
    const file = await open(next, 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, target);
  }
}
