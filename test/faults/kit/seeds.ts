/** How long the suites run: three seeds each in CI, EXEQUATUR_SEEDS (`npm run faults`: 100) otherwise. */
export const seedsFrom = (first: number, few = 3): readonly number[] => Array.from({ length: Number(process.env['EXEQUATUR_SEEDS'] ?? few) }, (_, nth) => first + nth);

/** Whether this is the long run of `npm run faults`, which covers what CI has no time for. */
export const isLongRun = (): boolean => process.env['EXEQUATUR_SEEDS'] !== undefined;
