import { describe, expect, test } from '@jest/globals';
import { askAgain } from './ask-again.js';

const answering = (...answers: readonly { readonly status: number; readonly body: unknown }[]) => {
  let asked = 0;
  return { ask: () => Promise.resolve(answers[asked++] ?? { status: 500, body: {} }), times: () => asked };
};

describe('askAgain', () => {
  test('asks until the answer is no longer "later"', async () => {
    const { ask, times } = answering({ status: 429, body: { code: 'BUSY' } }, { status: 503, body: { code: 'DEPENDENCY_DOWN' } }, { status: 201, body: { id: 1 } });
    expect([await askAgain(ask), times()]).toEqual([{ status: 201, body: { id: 1 } }, 3]);
  });

  test.each([
    { status: 503, body: { code: 'POLICY_NOT_YET_KNOWN' } },
    { status: 429, body: undefined },
    { status: 500, body: { code: 'BUSY' } },
    { status: 409, body: { code: 'CONFLICT' } },
  ])('any other answer stands: %j', async (answer) => {
    const { ask, times } = answering(answer);
    expect([await askAgain(ask), times()]).toEqual([answer, 1]);
  });
});
