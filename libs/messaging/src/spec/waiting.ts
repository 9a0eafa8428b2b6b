import { PATIENCE_MS } from '@exequatur/testing';

/** Resolves when `held` becomes true. @throws Error naming `what` after `withinMs`. */
export const eventually = async (what: string, held: () => boolean | Promise<boolean>, withinMs = PATIENCE_MS): Promise<void> => {
  const until = performance.now() + withinMs;
  while (!(await held())) {
    if (performance.now() > until) throw new Error(`did not happen within ${withinMs} ms: ${what}`);
    await pauseMs(10);
  }
};

export const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
