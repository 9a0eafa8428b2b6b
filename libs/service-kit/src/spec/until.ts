import { PATIENCE_MS } from '@exequatur/testing';

/** Resolves when `holds` does; looked at every 10 ms. @throws Error after `PATIENCE_MS`, so that a red test ends */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`it did not come to hold within ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
