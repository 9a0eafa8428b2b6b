/**
 * One of several processes of approvals on one database. Told its environment it starts the whole service; told requests it
 * says `ready`, waits for `go` (the start barrier), and sends them to itself, all at once.
 */
import 'reflect-metadata';
import { createService, loadConfig } from '@exequatur/service-kit';
import type { RunningService } from '@exequatur/service-kit';
import type { RaceMessage, RaceReport } from '@exequatur/testing';
import { approvalsService } from '../index.js';

export interface RaceRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** a person who is told that the request moved on reads it again, and tries again: at this path */
  readonly readAgain?: string;
}
export interface RaceAnswer {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** status of the request after it, where the answer says so */
  readonly became: string;
}
/** The environment of the service. */
export type RaceSetup = Readonly<Record<string, string>>;

/** More would mean that nobody ever gets to decide. */
const MOST_TRIES = 10;

const say = (report: RaceReport<RaceAnswer>): void => void process.send?.(report);
let service: RunningService | undefined;
let origin = '';
let requests: readonly RaceRequest[] = [];

const field = (text: string, name: string): string => {
  try {
    return String((JSON.parse(text) as Record<string, unknown>)[name] ?? '');
  } catch {
    return '';
  }
};

const send = async (request: RaceRequest, tries = 1): Promise<RaceAnswer> => {
  const answer = await fetch(`${origin}${request.path}`, { method: 'POST', headers: request.headers, body: request.body, redirect: 'manual' });
  const text = await answer.text();
  // The barrier may hold the lock for longer than a request waits for it, or a connection; then it is asked again, as the answer says.
  if (answer.status === 429 || answer.status === 503) return send(request, tries);
  if (answer.status === 412 && request.readAgain !== undefined && tries < MOST_TRIES) {
    const seen = await fetch(`${origin}${request.readAgain}`, { headers: { authorization: request.headers['authorization'] ?? '' } });
    const { view_hash } = (await seen.json()) as { view_hash: string };
    const body = JSON.stringify({ ...(JSON.parse(request.body) as object), view_hash });
    return send({ ...request, body, headers: { ...request.headers, 'if-match': seen.headers.get('etag') ?? '', 'idempotency-key': `${request.headers['idempotency-key']}-${tries}` } }, tries + 1);
  }
  return { status: answer.status, code: field(text, 'code'), detail: field(text, 'detail'), became: answer.status === 200 ? field(text, 'status') : '' };
};

const start = async (environment: RaceSetup): Promise<void> => {
  // A barrier that is held until everybody waits is held for longer, on a loaded machine, than a request waits for a lock.
  service = await createService({ ...approvalsService.definition, lockTimeoutMs: 8_000 }, loadConfig(approvalsService.Config, environment));
  origin = await service.listen();
  say('ready');
};

process.on('message', (message: RaceMessage<RaceSetup, RaceRequest>) => {
  if (message === 'go') void Promise.all(requests.map((request) => send(request))).then((outcomes) => say({ outcomes }));
  else if (message === 'end') void service?.close().finally(() => process.disconnect());
  else if ('setup' in message) void start(message.setup);
  else {
    requests = message.tasks;
    say('ready');
  }
});
