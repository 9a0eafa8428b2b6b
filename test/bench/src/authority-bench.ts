import { readFileSync } from 'node:fs';
import { budgetLoop, defineBudget, grantsOn, ledger, lifecycleLoop } from './authority.js';
import { startAuthorityServer } from './authority-server.js';
import type { AuthorityServer } from './authority-server.js';
import { seedBench } from './bench-tenant.js';
import { wireTo } from './http.js';
import type { Wire } from './http.js';
import type { Rounds, Window } from './load.js';
import { emptyHandler } from './reference.js';

/** CPU seconds (user and system) of a process and its children, from /proc; undefined where there is none. */
const cpuSeconds = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + ticksOf(pid), 0) / 100;
const ticksOf = (pid: number): number => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
};
const backendsOf = (postmaster: number): number[] => readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ').map(Number);

const wireOf = (server: AuthorityServer, connections: number): Wire => {
  const policy = wireTo(server.urls.policy, 16);
  const reservations = server.urls.reservations.map((url) => wireTo(url, connections));
  let turn = 0;
  return {
    post: (path, body, credential, key) => (/^\/(cycles|v1\/(reservations|budgets))/.test(path) ? (reservations[(turn += 1) % reservations.length] as Wire) : policy).post(path, body, credential, key),
    close: async () => {
      for (const wire of [policy, ...reservations]) await wire.close();
    },
  };
};

export const authorityBench = async (options: { readonly clients: readonly number[]; readonly window: Window; readonly instances: number }): Promise<void> => {
  const most = Math.max(...options.clients);
  const server = await startAuthorityServer(options.instances);
  const wire = wireOf(server, most);
  try {
    const setting = await seedBench(wire, server.adminToken, server.databaseUrl);
    const path = `tenant:${setting.tenant}/app:hot`;
    await defineBudget(setting, path, '1000000000');
    const hot = await grantsOn(setting, Array.from({ length: most }, () => path));
    await server.stopPolicy();
    for (const clients of options.clients) {
      const empty = await emptyHandler(clients, { warmUpMs: 500, measureMs: 2_000 });
      const before = { server: cpuSeconds(server.pids.reservations), postgres: cpuSeconds(backendsOf(server.pids.postgres)), client: process.cpuUsage() };
      const started = performance.now();
      const measured: Rounds = process.env['BENCH_CYCLES'] === '1' ? await budgetLoop(setting, clients, options.window, ['hot']) : await lifecycleLoop(setting, clients, options.window, hot);
      const used = process.cpuUsage(before.client);
      const all = measured.count * ((performance.now() - started) / options.window.measureMs);
      const per = (seconds: number): string => ((seconds * 1_000) / all).toFixed(3);
      console.log(
        `hot, ${clients} clients: ${measured.perSecond.toFixed(0)} lifecycles/s, p50 ${measured.p50.toFixed(1)}, p99 ${measured.p99.toFixed(1)} ms, errors ${measured.errors}; CPU ms a lifecycle: server ${per(cpuSeconds(server.pids.reservations) - before.server)}, postgres ${per(cpuSeconds(backendsOf(server.pids.postgres)) - before.postgres)}, client ${per((used.user + used.system) / 1e6)}; empty handler ${empty.perSecond.toFixed(0)}/s`,
      );
    }
    console.log(await ledger(setting));
  } finally {
    await wire.close();
    await server.stop();
  }
};
