import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import { ExecutorBed, OPERATOR_TOKEN, TENANT } from '../spec/executor-bed.js';
import type { ExecutorProcess } from '../spec/executor-process.js';

const TOOL = { name: 'billing.refund', version: '1' };
const SILENT_TOOL = { name: 'silent.tool', version: '1' };
/** As long as reservations lets an action begin, and a little more. */
const PAST_EXECUTE_BY_MS = 10_500;
/** Nothing is measured here: a loaded machine may take its time. */
const PATIENCE_MS = 60_000;
const SLOW = 300_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The wall clock of a process that obeys signals: off from one SIGUSR2 to the next. The monotonic clock cannot be set. */
const clockThatJumps = (byMs: number): Record<string, string> => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`const right = Date.now; let off = 0; process.on('SIGUSR2', () => { off = off === 0 ? ${byMs} : 0; }); Date.now = () => right() + off;`)}`,
});

/** Reliability scenarios 2 and 15 at the executor: real processes, really paused, with clocks that are really wrong. */
describe('an executor that stalls with a claim in hand', () => {
  let bed: ExecutorBed;
  let tool: HttpTool;
  const processes: ExecutorProcess[] = [];
  const closing: (() => Promise<unknown>)[] = [];

  const start = async (more: Readonly<Record<string, string>> = {}): Promise<ExecutorProcess> => {
    const started = await bed.executorProcess(more);
    processes.push(started);
    return started;
  };
  const stopAll = async (): Promise<void> => {
    for (const each of processes.splice(0)) await each.stop();
  };
  beforeAll(async () => {
    bed = await ExecutorBed.start();
    tool = await startHttpTool();
    const first = await start();
    await bed.connect(await first.listening(), TOOL, { type: 'http', settings: { url: tool.url } });
    // The one that stalls is the only one: a twin would carry out what was claimed in time.
    await stopAll();
  }, SLOW);
  afterEach(async () => {
    await stopAll();
    for (const close of closing.splice(0)) await close();
    bed.door.pass(() => 'through');
  });
  afterAll(async () => {
    await bed.stop();
    await tool.stop();
  });

  /** Claims, with the answer held back; `released` lets it go on. */
  const claimed = async (more: Readonly<Record<string, string>> = {}, expiresInMs = 600_000) => {
    const executor = await start(more);
    let there = (): void => undefined;
    const answered = new Promise<void>((resolve) => (there = resolve));
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const first = bed.door.asks.length + 1;
    bed.door.pass((nth) => (nth === first ? { answered: () => (there(), released) } : 'through'));
    const allowed = await bed.allow({ amount: '7' }, { tool: TOOL, expires_at: new Date(Date.now() + expiresInMs).toISOString() });
    await answered;
    return { executor, release, ...allowed };
  };
  const effectsOf = (key: string) => tool.received.filter(({ headers }) => headers['idempotency-key'] === key);
  const endOf = (executionId: string) => bed.ended(executionId, undefined, PATIENCE_MS);
  const holdEnds = async (executionId: string): Promise<void> => {
    const [claim] = await bed.claims(executionId);
    await bed.until('the hold is released', async () => (await bed.events('reservations', String(claim?.['reservation_id']))).some(({ name }) => name === 'ReservationReleased'), PATIENCE_MS);
  };

  test('invariants 2, 15 and 16: paused until the scope is frozen and execute_by has passed, it does nothing', async () => {
    const { executor, release, executionId, actionId } = await claimed();
    executor.signal('SIGSTOP');
    const frozen = await bed.post(bed.reservationsOrigin, '/v1/freezes', { tenant: TENANT, scope: 'grant', value: actionId, reason: 'spec' }, bed.secrets.adminToken);
    expect(frozen).toMatchObject({ status: 201 });
    release();
    await pause(PAST_EXECUTE_BY_MS);
    executor.signal('SIGCONT');
    const events = await endOf(executionId);
    expect(events.map(({ name }) => name)).toEqual(['ExecutionRequested', 'ExecutionStarted', 'ExecutionFailed']);
    expect(events[2]?.data).toMatchObject({ code: 'EXECUTE_BY_PASSED' });
    expect(effectsOf(executionId)).toEqual([]);
    expect(await bed.claims(executionId)).toHaveLength(1);
    await holdEnds(executionId);
    const freezeId = String(frozen.body['freeze_id']);
    await bed.until('the freeze is quiesced', async () => (await bed.events('reservations', freezeId)).some(({ name }) => name === 'FreezeQuiesced'), PATIENCE_MS);
    expect((await bed.events('reservations', freezeId)).find(({ name }) => name === 'FreezeQuiesced')?.data).toMatchObject({ unknown_reservations: [] });
    await bed.post(bed.reservationsOrigin, `/v1/freezes/${freezeId}/lift`, { reason: 'spec' }, OPERATOR_TOKEN);
  }, SLOW);

  test('invariants 2 and 14: paused until its grant has expired, it does nothing', async () => {
    const { executor, release, executionId } = await claimed({}, 9_000);
    executor.signal('SIGSTOP');
    release();
    // Past its lease too, so that it is taken anew.
    await pause(PAST_EXECUTE_BY_MS);
    executor.signal('SIGCONT');
    const last = (await endOf(executionId)).at(-1);
    expect(['EXECUTE_BY_PASSED', 'GRANT_EXPIRED']).toContain(last?.data['code']);
    expect(effectsOf(executionId)).toEqual([]);
    await holdEnds(executionId);
  }, SLOW);

  test('invariants 2 and 16: paused between its start and the first byte, it sends none', async () => {
    // Takes connections, and says nothing while a TLS handshake is waited for.
    let heard = Buffer.alloc(0);
    let connected = (): void => undefined;
    const connection = new Promise<void>((resolve) => (connected = resolve));
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        heard = Buffer.concat([heard, chunk]);
        connected();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    const executor = await start();
    await bed.connect(await executor.listening(), SILENT_TOOL, { type: 'http', settings: { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` } });
    const { executionId } = await bed.allow({}, { tool: SILENT_TOOL });
    await connection;
    executor.signal('SIGSTOP');
    await pause(PAST_EXECUTE_BY_MS);
    executor.signal('SIGCONT');
    const events = await endOf(executionId);
    expect(events.map(({ name }) => name)).toEqual(['ExecutionRequested', 'ExecutionStarted', 'ExecutionFailed']);
    expect(['EXECUTE_BY_PASSED', 'PROVABLY_NOT_SENT']).toContain(events[2]?.data['code']);
    expect(heard.includes(executionId)).toBe(false);
  }, SLOW);

  describe('whose wall clock jumps', () => {
    test('invariant 28: two hours back lengthens nothing', async () => {
      const { executor, release, executionId } = await claimed(clockThatJumps(-7_200_000));
      executor.signal('SIGUSR2');
      await pause(PAST_EXECUTE_BY_MS);
      release();
      // Nobody believes the token of an executor whose clock is that wrong: it waits.
      await bed.until('it has asked again', async () => Number((await bed.row(executionId))['waits']) >= 2, PATIENCE_MS);
      expect(await bed.names(executionId)).toEqual(['ExecutionRequested']);
      executor.signal('SIGUSR2');
      const last = (await endOf(executionId)).at(-1);
      expect(last).toMatchObject({ name: 'ExecutionFailed', data: { code: 'EXECUTE_BY_PASSED' } });
      expect(effectsOf(executionId)).toEqual([]);
      await holdEnds(executionId);
    }, SLOW);

    test('invariant 28: two hours ahead gives up what it holds, and does nothing', async () => {
      const { executor, release, executionId } = await claimed(clockThatJumps(7_200_000));
      executor.signal('SIGUSR2');
      // The signal is handled before the answer that follows it.
      await pause(2_000);
      release();
      const last = (await endOf(executionId)).at(-1);
      expect(last).toMatchObject({ name: 'ExecutionFailed', data: { code: 'EXECUTE_BY_PASSED' } });
      expect(effectsOf(executionId)).toEqual([]);
      await holdEnds(executionId);
    }, SLOW);
  });
});
