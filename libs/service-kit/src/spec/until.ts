const WITHIN_MS = 15_000;

/** Resolves when `holds` does; looked at every 10 ms. @throws Error after 15 s, so that a red test ends */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const giveUpAt = performance.now() + WITHIN_MS;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`it did not come to hold within ${WITHIN_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
