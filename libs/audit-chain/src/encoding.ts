/**
 * Bytes of base64 text, or undefined unless it is exactly how we would write them. Node's decoder skips what it does not
 * know and ignores left-over bits; here a changed character must never stand for the same bytes.
 */
export const strictBase64 = (text: string, encoding: 'base64' | 'base64url'): Buffer | undefined => {
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : undefined;
};

/** A count written in decimal without sign or leading zero, up to 2^53 − 1. */
export const strictCount = (text: string): number | undefined => {
  const count = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(count) ? count : undefined;
};
