import { RE2JS } from 're2js';

/** Longest pattern, in characters. */
const MAX_PATTERN = 200;
/** Instructions of the compiled pattern: what each character of a text may cost. */
const MAX_PROGRAM = 500;

export interface LinearPattern {
  /** Time grows with the length of the text times `cost`, whatever the pattern. */
  readonly cost: number;
  /** true when it occurs anywhere in the text */
  readonly test: (text: string) => boolean;
}

/** A regular expression without backtracking (RE2). @throws Error with what is wrong: syntax, backreference, look-around, size */
export const linearPattern = (source: string): LinearPattern => {
  if (source.length > MAX_PATTERN) throw new Error(`must have at most ${MAX_PATTERN} characters`);
  const compiled = RE2JS.compile(source);
  const cost = compiled.programSize();
  if (cost > MAX_PROGRAM) throw new Error('repeats too much');
  return { cost, test: (text) => compiled.matcher(text).find() };
};
