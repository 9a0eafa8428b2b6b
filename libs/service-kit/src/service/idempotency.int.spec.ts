import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { PgEventStore } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import type { KeyStore } from '@exequatur/sealing';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { Batcher } from '../batcher/batcher.js';
import { Database } from '../database/database.js';
import { Answer } from '../http/answer.js';
import { Idempotency, type Claim, type IdempotentScope } from '../idempotency/idempotency.js';
import { Problem } from '../problem/problem.js';
import { Gate, NotesModule } from '../spec/notes.module.js';
import { addAgent } from '../spec/test-credentials.js';
import { until } from '../spec/until.js';
import { FirstTables1700000000000, testInstallation, type TestInstallation } from '../spec/test-installation.js';
import { createService } from './create-service.js';
import type { RunningService } from './service-definition.js';
import { KEY_STORE } from './tokens.js';

describe('invariant 21: idempotency', () => {
  let postgres: TestPostgres;
  let installation: TestInstallation;
  let service: RunningService;
  let database: Database;
  let origin: string;
  let agent: string;
  let other: string;

  const post = (key: string, body: object, token = agent): Promise<Response> =>
    fetch(`${origin}/v1/notes`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key }, body: JSON.stringify(body), signal: AbortSignal.timeout(5_000) });
  const notes = async (): Promise<number> => (await database.query('SELECT FROM note')).rowCount ?? 0;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    installation = await testInstallation(postgres);
    service = await createService({ name: 'reservations', module: NotesModule, migrations: [FirstTables1700000000000] }, installation.configOf('reservations'));
    origin = await service.listen();
    database = service.app.get(Database);
    agent = await addAgent(database, 'acme', 'outreach');
    other = await addAgent(database, 'acme', 'other');
  });
  afterEach(() => database.query('DELETE FROM note'));
  afterAll(async () => {
    await service.close();
    await postgres.stop();
  });

  test.each([[false], [true]])('same key and body: the byte-equal first answer, one effect (sealed under its action: %s)', async (isSealed) => {
    const key = newId();
    const body = { id: newId(), text: 'canary-77', ...(isSealed ? { action_id: newId() } : {}) };
    const first = await post(key, body);
    const again = await post(key, body);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(await again.text()).toBe(await first.text());
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(await notes()).toBe(1);
    const { rows } = await database.query<{ body: Buffer }>('SELECT body FROM idempotency ORDER BY kept_at DESC LIMIT 1');
    expect(rows[0]?.body.includes('canary-77')).toBe(!isSealed);
  });

  test('another body: 422, no effect', async () => {
    const key = newId();
    await post(key, { id: newId(), text: 'one' });
    const refused = await post(key, { id: newId(), text: 'two' });
    expect(await refused.json()).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', status: 422 });
    expect(await notes()).toBe(1);
  });

  test('another principal may use the same key', async () => {
    const key = newId();
    expect((await post(key, { id: newId(), text: 'one' })).status).toBe(201);
    expect((await post(key, { id: newId(), text: 'two' }, other)).status).toBe(201);
    expect(await notes()).toBe(2);
  });

  test('concurrent: one winner, the others 409 and then its answer', async () => {
    const gate = service.app.get(Gate);
    const key = newId();
    const body = { id: newId(), text: 'race' };
    gate.shut();
    const before = gate.entered;
    const first = post(key, body);
    await until(() => gate.entered > before);
    // Without the claim the second one would wait for the first one's row, and both for this test.
    const second = await post(key, body).finally(() => gate.release());
    expect(await second.json()).toMatchObject({ code: 'IDEMPOTENCY_IN_FLIGHT', status: 409, retryable: true });
    const winner = await first;
    expect(winner.status).toBe(201);
    expect(await (await post(key, body)).text()).toBe(await winner.text());
    expect(await notes()).toBe(1);
  });

  test('what was refused by throwing is not kept: the same key may succeed later', async () => {
    const key = newId();
    expect((await post(key, { id: newId(), text: 'refuse me' })).status).toBe(409);
    expect((await post(key, { id: newId(), text: 'fine' })).status).toBe(201);
  });

  test('an answer whose action was erased cannot be read, and the effect is not made again', async () => {
    const key = newId();
    const actionId = newId();
    const body = { id: newId(), text: 'personal', action_id: actionId };
    await post(key, body);
    await service.app.get<KeyStore>(KEY_STORE).destroyActionKey('acme', actionId);
    const answer = await post(key, body);
    expect(await answer.json()).toMatchObject({ code: 'CONFLICT' });
    expect(await notes()).toBe(1);
  });

  test('a key can be used anew after its time, and expired answers are swept', async () => {
    const key = newId();
    await post(key, { id: newId(), text: 'old' });
    await database.query("UPDATE idempotency SET expires_at = clock_timestamp() - interval '1 second'");
    expect((await post(key, { id: newId(), text: 'new' })).status).toBe(201);
    await database.query("UPDATE idempotency SET expires_at = clock_timestamp() - interval '1 second'");
    expect(await service.app.get(Idempotency).sweep(database)).toBeGreaterThan(0);
    expect((await database.query('SELECT FROM idempotency')).rowCount).toBe(0);
  });

  describe('in batches', () => {
    interface Note {
      readonly scope: IdempotentScope;
      readonly id: string;
      readonly actionId?: string;
    }
    const note = (key: string, more: Partial<Note> = {}): Note => ({
      id: newId(),
      scope: { tenant: 'acme', principal: 'agent/outreach', operation: 'batch-note', key, inputHash: Buffer.alloc(32, 1) },
      ...more,
    });

    type Twin = Extract<Claim, { status: 'twin' }>;
    /** What a hot path does, in small: claim all, write what is new, keep all. */
    const write = (commands: readonly Note[]): Promise<readonly (Answer | Problem | Twin)[]> => {
      const idempotency = service.app.get(Idempotency);
      return service.app.get(PgEventStore).transact({ streams: [] }, async (tx) => {
        const claims = await idempotency.claimMany(tx, commands.map(({ scope }) => scope));
        const answers = claims.map((claim, index) => {
          if (claim.status === 'replay') return claim.replay;
          if (claim.status === 'refused') return claim.problem;
          if (claim.status === 'twin') return claim;
          return Answer.json(201, { id: commands[index]?.id });
        });
        const fresh = commands.flatMap((command, index) => {
          const answer = answers[index];
          return claims[index]?.status === 'new' && answer instanceof Answer ? [{ command, answer }] : [];
        });
        await tx.query("INSERT INTO note (id, tenant, text) SELECT id, 'acme', 'batch' FROM unnest($1::uuid[]) AS new (id)", [fresh.map(({ command }) => command.id)]);
        await idempotency.keepMany(tx, fresh.map(({ command, answer }) => ({ scope: command.scope, kept: { answer, ...(command.actionId === undefined ? {} : { actionId: command.actionId }) } })));
        return answers;
      });
    };

    test('new, replayed, reused and doubled keys side by side, sealed ones among them', async () => {
      const [a, b] = [note(newId()), note(newId(), { actionId: newId() })];
      const first = await write([a, b]);
      const reused = { ...a, scope: { ...a.scope, inputHash: Buffer.alloc(32, 2) } };
      const c = note(newId());
      const second = await write([a, b, reused, c, c]);
      expect(second.slice(0, 2)).toEqual(first);
      expect(second.slice(2).map((answer) => (answer instanceof Problem ? answer.code : answer instanceof Answer ? answer.status : `twin of ${answer.of}`))).toEqual(['IDEMPOTENCY_KEY_REUSED', 201, 'twin of 3']);
      expect(await notes()).toBe(3);
    });

    test('a COMMIT whose answer is lost: the batch runs again and every command gets its first answer, once made', async () => {
      let runs = 0;
      const batcher = new Batcher<Note, Answer | Problem | Twin>({
        name: 'spec',
        tenantOf: ({ scope }) => scope.tenant,
        run: async (commands) => {
          runs += 1;
          const answers = await write(commands);
          // The server committed; the connection then broke before anybody heard.
          if (runs === 1) throw new Error('Connection terminated unexpectedly');
          return answers;
        },
      });
      const commands = [note(newId()), note(newId(), { actionId: newId() }), note(newId())];
      const answers = await Promise.all(commands.map((command) => batcher.submit(command)));
      expect(runs).toBe(2);
      expect(answers.map((answer) => answer instanceof Answer && (JSON.parse(answer.body.toString('utf8')) as { id: string }).id)).toEqual(commands.map(({ id }) => id));
      expect(await notes()).toBe(3);
    });

    test('one that waits for a lock of somebody else does not stop the others', async () => {
      const locked = newId();
      const holder = new pg.Client({ connectionString: installation.urlOf('reservations') });
      await holder.connect();
      await database.query("INSERT INTO note (id, tenant, text) VALUES ($1, 'acme', 'held')", [locked]);
      await holder.query('BEGIN');
      await holder.query('SELECT FROM reservations.note WHERE id = $1 FOR UPDATE', [locked]);
      const batcher = new Batcher<string, string>({
        name: 'spec',
        tenantOf: () => 'acme',
        run: (ids) =>
          service.app.get(PgEventStore).transact({ streams: [] }, async (tx) => {
            await tx.query("SET LOCAL lock_timeout = '50ms'");
            for (const id of ids) await tx.query("INSERT INTO note AS n (id, tenant, text) VALUES ($1, 'acme', 'mine') ON CONFLICT (id) DO UPDATE SET text = 'changed'", [id]);
            return ids;
          }),
      });
      const ids = [newId(), locked, newId(), newId()];
      const outcomes = ids.map((id) => batcher.submit(id).catch((error: unknown) => (error instanceof Problem ? error.code : 'broken')));
      expect(await Promise.all(outcomes)).toEqual([ids[0], 'BUSY', ids[2], ids[3]]);
      await holder.query('ROLLBACK');
      await holder.end();
      await expect(batcher.submit(locked)).resolves.toBe(locked);
    });
  });
});
