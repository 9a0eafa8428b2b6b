import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApprovalGranted, streamKey } from '@exequatur/contracts';
import { originVerifier, parsePath } from '@exequatur/audit-chain';
import { newId } from '@exequatur/kernel';
import { actionStream, proposed, tenantCreated, tenantStream, trustedKeys, withdrawn } from './fixtures.js';
import { StreamNotLocked, VersionConflict } from '../port.js';
import type { EventStore, Locks, NewEvent, RecordedEvent, StreamWrite } from '../port.js';
import { InvalidEvent } from '../validation.js';
import { gate, pauseMs } from './waiting.js';

export interface StoreUnderTest<Tx> {
  /** Of service `policy`, signing with `signingKey` of fixtures.ts. */
  readonly store: EventStore<Tx>;
  close(): Promise<void>;
}

const verify = originVerifier(trustedKeys);
const proves = ({ bytes, path, signature, keyId, envelope }: RecordedEvent): boolean => verify(bytes, { path, signature, keyId }, envelope.tenant, 'policy').ok;

/** Long enough that what could have run would have; short enough to wait for. */
const settle = (): Promise<void> => pauseMs(100);

/** Every store behind the port behaves like this. */
export const runEventStoreContract = <Tx>(name: string, makeStore: () => Promise<StoreUnderTest<Tx>>): void => {
  describe(`event store contract: ${name}`, () => {
    let subject: StoreUnderTest<Tx>;
    let store: EventStore<Tx>;
    beforeAll(async () => {
      subject = await makeStore();
      store = subject.store;
    });
    afterAll(() => subject.close());

    const appendAll = (writes: readonly StreamWrite[]): Promise<readonly RecordedEvent[]> =>
      store.transact({ streams: writes.map(({ stream }) => stream) }, (tx) => store.append(tx, writes));
    const append = (stream: StreamWrite['stream'], expectedVersion: number, ...events: NewEvent[]): Promise<readonly RecordedEvent[]> => appendAll([{ stream, expectedVersion, events }]);
    const load = (stream: StreamWrite['stream']): Promise<readonly RecordedEvent[]> => store.transact({ streams: [] }, (tx) => store.load(tx, stream));

    test('what was appended is loaded, byte for byte, in order', async () => {
      const stream = actionStream();
      const first = await append(stream, 0, proposed(stream.id), withdrawn('one'));
      const second = await append(stream, 2, withdrawn('two'));
      const loaded = await load(stream);
      expect(loaded).toEqual([...first, ...second]);
      expect(loaded.map(({ version, envelope }) => [version, envelope.sequence])).toEqual([[1, '0000000001'], [2, '0000000002'], [3, '0000000003']]);
      for (const { bytes, envelope } of loaded) expect(JSON.parse(bytes.toString('utf8'))).toEqual(envelope);
    });

    test('an envelope says who, where, when and why', async () => {
      const stream = actionStream('globex');
      const id = newId();
      const [recorded] = await append(stream, 0, { ...proposed(stream.id, 'globex'), id, time: '2026-01-31T08:00:00.000001Z', causationId: 'key-1' });
      expect(recorded?.envelope).toMatchObject({
        specversion: '1.0',
        id,
        source: '/tenants/globex/services/policy',
        type: 'dev.exequatur.actions.ActionProposed.v1',
        subject: stream.id,
        time: '2026-01-31T08:00:00.000001Z',
        partitionkey: `globex/action/${stream.id}`,
        tenant: 'globex',
        correlationid: stream.id,
        causationid: 'key-1',
        actortype: 'agent',
        actorid: 'researcher',
        sealed: { alg: 'A256GCM' },
      });
    });

    test('a stream without events is empty', async () => {
      expect(await load(actionStream())).toEqual([]);
    });

    test('the same submission again is a conflict that names both versions, and adds nothing', async () => {
      const stream = actionStream();
      await append(stream, 0, withdrawn());
      const again = append(stream, 0, withdrawn());
      await expect(again).rejects.toThrow(VersionConflict);
      await expect(again).rejects.toMatchObject({ streamKey: streamKey(stream), expected: 0, actual: 1 });
      expect(await load(stream)).toHaveLength(1);
    });

    test('an expectation ahead of the stream is a conflict, so no version is ever missing', async () => {
      const stream = actionStream();
      await append(stream, 0, withdrawn());
      await expect(append(stream, 2, withdrawn())).rejects.toMatchObject({ expected: 2, actual: 1 });
      expect(await load(stream)).toHaveLength(1);
    });

    test('one stale stream refuses the whole append', async () => {
      const [fresh, stale] = [actionStream(), actionStream()];
      await append(stale, 0, withdrawn());
      await expect(appendAll([{ stream: fresh, expectedVersion: 0, events: [withdrawn()] }, { stream: stale, expectedVersion: 0, events: [withdrawn()] }])).rejects.toMatchObject({ streamKey: streamKey(stale) });
      expect(await load(fresh)).toEqual([]);
    });

    test('a throw after the append undoes it', async () => {
      const stream = actionStream();
      const work = store.transact({ streams: [stream] }, async (tx) => {
        await store.append(tx, [{ stream, expectedVersion: 0, events: [withdrawn()] }]);
        expect(await store.load(tx, stream)).toHaveLength(1);
        throw new Error('changed my mind');
      });
      await expect(work).rejects.toThrow('changed my mind');
      expect(await load(stream)).toEqual([]);
    });

    test('what is not committed is not seen', async () => {
      const stream = actionStream();
      const held = gate();
      const writing = store.transact({ streams: [stream] }, async (tx) => {
        await store.append(tx, [{ stream, expectedVersion: 0, events: [withdrawn()] }]);
        await held.opened;
      });
      await settle();
      expect(await load(stream)).toEqual([]);
      held.open();
      await writing;
      expect(await load(stream)).toHaveLength(1);
    });

    test('each event proves its origin alone, one signature for all of a tenant', async () => {
      const [one, two, other] = [actionStream(), actionStream(), actionStream('globex')];
      const recorded = await appendAll([
        { stream: one, expectedVersion: 0, events: [withdrawn('1'), withdrawn('2')] },
        { stream: other, expectedVersion: 0, events: [withdrawn('3')] },
        { stream: two, expectedVersion: 0, events: [withdrawn('4')] },
      ]);
      expect(recorded.map(proves)).toEqual([true, true, true, true]);
      expect(recorded.map(({ path }) => parsePath(path)).map((place) => [place?.index, place?.size])).toEqual([[0, 3], [1, 3], [0, 1], [2, 3]]);
      expect(new Set(recorded.map(({ signature }) => signature)).size).toBe(2);
      expect((await load(two)).map(proves)).toEqual([true]);
    });

    test('invariant 25: no flipped byte of an event proves its origin', async () => {
      const stream = actionStream();
      await append(stream, 0, withdrawn('a'), withdrawn('b'));
      const [event] = await load(stream);
      if (!event) throw new Error('nothing loaded');
      const survivors = [...event.bytes.keys()].filter((index) => {
        const bytes = Buffer.from(event.bytes);
        bytes.writeUInt8(bytes.readUInt8(index) ^ 1, index);
        return proves({ ...event, bytes });
      });
      expect(survivors).toEqual([]);
    });

    test('what does not have its shape is refused before anything is written', async () => {
      const stream = actionStream();
      const extra = { ...withdrawn(), data: { action_id: stream.id, reason: 'x', surprise: 1 } };
      await expect(append(stream, 0, withdrawn(), extra)).rejects.toMatchObject({ pointer: '/data/surprise' });
      const foreign: NewEvent = { definition: ApprovalGranted, actor: { type: 'person', id: 'ann' }, data: {} };
      await expect(append({ ...stream, aggregate: 'approval' }, 0, foreign)).rejects.toThrow(InvalidEvent);
      await expect(append(tenantStream(), 0, withdrawn())).rejects.toMatchObject({ pointer: '/partitionkey' });
      await expect(append(actionStream('no spaces allowed'), 0, withdrawn())).rejects.toMatchObject({ pointer: '/tenant' });
      expect(await load(stream)).toEqual([]);
    });

    test('an append to a stream that was not locked first is refused', async () => {
      const stream = actionStream();
      const late = store.transact({ streams: [actionStream()] }, (tx) => store.append(tx, [{ stream, expectedVersion: 0, events: [withdrawn()] }]));
      await expect(late).rejects.toThrow(StreamNotLocked);
      const twice = { stream, expectedVersion: 0, events: [withdrawn()] };
      await expect(appendAll([twice, twice])).rejects.toThrow('names a stream once');
      expect(await load(stream)).toEqual([]);
    });

    test('an append of nothing writes nothing', async () => {
      expect(await append(actionStream(), 0)).toEqual([]);
      expect(await appendAll([])).toEqual([]);
    });

    test('different topics, one transaction', async () => {
      const tenant = `t-${newId()}`;
      const stream = actionStream(tenant);
      const recorded = await appendAll([{ stream: tenantStream(tenant), expectedVersion: 0, events: [tenantCreated(tenant)] }, { stream, expectedVersion: 0, events: [withdrawn()] }]);
      expect(recorded.map(({ envelope }) => envelope.type)).toEqual(['dev.exequatur.directory.TenantCreated.v1', 'dev.exequatur.actions.ActionWithdrawn.v1']);
    });

    /** Starts both; says which ran while the first was held open. */
    const ranBeside = async (first: Locks, second: Locks): Promise<boolean> => {
      const held = gate();
      let ran = false;
      const holding = store.transact(first, () => held.opened);
      await settle();
      const following = store.transact(second, () => Promise.resolve(void (ran = true)));
      await settle();
      const beside = ran;
      held.open();
      await Promise.all([holding, following]);
      expect(ran).toBe(true);
      return beside;
    };
    const fence = (mode: 'shared' | 'exclusive', tenant = 'acme'): Locks => ({ fences: [{ tenant, mode }], streams: [] });

    test('one stream is for one transaction at a time; others go on beside it', async () => {
      const stream = actionStream();
      expect(await ranBeside({ streams: [stream] }, { streams: [{ ...stream }] })).toBe(false);
      expect(await ranBeside({ streams: [stream] }, { streams: [actionStream()] })).toBe(true);
      expect(await ranBeside({ streams: [stream] }, { streams: [{ ...stream, tenant: 'globex' }] })).toBe(true);
    });

    test('a fence is shared by many or held by one', async () => {
      expect(await ranBeside(fence('shared'), fence('shared'))).toBe(true);
      expect(await ranBeside(fence('shared'), fence('exclusive'))).toBe(false);
      expect(await ranBeside(fence('exclusive'), fence('shared'))).toBe(false);
      expect(await ranBeside(fence('exclusive'), fence('exclusive', 'globex'))).toBe(true);
      expect(await ranBeside({ fences: [{ tenant: 'acme', mode: 'exclusive' }, { tenant: 'acme', mode: 'shared' }], streams: [] }, fence('shared'))).toBe(false);
    });

    test('a failed transaction gives its locks back', async () => {
      const stream = actionStream();
      const locks: Locks = { ...fence('exclusive'), streams: [stream] };
      await expect(store.transact(locks, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
      expect(await store.transact(locks, () => Promise.resolve('had'))).toBe('had');
    });

    test('many writers of the same streams, named in any order, all get through', async () => {
      const streams = [actionStream(), actionStream(), actionStream()];
      const attempt = async (turn: number): Promise<void> => {
        const wanted = turn % 2 === 0 ? streams : [...streams].reverse();
        await store.transact({ fences: [{ tenant: 'acme', mode: 'shared' }], streams: wanted }, async (tx) => {
          const versions = await Promise.all(wanted.map(async (stream) => (await store.load(tx, stream)).length));
          await store.append(tx, wanted.map((stream, index) => ({ stream, expectedVersion: versions[index] ?? 0, events: [withdrawn(String(turn))] })));
        });
      };
      await Promise.all(Array.from({ length: 20 }, (_, turn) => attempt(turn)));
      for (const stream of streams) expect((await load(stream)).map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    });
  });
};
