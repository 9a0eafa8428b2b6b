import { expect, test } from '@jest/globals';
import { RepeatedWork } from './repeated-work.js';

const LONG_MS = 60_000;

/** Work whose turns the test ends by hand. */
const byHand = (restMs: number) => {
  const turns: { end: () => void; fail: (fault: Error) => void }[] = [];
  const told: unknown[] = [];
  const work = new RepeatedWork(restMs, () => new Promise<void>((end, fail) => void turns.push({ end, fail })), (fault) => void told.push(fault));
  return { work, turns, told };
};
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('a turn begins at once, the next one only after a rest, and a wake ends the rest', async () => {
  const { work, turns, told } = byHand(LONG_MS);
  work.start();
  turns[0]?.end();
  await settled();
  expect([turns.length, told]).toEqual([1, [undefined]]);
  work.wake();
  await settled();
  expect(turns).toHaveLength(2);
  turns[1]?.end();
  await work.stop();
});

test('a wake during a turn is kept, and turns never overlap', async () => {
  const { work, turns } = byHand(LONG_MS);
  work.start();
  work.wake();
  await settled();
  expect(turns).toHaveLength(1);
  turns[0]?.end();
  await settled();
  expect(turns).toHaveLength(2);
  turns[1]?.end();
  await work.stop();
});

test('a failure is told, and the work goes on', async () => {
  const { work, turns, told } = byHand(1);
  const fault = new Error('away');
  work.start();
  turns[0]?.fail(fault);
  while (turns.length < 2) await settled();
  expect(told).toEqual([fault]);
  turns[1]?.end();
  await work.stop();
});

test('started rested, nothing is done before the first rest has ended; stopped meanwhile, nothing at all', async () => {
  const { work, turns } = byHand(LONG_MS);
  work.startRested();
  await settled();
  expect(turns).toHaveLength(0);
  await work.stop();
  expect(turns).toHaveLength(0);
});

test('stop waits for the turn under way', async () => {
  const { work, turns } = byHand(LONG_MS);
  work.start();
  let stopped = false;
  const stopping = work.stop().then(() => (stopped = true));
  await settled();
  expect(stopped).toBe(false);
  turns[0]?.end();
  await stopping;
  expect(turns).toHaveLength(1);
});
