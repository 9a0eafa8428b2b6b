import type { Logger } from 'pino';

/** One part may take so long to end; the others are not kept waiting by it. */
const PART_MS = 2_000;
/** All parts together. */
const ALL_MS = 4_800;

interface Part {
  readonly name: string;
  readonly end: () => Promise<unknown>;
}

/** Ends parts in the reverse order of their start, bounded; a part that fails or hangs does not keep the others. */
export class Shutdown {
  private readonly parts: Part[] = [];
  private ending: Promise<void> | undefined;

  later(name: string, end: () => Promise<unknown>): void {
    this.parts.push({ name, end });
  }

  run(log?: Logger): Promise<void> {
    this.ending ??= this.endAll(log);
    return this.ending;
  }

  private async endAll(log: Logger | undefined): Promise<void> {
    const until = performance.now() + ALL_MS;
    for (const { name, end } of this.parts.reverse()) {
      const reason = await bounded(end, Math.max(50, Math.min(PART_MS, until - performance.now())));
      if (reason !== undefined) log?.warn({ part: name, reason }, 'a part did not end well');
    }
  }
}

const bounded = async (end: () => Promise<unknown>, ms: number): Promise<string | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`not ended after ${Math.round(ms)} ms`), ms);
  });
  try {
    return await Promise.race([end().then(() => undefined), late]);
  } catch (error) {
    return error instanceof Error ? error.message : 'failed';
  } finally {
    clearTimeout(timer);
  }
};
