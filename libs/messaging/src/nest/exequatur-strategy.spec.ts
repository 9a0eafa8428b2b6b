import { expect, test } from '@jest/globals';
import { ActionWithdrawn, StreamHeadsPublished } from '@exequatur/contracts';
import { Inbox } from '../inbox/inbox.js';
import { silentLogger } from '../logger.js';
import type { SubscribeOptions, Transport } from '../port.js';
import { ExequaturStrategy } from './exequatur-strategy.js';

/** Keeps what was asked of it; nothing here delivers. */
const asked: SubscribeOptions[] = [];
const transport: Transport = {
  publisher: { publish: () => Promise.resolve() },
  ensureTopics: () => Promise.resolve(), forgetTaken: () => Promise.resolve(),
  close: () => Promise.resolve(),
  subscribe: (options) => {
    asked.push(options);
    return Promise.resolve({ stop: () => Promise.resolve(), health: () => ({ sinceFetchMs: 0, lag: 0, failing: false }) });
  },
};
const strategyOf = (given: Transport = transport) =>
  new ExequaturStrategy({
    service: 'approvals',
    transport: given,
    inbox: new Inbox({ transact: () => Promise.reject<never>(new Error('no database here')) }),
    validate: () => undefined,
    verifyOrigin: () => ({ ok: false, reason: 'nobody' }),
    onQuarantined: { locks: () => ({ streams: [] }), record: () => Promise.resolve() },
    logger: silentLogger,
  });
const handler = () => Promise.resolve();
const listening = (strategy: ReturnType<typeof strategyOf>): Promise<unknown> => new Promise((resolve) => strategy.listen(resolve));

test('commands never cross a topic', () => {
  expect(() => strategyOf().addHandler('CancelApproval', handler, false)).toThrow('commands never cross a topic');
});

test('a handler of an event that contracts do not know is refused when the service starts', () => {
  expect(() => strategyOf().addHandler('dev.exequatur.actions.ActionMused.v1', handler, true)).toThrow('no event type of contracts');
});

test('one subscription, named like the service, to the topics of its handlers’ types', async () => {
  const strategy = strategyOf();
  strategy.addHandler(ActionWithdrawn.type, handler, true);
  expect(await listening(strategy)).toBeUndefined();
  expect(asked.pop()).toMatchObject({ group: 'approvals', topics: ['exequatur.actions.v1'] });
  expect(strategy.health()).toEqual({ sinceFetchMs: 0, lag: 0, failing: false });
  await strategy.close();
  expect(strategy.health()).toBeUndefined();
});

test('a fact that every service owns comes from every service’s own topic', async () => {
  const strategy = strategyOf();
  strategy.addHandler(StreamHeadsPublished.type, handler, true);
  await listening(strategy);
  expect(asked.pop()?.topics).toEqual(['exequatur.approvals.v1', 'exequatur.audit.v1', 'exequatur.directory.v1', 'exequatur.executions.v1', 'exequatur.reservations.v1']);
});

test('a service without handlers subscribes to nothing; a subscription that fails ends the start', async () => {
  const before = asked.length;
  expect(await listening(strategyOf())).toBeUndefined();
  expect(asked).toHaveLength(before);
  const refusing = strategyOf({ ...transport, subscribe: () => Promise.reject(new Error('topics missing')) });
  refusing.addHandler(ActionWithdrawn.type, handler, true);
  expect(await listening(refusing)).toMatchObject({ message: 'topics missing' });
});
