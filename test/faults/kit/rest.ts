import { expect } from '@jest/globals';
import { named } from './exported-log.js';
import type { ExportedLog } from './exported-log.js';
import { committedEvents, everythingOf, notLogged } from './ledger.js';
import type { Rows } from './ledger.js';
import type { SteadyWork } from './steady-work.js';
import { persistently } from './tenant.js';
import type { Tenant } from './tenant.js';

const REPLAYED = 25;

/**
 * The end of every scenario with steady work, over log and journal. Nothing acknowledged is lost or there twice (4, 5, 20), the
 * first answer is given again (21), effects and chains belong together (23), the budget is what the log says (7, 8); and the
 * offline verifier finds nothing.
 */
export const expectNothingLost = async (rows: Rows, tenant: Tenant, origin: string, work: SteadyWork): Promise<ExportedLog> => {
  const told = await work.stop();
  // First until nothing is under way; then what is committed is all there is.
  const settled = await tenant.log((events) => everythingOf([], { actions: told.actions, effects: work.told().effects })(events));
  const committed = await committedEvents(rows, tenant.name);
  const log = await tenant.log((events) => everythingOf(committed, { actions: told.actions, effects: work.told().effects })(events));
  const { effects } = work.told();
  await work.close();
  expect(settled.report.violations).toEqual([]);
  expect(log.report).toMatchObject({ result: 'valid', violations: [] });
  expect(notLogged(committed, log.events)).toEqual([]);
  expect(everythingOf(committed, { actions: told.actions, effects })(log.events)).toEqual([]);

  // What was acknowledged is in the log, and each use once.
  expect(told.reserves.filter(({ reply }) => reply.status !== 201).map(({ reply }) => reply.bytes)).toEqual([]);
  expect(told.ends.filter(({ reply }) => reply.status !== 200).map(({ reply }) => reply.bytes)).toEqual([]);
  const held = named(log.events, 'reservation_id', 'ReservationHeld');
  const acked = told.reserves.map(({ reply }) => reply.body['reservation_id'] as string);
  expect(acked.filter((id) => !held.has(id))).toEqual([]);
  expect(new Set(acked).size).toBe(acked.length);
  const self = log.events.filter(({ name, data }) => name === 'ReservationHeld' && data['execution_mode'] === 'self');
  expect(self).toHaveLength(acked.length);
  const spent = named(log.events, 'reservation_id', 'ReservationCommitted');
  expect(acked.filter((id) => !spent.has(id))).toEqual([]);

  for (const { request, reply } of [...told.reserves, ...told.ends].filter((_, nth) => nth % Math.ceil((told.reserves.length + told.ends.length) / REPLAYED) === 0)) {
    const again = await persistently(origin, request);
    expect([again.status, again.bytes]).toEqual([reply.status, reply.bytes]);
  }

  expect(effects).toHaveLength(new Set(effects).size);
  const started = named(log.events, 'execution_id', 'ExecutionStarted');
  const [succeeded, unknown] = [named(log.events, 'execution_id', 'ExecutionSucceeded'), named(log.events, 'execution_id', 'ExecutionUnknown')];
  expect(effects.filter((key) => !started.has(key) || !(succeeded.has(key) || unknown.has(key)))).toEqual([]);
  expect([...succeeded].filter((key) => !effects.includes(key))).toEqual([]);

  const unsettled = [...named(log.events, 'reservation_id', 'ReservationMarkedUnknown')].filter((id) => !spent.has(id) && !named(log.events, 'reservation_id', 'ReservationReleased').has(id));
  expect(await tenant.balance()).toEqual({ held: unsettled.length, committed: spent.size });
  return log;
};
