type Register = (name: string, body: () => void) => void;

/** What a suite that needs a program of the machine must know. */
export type SuiteSurroundings = {
  /** what the machine lacks; undefined when everything is there */
  missing: string | undefined;
  /** environment variable that makes the lack a failure, as in CI */
  variable: string;
  required: boolean;
  describe: Register;
  test: Register;
  print: (line: string) => void;
};

/** Runs the suite; without what it needs one test stands in for it, which names it and why, or fails where it is required. */
export const registerNeedingSuite = ({ missing, variable, required, describe, test, print }: SuiteSurroundings, name: string, body: () => void): void => {
  if (missing === undefined) return describe(name, body);
  if (required) {
    return test(name, () => {
      throw new Error(`${variable} is set, but ${missing} is missing`);
    });
  }
  test(`left out: ${name} (needs ${missing})`, () => print(`left out: ${name}, because it needs ${missing}\n`));
};

/** Jest's globals, looked up late so that this package can be imported outside of Jest too. */
const jestGlobal = (name: 'describe' | 'test'): Register => {
  const found: unknown = Reflect.get(globalThis, name);
  if (typeof found !== 'function') throw new Error('suites are described under Jest only');
  return found as Register;
};

/** As `registerNeedingSuite`, with Jest's own `describe` and `test`. */
export const describeNeeding = (missing: string | undefined, variable: string, name: string, body: () => void): void =>
  registerNeedingSuite({ missing, variable, required: process.env[variable] === '1', describe: jestGlobal('describe'), test: jestGlobal('test'), print: (line) => void process.stderr.write(line) }, name, body);
