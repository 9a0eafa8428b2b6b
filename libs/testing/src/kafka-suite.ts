import { kafkaPrerequisite } from '@exequatur/local-servers';

type Register = (name: string, body: () => void) => void;

/** What a Kafka suite needs to know; `missing` as in `kafkaPrerequisite`. */
export type KafkaSuiteSurroundings = {
  missing: string | undefined;
  required: boolean;
  describe: Register;
  test: Register;
  print: (line: string) => void;
};

/** Runs, fails or leaves out by name; see describeWithKafka. */
export const registerKafkaSuite = ({ missing, required, describe, test, print }: KafkaSuiteSurroundings, name: string, body: () => void): void => {
  if (missing === undefined) return describe(name, body);
  if (required) {
    return test(name, () => {
      throw new Error(`EXEQUATUR_REQUIRE_KAFKA is set, but ${missing} is missing`);
    });
  }
  test(`left out: ${name} (needs ${missing})`, () => print(`left out: ${name}, because it needs ${missing}\n`));
};

/** Jest's globals, looked up late so that this package can be imported outside of Jest too. */
const jestGlobal = (name: 'describe' | 'test'): Register => {
  const found: unknown = Reflect.get(globalThis, name);
  if (typeof found !== 'function') throw new Error('describeWithKafka works under Jest only');
  return found as Register;
};

/**
 * `describe` for suites on a real Kafka. Without Java and Maven one test stands in for the suite and prints what was left out
 * and why; with EXEQUATUR_REQUIRE_KAFKA=1, as in CI, that test fails instead.
 */
export const describeWithKafka = (name: string, body: () => void): void =>
  registerKafkaSuite(
    {
      missing: kafkaPrerequisite(),
      required: process.env['EXEQUATUR_REQUIRE_KAFKA'] === '1',
      describe: jestGlobal('describe'),
      test: jestGlobal('test'),
      print: (line) => void process.stderr.write(line),
    },
    name,
    body,
  );
