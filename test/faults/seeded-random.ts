/** mulberry32: a small generator whose whole state is its seed, so that a printed seed repeats a run's choices. */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** EXEQUATUR_SEED, else a new one each run; always printed. */
export const seedOf = (name: string): number => {
  const seed = Number(process.env['EXEQUATUR_SEED'] ?? Math.floor(Date.now() % 1_000_000));
  console.log(`${name}: EXEQUATUR_SEED=${seed}`);
  return seed;
};
