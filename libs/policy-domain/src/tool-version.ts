const COMPARATOR = /^(>=|<=|>|<)(\d{1,9}(?:\.\d{1,9}){0,3})$/;
const NUMBERS = /^\d{1,9}(?:\.\d{1,9}){0,3}$/;

/** `>=1.2 <2`: one to four comparators, all of which must hold. */
export const isVersionRange = (text: string): boolean => {
  const parts = text.split(' ');
  return parts.length <= 4 && parts.every((part) => COMPARATOR.test(part));
};

/** Undefined when a range is asked about a version that is not numbers and dots: then nothing can be said. */
export const versionWithin = (wanted: string, version: string): boolean | undefined => {
  if (!isVersionRange(wanted)) return wanted === version;
  if (!NUMBERS.test(version)) return undefined;
  return wanted.split(' ').every((part) => {
    const [, sign = '', bound = ''] = COMPARATOR.exec(part) ?? [];
    const order = compare(version, bound);
    return sign === '>=' ? order >= 0 : sign === '<=' ? order <= 0 : sign === '>' ? order > 0 : order < 0;
  });
};

const compare = (a: string, b: string): number => {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};
