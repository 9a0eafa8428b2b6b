/**
 * How long, in ms, specs wait for what must happen before they say that it did not: many times what a quiet machine needs, since
 * a loaded one is no fault. EXEQUATUR_PATIENCE_MS is less where it is known not to happen, as under a mutation.
 */
export const PATIENCE_MS = Number(process.env['EXEQUATUR_PATIENCE_MS'] ?? 90_000);

/** Whether the machine is said to do nothing else (EXEQUATUR_QUIET=1): only then the clock on the wall judges how fast the product is. */
export const QUIET = process.env['EXEQUATUR_QUIET'] === '1';
