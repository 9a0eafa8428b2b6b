import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceName } from '@exequatur/contracts';
import { startHttpTool } from '@exequatur/local-servers';
import type { Report } from '@exequatur/audit-verify';
import { ExequaturClient, ExequaturProblem, ExequaturUnreachable } from '@exequatur/sdk';
import type { ActionStatus } from '@exequatur/sdk';
import { named, settledLog, unfinished } from './kit/exported-log.js';
import type { LogSource } from './kit/exported-log.js';
import { randomFrom } from './seeded-random.js';

/** What a crash run needs of a running Exequatur, in one process or five. */
export interface Victim {
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly adminToken: string;
  readonly trustedKeys: LogSource['trustedKeys'];
  /** what can be killed: service names, or the one process */
  readonly targets: readonly string[];
  /** kill -9; resolves when it is gone. It comes back by itself. */
  kill(target: string): Promise<void>;
}

export interface CrashRun {
  readonly proposed: readonly string[];
  readonly statuses: Readonly<Record<string, ActionStatus>>;
  /** effect keys in the order the tool acted */
  readonly effects: readonly string[];
  readonly kills: Readonly<Record<string, number>>;
  readonly report: Report;
  /** what the log never came to hold of all this */
  readonly missing: readonly string[];
  /** execution ids by what the log says became of them */
  readonly executions: { readonly started: ReadonlySet<string>; readonly succeeded: ReadonlySet<string>; readonly unknown: ReadonlySet<string> };
}

const ACTIONS = 200;
const CLIENTS = 8;
/** Enough that every target dies and some die twice; more only make the run long. */
const MAX_KILLS = 8;
const SETTLE_WITHIN_MS = 300_000;
/** A killed process comes back within this even where others use the machine. */
const BACK_WITHIN_MS = 240_000;
const TERMINAL: readonly ActionStatus[] = ['executed', 'failed', 'unknown', 'denied', 'expired', 'released'];

const POLICY = `version: 1
classes:
  routine: { kinds: [crm.contact.update], default: allow, on_silence: unknown }
tools:
  crm.update: { kind: crm.contact.update, risk_points: 1, target: /contact }
`;

/** Writes survive a service being down: the same Idempotency-Key again until it answers. */
const persistently = async <T>(attempt: () => Promise<T>): Promise<T> => {
  for (const deadline = performance.now() + BACK_WITHIN_MS; ; ) {
    try {
      return await attempt();
    } catch (error) {
      const away = error instanceof ExequaturUnreachable || (error instanceof ExequaturProblem && error.retryable);
      if (!away || performance.now() > deadline) throw error;
      await delay(100);
    }
  }
};

const posting = (victim: Victim) => async (service: ServiceName, path: string, body: unknown): Promise<Record<string, string>> => {
  const key = randomUUID();
  for (const deadline = performance.now() + BACK_WITHIN_MS; ; ) {
    const response = await fetch(`${victim.urls[service]}${path}`, { method: 'POST', headers: { authorization: `Bearer ${victim.adminToken}`, 'content-type': 'application/json', 'idempotency-key': key }, body: JSON.stringify(body) }).catch(() => undefined);
    if (response?.ok) return (await response.json()) as Record<string, string>;
    if (performance.now() > deadline) throw new Error(`POST ${path} answered ${response?.status}: ${await response?.text()}`);
    await delay(100);
  }
};

/** 200 managed actions by 8 clients, while processes are killed at seeded moments; then rest, the exported log, and the tool's journal. */
export const crashRun = async (victim: Victim, seed: number): Promise<CrashRun> => {
  const random = randomFrom(seed);
  const tool = await startHttpTool({});
  tool.behave(() => ({ answerAfterMs: Math.floor(random() * 30) }));
  const post = posting(victim);
  const tenant = `crash-${seed}`;
  await post('policy', '/v1/tenants', { tenant, display_name: tenant });
  await post('policy', '/v1/agents', { tenant, agent: 'worker', display_name: 'Worker', scope_prefix: `tenant:${tenant}` });
  const { key: apiKey } = await post('policy', '/v1/agents/worker/keys', { tenant });
  await post('policy', '/v1/policies', { tenant, source: POLICY, reason: 'crash run' });
  const auditor = await post('policy', '/v1/people', { tenant, person: 'ada', subject: 'local#ada', roles: ['auditor'], issue_token: true });
  await post('reservations', '/v1/budgets', { tenant, scope_path: `tenant:${tenant}`, unit: 'RISK_POINTS', cap: String(ACTIONS) });
  await post('executor', '/v1/connectors', { tenant, tool: { name: 'crm.update', version: '1.0' }, type: 'http', settings: { url: `${tool.url}/contacts`, private_networks: ['127.0.0.1'] } });

  const client = new ExequaturClient({ baseUrl: victim.urls, apiKey: apiKey ?? '', attempts: 6 });
  const kills: Record<string, number> = {};
  let killing = true;
  const killer = (async (): Promise<void> => {
    // Each target once in seeded order, then at random for as long as the run lasts.
    const first = [...victim.targets].sort(() => random() - 0.5);
    for (let nth = 0; killing && nth < MAX_KILLS; nth += 1) {
      await delay(250 + Math.floor(random() * 500));
      const target = first.shift() ?? victim.targets[Math.floor(random() * victim.targets.length)];
      if (!killing || target === undefined) return;
      await victim.kill(target);
      kills[target] = (kills[target] ?? 0) + 1;
      await delay(400);
    }
  })();

  const proposed: string[] = [];
  let next = 0;
  try {
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (next < ACTIONS) {
        const contact = `contact-${next++}`;
        const key = randomUUID();
        const answer = await persistently(() =>
          client.propose({ scope_path: `tenant:${tenant}`, run_id: 'run-1', action_kind: 'crm.contact.update', tool: { name: 'crm.update', version: '1.0' }, target: contact, arguments: { contact, city: 'Hamburg' }, reversal: { reason: 'the contact can be edited again' }, execution_mode: 'managed' }, key),
        );
        proposed.push(answer.action_id);
        await delay(Math.floor(random() * 60));
      }
    }),
  );
  while (victim.targets.some((target) => kills[target] === undefined)) await delay(50);
  } finally {
    killing = false;
    await killer;
  }

  const statuses: Record<string, ActionStatus> = {};
  const settleBy = Date.now() + SETTLE_WITHIN_MS;
  for (const actionId of proposed) {
    for (;;) {
      const { status } = await persistently(() => client.action(actionId));
      statuses[actionId] = status;
      if (TERMINAL.includes(status) || Date.now() > settleBy) break;
      await delay(100);
    }
  }
  const effects = tool.effects.map((effect) => effect.key ?? 'none');
  const source = { url: victim.urls.audit, auditorToken: auditor['token'] ?? '', trustedKeys: victim.trustedKeys };
  const { report, events } = await settledLog(source, (logged) => unfinished(logged, { actions: proposed, effects }));
  await tool.stop();
  const executions = { started: named(events, 'execution_id', 'ExecutionStarted'), succeeded: named(events, 'execution_id', 'ExecutionSucceeded'), unknown: named(events, 'execution_id', 'ExecutionUnknown') };
  return { proposed, statuses, effects, kills, report, executions, missing: unfinished(events, { actions: proposed, effects }) };
};
