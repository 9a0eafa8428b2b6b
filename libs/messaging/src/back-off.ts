const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/**
 * How long to wait after the nth failure in a row (from 1): 100 ms doubling up to 5 s, each shortened by up to a fifth at
 * random so that several consumers of a recovered dependency do not knock together.
 */
export const backOffMs = (failures: number, random: () => number = Math.random): number => {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(Math.max(failures, 1) - 1, 16));
  return Math.ceil(full * (1 - random() / 5));
};
