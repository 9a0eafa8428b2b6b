import { afterEach, describe, expect, test } from '@jest/globals';
import { PartitionProgress } from './partition-progress.js';

const TOPIC = 'exequatur.actions.v1';

describe('PartitionProgress', () => {
  const progress = new PartitionProgress();
  afterEach(() => progress.clear());

  test('lag is what lies between the first unacknowledged message and the end, over all partitions', () => {
    progress.assign({ [TOPIC]: [0, 1] });
    progress.seen(TOPIC, 0, '10');
    progress.committed(TOPIC, 0, '4', '0');
    progress.seen(TOPIC, 1, '7');
    progress.committed(TOPIC, 1, '-1', '2');
    expect(progress.health()).toEqual({ lag: 11, failing: false });
    progress.acknowledged(TOPIC, 0, '9');
    expect(progress.health()).toEqual({ lag: 5, failing: false });
  });

  test('what was acknowledged here counts for more than an older committed offset', () => {
    progress.assign({ [TOPIC]: [0] });
    progress.seen(TOPIC, 0, '10');
    progress.acknowledged(TOPIC, 0, '9');
    progress.committed(TOPIC, 0, '3', '0');
    expect(progress.health().lag).toBe(0);
  });

  test('failures count up until an acknowledgement', () => {
    progress.assign({ [TOPIC]: [0] });
    expect([progress.failed(TOPIC, 0, '0'), progress.failed(TOPIC, 0, '0')]).toEqual([1, 2]);
    expect(progress.health().failing).toBe(true);
    progress.acknowledged(TOPIC, 0, '0');
    expect(progress.health().failing).toBe(false);
    expect(progress.failed(TOPIC, 0, '1')).toBe(1);
  });

  test('a partition that went to another member is forgotten, and its pause ends, once', async () => {
    progress.assign({ [TOPIC]: [0, 1] });
    progress.failed(TOPIC, 0, '0');
    let resumed = 0;
    progress.resumeAfter(TOPIC, 0, 5, () => (resumed += 1));
    progress.assign({ [TOPIC]: [1] });
    expect([resumed, progress.health().failing, progress.isEmpty]).toEqual([1, false, false]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(resumed).toBe(1);
  });

  test('a partition that stays keeps its pause until it is over', async () => {
    progress.assign({ [TOPIC]: [0] });
    progress.failed(TOPIC, 0, '0');
    let resumed = 0;
    progress.resumeAfter(TOPIC, 0, 5, () => (resumed += 1));
    progress.assign({ [TOPIC]: [0, 1] });
    expect(resumed).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([resumed, progress.health().failing]).toEqual([1, true]);
  });
});
