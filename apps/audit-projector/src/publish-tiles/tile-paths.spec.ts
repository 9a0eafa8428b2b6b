import { describe, expect, test } from '@jest/globals';
import { tilePath, tilesBetween } from './tile-paths.js';

describe('tiles', () => {
  test.each([
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ level: 0, index: 1_234_067, width: 256 }, 'tile/0/x001/x234/067'],
    [{ level: 1, index: 273, width: 112 }, 'tile/1/273.p/112'],
    [{ level: 2, index: 1_000, width: 1 }, 'tile/2/x001/000.p/1'],
  ])('%j lies at %s', (tile, path) => {
    expect(tilePath(tile)).toBe(path);
  });

  test('a tree of 70,000 leaves, as the specification tells it', () => {
    const paths = tilesBetween(0, 70_000).map(tilePath);
    expect(paths).toHaveLength(273 + 1 + 1 + 1 + 1);
    for (const path of ['tile/0/272', 'tile/0/273.p/112', 'tile/1/000', 'tile/1/001.p/17', 'tile/2/000.p/1']) expect(paths).toContain(path);
  });

  test('growing step by step writes every full tile, and each partial one for its size', () => {
    const stepwise = new Set<string>();
    let size = 0;
    for (const next of [1, 255, 256, 257, 600, 66_000, 70_000]) {
      for (const tile of tilesBetween(size, next)) stepwise.add(tilePath(tile));
      // What a reader of the checkpoint needs now is there.
      for (const tile of tilesBetween(0, next)) expect([next, stepwise.has(tilePath(tile))]).toEqual([next, true]);
      size = next;
    }
    expect(tilesBetween(70_000, 70_000)).toEqual([]);
  });
});
