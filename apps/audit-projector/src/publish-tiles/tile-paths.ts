/** Hashes in a full tile (c2sp.org/tlog-tiles), and the levels of the tree that one level of tiles spans. */
export const TILE_WIDTH = 256;
export const TILE_HEIGHT = 8;

/** Part of a tree: hashes `index · 256 …` of tile level `level`, `width` of them. */
export interface Tile {
  readonly level: number;
  readonly index: number;
  /** 1 … 256 */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, for fewer than 256 hashes with `.p/<width>`. */
export const tilePath = ({ level, index, width }: Tile): string => {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0');
  const groups = digits.match(/\d{3}/g) ?? [];
  const path = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
};

/** The tiles that a tree of `size` leaves has and one of `before` leaves had not; the partial ones at its edge included. */
export const tilesBetween = (before: number, size: number): readonly Tile[] => {
  const tiles: Tile[] = [];
  for (let level = 0, [had, has] = [before, size]; has > 0; level += 1, had = Math.floor(had / TILE_WIDTH), has = Math.floor(has / TILE_WIDTH)) {
    const whole = Math.floor(has / TILE_WIDTH);
    for (let index = Math.floor(had / TILE_WIDTH); index < whole; index += 1) tiles.push({ level, index, width: TILE_WIDTH });
    const rest = has % TILE_WIDTH;
    if (rest > 0 && has !== had) tiles.push({ level, index: whole, width: rest });
  }
  return tiles;
};
