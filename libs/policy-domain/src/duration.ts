const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 };
/** Longer than any retention that makes sense, and far inside safe integers. */
const LARGEST_MS = 1_000 * 31_536_000_000;

/** Milliseconds of `90s`, `10m`, `4h`, `180d`, `7y` (365 days each); undefined when it is none of these. */
export const parseDuration = (text: string): number | undefined => {
  const match = /^([1-9]\d{0,8})([smhdy])$/.exec(text);
  const unit = UNIT_MS[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const ms = Number(match[1]) * unit;
  return ms <= LARGEST_MS ? ms : undefined;
};
