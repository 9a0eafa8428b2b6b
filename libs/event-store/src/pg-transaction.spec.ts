import { expect, test } from '@jest/globals';
import { pipelined } from './pg-transaction.js';

const failed = (code: string): Promise<never> => Promise.reject(Object.assign(new Error(code), { code }));

test('of statements that fail together the cause is thrown, not what failed because of it', async () => {
  await expect(pipelined(failed('25P02'), Promise.resolve(1), failed('55P03'), failed('23505'))).rejects.toThrow('55P03');
  await expect(pipelined(failed('25P02'), failed('25P02'))).rejects.toThrow('25P02');
  await expect(pipelined(Promise.resolve(1), Promise.resolve('a'))).resolves.toEqual([1, 'a']);
});
