import { expect, test } from '@jest/globals';
import { QUIET } from '@exequatur/testing';
import { describeWithKafka } from '@exequatur/testing';
import { start, startStandalone, temporaryDirectory } from './programs.js';

interface Step {
  readonly title: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly error?: string;
}

const STEPS = 19;
const SLOW = 300_000;

const story = async (args: readonly string[]): Promise<{ code: number | null; steps: Step[]; stderr: string; ms: number }> => {
  const started = performance.now();
  const ended = await start('apps/demo/dist/main.js', ['--json', ...args]).ended;
  const steps = ended.stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Step);
  return { code: ended.code, steps, stderr: ended.stderr, ms: performance.now() - started };
};

const expectWhole = ({ code, steps, stderr }: Awaited<ReturnType<typeof story>>): void => {
  expect({ broken: steps.filter((step) => !step.ok), stderr, steps: steps.length, code }).toEqual({ broken: [], stderr: expect.any(String), steps: STEPS, code: 0 });
  const codes = steps.map((step) => step.code);
  for (const expected of ['AUTO', 'LOG', 'QUARANTINED_UNKNOWN_KIND', 'BUDGET_EXCEEDED', 'GRANT_EXHAUSTED', 'ARGUMENTS_MISMATCH', 'AGENT_MISMATCH', 'RUN_MISMATCH', 'TENANT_MISMATCH', 'GRANT_REVOKED']) expect(codes).toContain(expected);
};

test('npm run demo, on an instance of its own, in under 60 s', async () => {
  const told = await story(['--url', 'http://127.0.0.1:1']);
  expectWhole(told);
  if (QUIET) expect(told.ms).toBeLessThan(60_000);
}, SLOW);

test('npm run demo, twice against the running instance', async () => {
  const directory = temporaryDirectory();
  const standalone = await startStandalone(directory.path);
  const args = ['--url', standalone.origin, '--data-dir', directory.path];
  expectWhole(await story(args));
  expectWhole(await story(args));
  await standalone.interrupt();
  directory.remove();
}, SLOW);

describeWithKafka('npm run demo -- --transport kafka', () => {
  test('tells the same story over five processes and Kafka', async () => {
    expectWhole(await story(['--transport', 'kafka']));
  }, SLOW);
});
