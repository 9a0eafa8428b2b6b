/** `*` stands for any run of characters. A linear walk, since patterns come from people and names from agents. */
export const matchesPattern = (pattern: string, name: string): boolean => {
  let p = 0;
  let n = 0;
  let star = -1;
  let retry = 0;
  while (n < name.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      retry = n;
    } else if (p < pattern.length && pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++retry;
    } else return false;
  }
  while (p < pattern.length && pattern[p] === '*') p++;
  return p === pattern.length;
};

export const matchesAny = (patterns: readonly string[] | undefined, name: string): boolean => patterns === undefined || patterns.some((pattern) => matchesPattern(pattern, name));
