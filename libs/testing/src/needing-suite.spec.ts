import { expect, test } from '@jest/globals';
import { registerNeedingSuite } from './needing-suite.js';

const register = (missing: string | undefined, required: boolean): { suites: string[]; tests: Map<string, () => void>; printed: string[]; ran: () => boolean } => {
  const suites: string[] = [];
  const tests = new Map<string, () => void>();
  const printed: string[] = [];
  let ran = false;
  const describe = (name: string, body: () => void): void => {
    suites.push(name);
    body();
  };
  registerNeedingSuite({ missing, variable: 'EXEQUATUR_REQUIRE_KAFKA', required, describe, test: (name, body) => void tests.set(name, body), print: (line) => void printed.push(line) }, 'relay over Kafka', () => (ran = true));
  return { suites, tests, printed, ran: () => ran };
};

test.each([true, false])('with everything there the suite runs (required: %s)', (required) => {
  const { suites, tests, ran } = register(undefined, required);
  expect([suites, tests.size, ran()]).toEqual([['relay over Kafka'], 0, true]);
});

test('without Maven one test names the suite that is left out and why', () => {
  const { suites, tests, printed, ran } = register('Maven', false);
  expect([suites, [...tests.keys()], ran()]).toEqual([[], ['left out: relay over Kafka (needs Maven)'], false]);
  for (const body of tests.values()) body();
  expect(printed).toEqual(['left out: relay over Kafka, because it needs Maven\n']);
});

test('where Kafka is required the missing program fails the suite', () => {
  const { tests } = register('Maven', true);
  expect(() => tests.get('relay over Kafka')?.()).toThrow('EXEQUATUR_REQUIRE_KAFKA is set, but Maven is missing');
});
