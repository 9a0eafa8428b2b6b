import { describe, expect, test } from '@jest/globals';
import { Problem } from '../problem/problem.js';
import { Batcher, type BatcherOptions } from './batcher.js';

interface Command {
  readonly tenant: string;
  readonly id: string;
}
const command = (id: string, tenant = 'acme'): Command => ({ id, tenant });
const databaseError = (code: string): Error => Object.assign(new Error(`pg says ${code}`), { code });

/** A `run` that a test steers: it records every batch, and may fail it. */
class Runs {
  readonly batches: string[][] = [];
  fail: (ids: readonly string[]) => Error | undefined = () => undefined;
  private gate: Promise<void> = Promise.resolve();

  hold(): () => void {
    let release: () => void = () => undefined;
    this.gate = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  readonly run = async (commands: readonly Command[]): Promise<readonly string[]> => {
    const ids = commands.map(({ id }) => id);
    this.batches.push(ids);
    await this.gate;
    const error = this.fail(ids);
    if (error !== undefined) throw error;
    return ids.map((id) => `${id} done`);
  };
}

const batcherOf = (runs: Runs, more: Partial<BatcherOptions<Command, string>> = {}): Batcher<Command, string> => new Batcher({ name: 'spec', tenantOf: ({ tenant }) => tenant, run: runs.run, ...more });
const settled = async (outcomes: readonly Promise<string>[]): Promise<readonly string[]> =>
  (await Promise.allSettled(outcomes)).map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason instanceof Problem ? outcome.reason.code : (outcome.reason as Error).message));

describe('group commit', () => {
  test('arrivals during a flight join the next one, each with its own answer', async () => {
    const runs = new Runs();
    const release = runs.hold();
    const batcher = batcherOf(runs);
    const first = batcher.submit(command('a'));
    await new Promise(setImmediate);
    const later = ['b', 'c', 'd'].map((id) => batcher.submit(command(id)));
    await new Promise(setImmediate);
    expect(runs.batches).toEqual([['a']]);
    release();
    expect(await settled([first, ...later])).toEqual(['a done', 'b done', 'c done', 'd done']);
    expect(runs.batches).toEqual([['a'], ['b', 'c', 'd']]);
  });

  test('a batch has at most maxBatch commands', async () => {
    const runs = new Runs();
    const batcher = batcherOf(runs, { maxBatch: 2 });
    await settled(['a', 'b', 'c', 'd', 'e'].map((id) => batcher.submit(command(id))));
    expect(runs.batches).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  test('tenants take turns: a loud one does not keep a quiet one waiting', async () => {
    const runs = new Runs();
    const batcher = batcherOf(runs, { maxBatch: 3 });
    const loud = ['l1', 'l2', 'l3', 'l4', 'l5'].map((id) => batcher.submit(command(id, 'loud')));
    const quiet = ['q1', 'q2'].map((id) => batcher.submit(command(id, 'quiet')));
    await settled([...loud, ...quiet]);
    expect(runs.batches[0]).toEqual(['l1', 'q1', 'l2']);
    expect(runs.batches[1]).toEqual(['q2', 'l3', 'l4']);
  });

  test('a full queue refuses with BUSY and a time to come back', async () => {
    const runs = new Runs();
    const release = runs.hold();
    const batcher = batcherOf(runs, { maxQueue: 2 });
    const flying = batcher.submit(command('a'));
    await new Promise(setImmediate);
    const waiting = ['b', 'c'].map((id) => batcher.submit(command(id)));
    const refused = await batcher.submit(command('d')).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'BUSY', retryAfterSeconds: 1 });
    release();
    expect(await settled([flying, ...waiting])).toEqual(['a done', 'b done', 'c done']);
    expect(runs.batches.flat()).not.toContain('d');
  });

  test('a run that answers another number of commands answers none', async () => {
    const batcher = new Batcher<Command, string>({ name: 'spec', tenantOf: () => 'acme', run: () => Promise.resolve(['one', 'two']) });
    expect(await settled([batcher.submit(command('a'))])).toEqual(['batch spec gave 2 results for 1 commands']);
  });

  test('close answers what was taken and takes no more', async () => {
    const runs = new Runs();
    const batcher = batcherOf(runs);
    const taken = batcher.submit(command('a'));
    const closing = batcher.close();
    expect(await settled([taken, batcher.submit(command('b'))])).toEqual(['a done', 'DEPENDENCY_DOWN']);
    await closing;
    expect(runs.batches).toEqual([['a']]);
  });

  test('it flies again after it was idle', async () => {
    const runs = new Runs();
    const batcher = batcherOf(runs);
    await batcher.submit(command('a'));
    await batcher.submit(command('b'));
    expect(runs.batches).toEqual([['a'], ['b']]);
  });
});

describe('a batch that fails', () => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

  test('deterministically: the one at fault is answered alone, the rest go on', async () => {
    const runs = new Runs();
    runs.fail = (batch) => (batch.includes('f') ? new Error('f is wrong') : undefined);
    const batcher = batcherOf(runs);
    const outcomes = await settled(ids.map((id) => batcher.submit(command(id))));
    expect(outcomes).toEqual(ids.map((id) => (id === 'f' ? 'f is wrong' : `${id} done`)));
    expect(runs.batches.filter((batch) => batch.length === 1 && batch[0] === 'f')).toHaveLength(1);
  });

  test.each(['55P03', '40P01'])('waiting for locks (%s): it runs without the one that waited, which is tried again alone', async (code) => {
    const runs = new Runs();
    let locked = true;
    runs.fail = (batch) => (locked && batch.includes('c') ? databaseError(code) : undefined);
    const batcher = batcherOf(runs);
    const outcomes = ids.map((id) => batcher.submit(command(id)));
    await Promise.all(outcomes.filter((_, index) => ids[index] !== 'c'));
    locked = false;
    expect(await outcomes[2]).toBe('c done');
    expect(runs.batches.at(-1)).toEqual(['c']);
  });

  test('waiting for locks that nobody gives back: BUSY in the end', async () => {
    const runs = new Runs();
    runs.fail = (batch) => (batch.includes('c') ? databaseError('55P03') : undefined);
    const batcher = batcherOf(runs);
    expect(await settled(['b', 'c'].map((id) => batcher.submit(command(id))))).toEqual(['b done', 'BUSY']);
    expect(runs.batches.filter((batch) => batch.length === 1 && batch[0] === 'c')).toHaveLength(3);
  });

  test('connection lost, perhaps in COMMIT: the same batch runs again as a whole', async () => {
    const runs = new Runs();
    runs.fail = () => (runs.batches.length === 1 ? new Error('Connection terminated unexpectedly') : undefined);
    const batcher = batcherOf(runs);
    expect(await settled(['a', 'b'].map((id) => batcher.submit(command(id))))).toEqual(['a done', 'b done']);
    expect(runs.batches).toEqual([['a', 'b'], ['a', 'b']]);
  });

  test('database away: DEPENDENCY_DOWN after a bounded number of runs', async () => {
    const runs = new Runs();
    runs.fail = () => databaseError('57P01');
    const batcher = batcherOf(runs);
    expect(await settled(['a', 'b'].map((id) => batcher.submit(command(id))))).toEqual(['DEPENDENCY_DOWN', 'DEPENDENCY_DOWN']);
    expect(runs.batches).toHaveLength(3);
  });
});
