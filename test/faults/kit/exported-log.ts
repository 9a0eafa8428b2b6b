import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { verifyExport } from '@exequatur/audit-verify';
import type { Report } from '@exequatur/audit-verify';
import { isLongRun } from './seeds.js';

/** How long the log may need to hold what happened: a killed projector's consumer group rejoins within a session timeout, twice at worst; long runs leave thousands of executions waiting. */
const SETTLE_WITHIN_MS = isLongRun() ? 1_800_000 : 240_000;

export interface LoggedEvent {
  readonly id: string;
  /** name alone, as in contracts: `ReservationHeld` */
  readonly name: string;
  readonly subject: string;
  readonly time: string;
  readonly tenant: string;
  readonly data: Record<string, unknown>;
}

/** The exported log of one tenant with the offline verifier's word on it. */
export interface ExportedLog {
  readonly report: Report;
  /** in the order of the log */
  readonly events: readonly LoggedEvent[];
}

export interface LogSource {
  /** origin of the audit service */
  readonly url: string;
  readonly auditorToken: string;
  readonly trustedKeys: NonNullable<Parameters<typeof verifyExport>[1]>;
}

async function* streamed(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

const eventsOf = (lines: readonly string[]): LoggedEvent[] =>
  lines.flatMap((line) => {
    const { bytes_b64 } = JSON.parse(line) as { bytes_b64?: string };
    if (bytes_b64 === undefined) return [];
    const event = JSON.parse(Buffer.from(bytes_b64, 'base64').toString()) as LoggedEvent & { type: string };
    return [{ id: event.id, name: event.type.split('.').at(-2) ?? '', subject: event.subject, time: event.time, tenant: event.tenant, data: event.data }];
  });

const exported = async ({ url, auditorToken, trustedKeys }: LogSource): Promise<ExportedLog> => {
  // As they stand before: heads that a witness is shown while the export is taken are over more leaves than it has.
  const before = { ...trustedKeys, ...(trustedKeys.knownHeads === undefined ? {} : { knownHeads: [...trustedKeys.knownHeads] }) };
  const response = await fetch(`${url}/v1/exports`, { method: 'POST', headers: { authorization: `Bearer ${auditorToken}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() }, body: '{}', signal: AbortSignal.timeout(600_000) });
  if (!response.ok) throw new Error(`the export answered ${response.status}`);
  const lines = (await response.text()).split('\n').filter((line) => line !== '');
  return { report: await verifyExport(streamed(lines), before), events: eventsOf(lines) };
};

/**
 * The log once it holds everything that is expected and is valid. A shorter log is just as valid, so validity alone says nothing
 * about what its projector has yet to read. When the time is up the log is returned as it is: the test then names what is lost.
 * @param missing what the log must still come to hold
 */
export const settledLog = async (source: LogSource, missing: (events: readonly LoggedEvent[]) => readonly string[], withinMs = SETTLE_WITHIN_MS): Promise<ExportedLog> => {
  const deadline = performance.now() + withinMs;
  for (;;) {
    // Not by instanceof: what fetch throws is an Error of another realm.
    const log = await exported(source).catch((error: unknown) => ({ error }));
    const late = performance.now() > deadline;
    if ('report' in log && (late || (log.report.result === 'valid' && missing(log.events).length === 0))) return log;
    if (late) throw 'error' in log ? log.error : new Error('the log did not settle');
    await delay(500);
  }
};

/** A field of the events of these names, as a set. */
export const named = (events: readonly LoggedEvent[], field: string, ...names: readonly string[]): Set<string> =>
  new Set(events.filter(({ name }) => names.includes(name)).map(({ data }) => String(data[field])));

export const EXECUTION_ENDS = ['ExecutionSucceeded', 'ExecutionFailed', 'ExecutionUnknown', 'ExecutionSkipped'] as const;
export const RESERVATION_ENDS = ['ReservationCommitted', 'ReservationReleased', 'ReservationExpired', 'ReservationMarkedUnknown'] as const;

/** What a log still lacks of managed actions: their proposal and end, the end of what the tool did, the end of every claim. */
export const unfinished = (events: readonly LoggedEvent[], happened: { readonly actions: readonly string[]; readonly effects: readonly string[] }): readonly string[] => {
  const proposed = named(events, 'action_id', 'ActionProposed');
  const ended = named(events, 'action_id', ...EXECUTION_ENDS);
  const started = named(events, 'execution_id', 'ExecutionStarted');
  const endedExecutions = named(events, 'execution_id', ...EXECUTION_ENDS);
  const settled = named(events, 'reservation_id', ...RESERVATION_ENDS);
  return [
    ...happened.actions.filter((id) => !proposed.has(id) || !ended.has(id)).map((id) => `action ${id}`),
    ...happened.effects.filter((key) => !started.has(key) || !endedExecutions.has(key)).map((key) => `effect ${key}`),
    ...[...named(events, 'reservation_id', 'ReservationHeld')].filter((id) => !settled.has(id)).map((id) => `claim ${id}`),
  ];
};
