/** How many known kinds are named to someone whose kind is unknown. */
const NAMED = 3;
/** Not looked at beyond: an unknown kind must not cost more than a known one by much. */
const LOOKED_AT = 2_000;

/** Registered kinds that share most words with this one, best first. Nothing is decided by it; it helps a person to classify. */
export const nearestKinds = (registered: ReadonlySet<string>, kind: string): readonly string[] => {
  const words = new Set(wordsOf(kind));
  const scored: [number, string][] = [];
  let seen = 0;
  for (const known of registered) {
    seen += 1;
    if (seen > LOOKED_AT) break;
    const shared = wordsOf(known).filter((word) => words.has(word)).length;
    const score = 100 * shared + commonPrefix(known, kind);
    if (shared > 0 || score >= 4) scored.push([score, known]);
  }
  return scored.sort(([a, left], [b, right]) => b - a || (left < right ? -1 : 1)).slice(0, NAMED).map(([, known]) => known);
};

const wordsOf = (kind: string): readonly string[] => kind.toLowerCase().split(/[._:@+-]/).filter((word) => word !== '');

const commonPrefix = (a: string, b: string): number => {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at += 1;
  return at;
};
