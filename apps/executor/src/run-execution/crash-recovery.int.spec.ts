import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool, ToolBehaviour } from '@exequatur/local-servers';
import type pg from 'pg';
import { ExecutorBed, LEASE_MS } from '../spec/executor-bed.js';
import type { ExecutorProcess } from '../spec/executor-process.js';

const TOOL = { name: 'billing.refund', version: '1' };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A promise, and what settles it. */
const signal = (): { readonly seen: Promise<void>; readonly give: () => void } => {
  let give = (): void => undefined;
  const seen = new Promise<void>((resolve) => (give = resolve));
  return { seen, give };
};

/** Reliability scenarios 1 and 2: the built executor as processes of their own, really killed and really paused. */
describe('executors that die or stall', () => {
  let bed: ExecutorBed;
  let tool: HttpTool;
  const processes: ExecutorProcess[] = [];
  const locks: pg.PoolClient[] = [];

  beforeAll(async () => {
    bed = await ExecutorBed.start();
    tool = await startHttpTool();
    const first = await start();
    await bed.connect(await first.listening(), TOOL, { type: 'http', settings: { url: tool.url } });
  });
  afterEach(async () => {
    await unlock();
    // Orderly where that is still possible, so that the next one need not wait for its place on the bus.
    for (const each of processes.splice(0)) await each.stop();
    tool.behave(() => ({}));
    bed.door.pass(() => 'through');
  });
  afterAll(async () => {
    await bed.stop();
    await tool.stop();
  });

  const start = async (): Promise<ExecutorProcess> => {
    const started = await bed.executorProcess();
    processes.push(started);
    return started;
  };
  const lock = async (statement: string, ...values: unknown[]): Promise<void> => {
    const client = await bed.admin.connect();
    locks.push(client);
    await client.query('BEGIN');
    await client.query(statement, values);
  };
  const unlock = async (): Promise<void> => {
    for (const client of locks.splice(0)) {
      await client.query('ROLLBACK');
      client.release();
    }
  };
  const waitsForLock = (): Promise<void> =>
    bed.until('the executor waits for the lock', async () => {
      const waiting = await bed.admin.query("SELECT FROM pg_stat_activity WHERE usename = 'exequatur_executor' AND wait_event_type = 'Lock' AND wait_event IN ('relation', 'transactionid', 'tuple')");
      return (waiting.rowCount ?? 0) > 0;
    });
  const requestsOf = (key: string) => tool.received.filter(({ headers }) => headers['idempotency-key'] === key);
  const effectsOf = (key: string) => tool.effects.filter((effect) => effect.key === key);

  /** Kills at a point and starts anew; `reached` resolves when the executor is there. */
  const killAt = async (reached: (executionId: string) => Promise<void>, behaviour: ToolBehaviour = {}): Promise<string> => {
    const victim = await start();
    tool.behave(() => behaviour);
    const { executionId } = await bed.allow({ amount: '7' }, { tool: TOOL });
    await reached(executionId);
    await victim.kill();
    await unlock();
    bed.door.pass(() => 'through');
    await start();
    return executionId;
  };

  /** Invariants 4 and 23: one use consumed, one claim; what the tool did belongs to it, and the log says so. */
  const expectOneChain = async (executionId: string): Promise<void> => {
    const claims = await bed.claims(executionId);
    expect(claims).toMatchObject([{ execution_id: executionId, use_no: 1 }]);
    expect([requestsOf(executionId).length, effectsOf(executionId).length]).toEqual([1, 1]);
    const names = await bed.names(executionId);
    expect(names.slice(0, 2)).toEqual(['ExecutionRequested', 'ExecutionStarted']);
    expect(['ExecutionSucceeded', 'ExecutionUnknown']).toContain(names[2]);
    expect(names).toHaveLength(3);
  };

  /** On a loaded machine the next start may come too late for what was claimed before. */
  const expectNoEffect = async (executionId: string): Promise<void> => {
    expect(await bed.claims(executionId)).toHaveLength(1);
    expect(requestsOf(executionId)).toEqual([]);
  };

  describe('killed before the tool can have been called: it goes on, once', () => {
    test.each([
      ['before the claim', 0],
      ['after the claim', 1],
    ])('invariants 4, 5, 6 and 23: kill -9 %s', async (_, claimsAtTheTime) => {
      const there = signal();
      const never = signal();
      bed.door.pass(async () => {
        if (claimsAtTheTime === 1) return { answered: () => (there.give(), never.seen) };
        there.give();
        await never.seen;
        return 'never arrives';
      });
      const executionId = await killAt(async (id) => {
        await there.seen;
        expect(await bed.claims(id)).toHaveLength(claimsAtTheTime);
      });
      never.give();
      const last = (await bed.ended(executionId, undefined)).at(-1);
      if (claimsAtTheTime === 1 && last?.data['code'] === 'EXECUTE_BY_PASSED') return expectNoEffect(executionId);
      expect(last?.name).toBe('ExecutionSucceeded');
      await expectOneChain(executionId);
    });
  });

  describe('killed when the tool may have been called: named UNKNOWN, never again', () => {
    /** What the tool waits for, and what the executor has done when it is killed. */
    const points: [string, (onwards: Promise<void>) => ToolBehaviour, (id: string, goOn: () => void) => Promise<void>][] = [
      [
        'while the request is under way',
        (onwards) => ({ effectAfter: onwards }),
        async (id) => {
          await bed.until('the tool has the request', async () => requestsOf(id).length === 1);
          expect(effectsOf(id)).toHaveLength(0);
        },
      ],
      [
        'after the effect',
        (onwards) => ({ answerAfter: onwards }),
        async (id) => {
          await bed.until('the effect', async () => effectsOf(id).length === 1);
        },
      ],
      [
        'before the outcome',
        (onwards) => ({ answerAfter: onwards }),
        async (id, goOn) => {
          await bed.until('the tool has the request', async () => requestsOf(id).length === 1);
          await lock('LOCK TABLE event IN ACCESS EXCLUSIVE MODE');
          goOn();
          await waitsForLock();
          await pause(500);
        },
      ],
      [
        'before the commit',
        (onwards) => ({ answerAfter: onwards }),
        async (id, goOn) => {
          await bed.until('the tool has the request', async () => requestsOf(id).length === 1);
          await lock('SELECT FROM execution WHERE execution_id = $1 FOR UPDATE', id);
          goOn();
          await pause(700);
          await waitsForLock();
        },
      ],
    ];
    test.each(points)('invariants 4, 5, 6 and 23: kill -9 %s', async (_, behaviour, reached) => {
      const onwards = signal();
      const executionId = await killAt((id) => reached(id, onwards.give), behaviour(onwards.seen));
      onwards.give();
      const events = await bed.ended(executionId);
      expect(events.map(({ name }) => name)).toEqual(['ExecutionRequested', 'ExecutionStarted', 'ExecutionUnknown']);
      await pause(2 * LEASE_MS);
      await expectOneChain(executionId);
      const [claim] = await bed.claims(executionId);
      await bed.until('the hold is marked unknown', async () => (await bed.events('reservations', String(claim?.['reservation_id']))).some(({ name }) => name === 'ReservationMarkedUnknown'));
    });
  });

  test('invariant 5: a twin that was paused with the claim in hand finds it taken', async () => {
    const there = signal();
    const onwards = signal();
    const first = bed.door.asks.length + 1;
    bed.door.pass((nth) => (nth === first ? { answered: () => (there.give(), onwards.seen) } : 'through'));
    const paused = await start();
    const { executionId } = await bed.allow({ amount: '8' }, { tool: TOOL });
    await there.seen;
    paused.signal('SIGSTOP');
    onwards.give();
    await start();
    const late = (await bed.ended(executionId)).at(-1)?.data['code'] === 'EXECUTE_BY_PASSED';
    paused.signal('SIGCONT');
    await pause(1_000);
    expect(await bed.names(executionId)).toEqual(['ExecutionRequested', 'ExecutionStarted', late ? 'ExecutionFailed' : 'ExecutionSucceeded']);
    if (late) return expectNoEffect(executionId);
    expect(effectsOf(executionId)).toHaveLength(1);
    expect(await bed.claims(executionId)).toHaveLength(1);
  });

  test('a paused executor whose call had gone out: UNKNOWN by another, settled by the answer it got', async () => {
    const onwards = signal();
    tool.behave(() => ({ answerAfter: onwards.seen }));
    const paused = await start();
    const { executionId } = await bed.allow({ amount: '9' }, { tool: TOOL });
    await bed.until('the tool has the request', async () => requestsOf(executionId).length === 1);
    paused.signal('SIGSTOP');
    onwards.give();
    await start();
    await bed.ended(executionId, /Unknown/);
    paused.signal('SIGCONT');
    const events = await bed.ended(executionId, /Reconciled/);
    expect(events.at(-1)).toMatchObject({ data: { result: 'executed', by: 'tool_query' } });
    expect(effectsOf(executionId)).toHaveLength(1);
  });

  test('invariant 5: two executors share the work, and neither names the other’s running call unknown', async () => {
    await Promise.all([start(), start()]);
    const slow = await bed.allow({ slow: true }, { tool: TOOL });
    tool.behave((request) => (request.headers['idempotency-key'] === slow.executionId ? { answerAfterMs: 2 * LEASE_MS } : {}));
    const many = await Promise.all(Array.from({ length: 30 }, (_, n) => bed.allow({ n }, { tool: TOOL })));
    const ends = new Map<string, string | undefined>();
    for (const { executionId } of [...many, slow]) ends.set(executionId, (await bed.ended(executionId, undefined)).at(-1)?.name);
    // A loaded machine may be too late for some; then nothing was sent for them.
    for (const [executionId, end] of ends) expect([executionId, end, effectsOf(executionId).length]).toEqual([executionId, end, end === 'ExecutionSucceeded' ? 1 : 0]);
    expect([...ends.values()]).not.toContain('ExecutionUnknown');
    expect([...ends.values()].filter((end) => end === 'ExecutionSucceeded').length).toBeGreaterThan(15);
  });
});
