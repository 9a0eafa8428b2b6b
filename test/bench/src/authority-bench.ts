import { writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import pg from 'pg';
import { defineBudget, grantsOn, ledger } from './authority.js';
import type { Ledger } from './authority.js';
import { budgetLoad, EMPTY, governedLoad, HOT, refusedLoad, SPREAD, spreadApp, TREE, treeLoad, twiceLoad, zipf } from './authority-loads.js';
import type { Round } from './authority-loads.js';
import { startAuthorityServer } from './authority-server.js';
import type { AuthorityServer } from './authority-server.js';
import { seedBench } from './bench-tenant.js';
import type { BenchTenant } from './bench-tenant.js';
import { wireTo } from './http.js';
import type { Wire } from './http.js';
import { closedLoop, openLoop } from './load.js';
import type { Measured, Window } from './load.js';
import { childrenOf, cpuSeconds, residentMiB } from './machine.js';
import { emptyHandler, rawInsert } from './reference.js';

export interface AuthorityOptions {
  readonly clients: readonly number[];
  readonly window: Window;
  readonly repeats: number;
  readonly instances: number;
  /** seconds of one long run at the most clients, 0 for none */
  readonly steady: number;
  readonly output?: string;
}

interface Row {
  readonly name: string;
  /** of the repeats, by rate */
  readonly min: Measured;
  readonly median: Measured;
  readonly max: Measured;
  /** per 1,000 lifecycles */
  readonly cpu: { readonly server: number; readonly postgres: number; readonly client: number };
  readonly walBytes: number;
  readonly residentMiB: number;
}

const MANY = '1000000000';
const GRANTS_EACH = 16;

const wireOf = (server: AuthorityServer, connections: number): Wire => {
  const policy = wireTo(server.urls.policy, 16);
  const reservations = server.urls.reservations.map((url) => wireTo(url, Math.ceil(connections / server.urls.reservations.length)));
  let turn = 0;
  return {
    post: (path, body, credential, key) => (/^\/(cycles|v1\/(reservations|budgets))/.test(path) ? (reservations[(turn += 1) % reservations.length] as Wire) : policy).post(path, body, credential, key),
    close: async () => {
      for (const wire of [policy, ...reservations]) await wire.close();
    },
  };
};

const inBatches = async (count: number, each: (nth: number) => Promise<unknown>): Promise<void> => {
  for (let nth = 0; nth < count; nth += 32) await Promise.all(Array.from({ length: Math.min(32, count - nth) }, (_, index) => each(nth + index)));
};

/** `npm run bench -- authority`: reservations alone on PostgreSQL, loaded over HTTP by this process. */
export const authorityBench = async (options: AuthorityOptions): Promise<boolean> => {
  const loadBefore = loadavg()[0] ?? 0;
  console.error(`${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}, load average before: ${loadBefore.toFixed(2)}; ${options.instances} instance(s); ${options.repeats} × ${options.window.measureMs / 1_000} s after ${options.window.warmUpMs / 1_000} s`);
  const most = Math.max(...options.clients);
  const server = await startAuthorityServer(options.instances);
  const wire = wireOf(server, most);
  const rows: Row[] = [];
  try {
    const setting = await seedBench(wire, server.adminToken, server.databaseUrl);
    const loads = await prepare(setting, most);
    await server.stopPolicy();
    const empty: Record<string, Measured> = {};
    for (const clients of options.clients) empty[String(clients)] = await emptyHandler(clients, { warmUpMs: 1_000, measureMs: 3_000 });
    const raw = await rawInsert(setting, { warmUpMs: 1_000, measureMs: 3_000 });
    const run = async (name: string, measure: () => Promise<Measured>): Promise<void> => {
      const row = await measured(name, measure, options.repeats, server, setting);
      rows.push(row);
      const { median } = row;
      console.error(`  ${name}: ${row.min.perSecond.toFixed(0)} … ${median.perSecond.toFixed(0)} … ${row.max.perSecond.toFixed(0)}/s, p50 ${median.p50.toFixed(1)} p99 ${median.p99.toFixed(1)} p99.9 ${median.p999.toFixed(1)} ms, ${median.errors} errors; CPU-s/1,000: server ${row.cpu.server.toFixed(2)}, postgres ${row.cpu.postgres.toFixed(2)}, client ${row.cpu.client.toFixed(2)}; ${row.walBytes.toFixed(0)} B WAL; ${row.residentMiB.toFixed(0)} MiB`);
    };
    for (const clients of options.clients) await run(`hot, ${clients} clients`, () => closedLoop(clients, options.window, loads.hot));
    const middle = options.clients.includes(32) ? 32 : most;
    await run(`spread over ${SPREAD}, ${middle} clients`, () => closedLoop(middle, options.window, loads.spread));
    await run(`zipf 80/20, ${middle} clients`, () => closedLoop(middle, options.window, loads.zipf));
    await run(`tree of depth 4, ${middle} clients`, () => closedLoop(middle, options.window, loads.tree));
    await run(`every second refused, ${middle} clients`, () => closedLoop(middle, options.window, loads.refused));
    await run(`every request twice, ${middle} clients`, () => closedLoop(middle, options.window, loads.twice));
    for (const clients of options.clients) await run(`governed, ${clients} clients`, () => closedLoop(clients, options.window, loads.governed));
    await run('hot, open loop 500/s', () => openLoop(500, options.window, (nth) => loads.hot(nth, () => undefined)));
    if (options.steady > 0) await steady(loads.hot, most, options.steady);
    const exact = await ledger(setting);
    const sound = exact.held === 0n && exact.overGrants === 0 && exact.claims === exact.heldEvents && exact.standing === 0;
    console.log(tableOf(rows, empty, raw, exact));
    if (!sound) console.error(`the ledger does not add up: ${JSON.stringify(exact, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))}`);
    if (options.output !== undefined) writeFileSync(options.output, `${JSON.stringify({ at: new Date().toISOString(), node: process.version, cores: cpus().length, loadBefore, options, rows, empty, raw }, null, 2)}\n`);
    return sound;
  } finally {
    await wire.close();
    await server.stop();
  }
};

const prepare = async (setting: BenchTenant, most: number): Promise<Readonly<Record<'hot' | 'spread' | 'zipf' | 'tree' | 'refused' | 'twice' | 'governed', Round>>> => {
  const root = `tenant:${setting.tenant}`;
  await defineBudget(setting, `${root}/app:${HOT}`, MANY);
  await defineBudget(setting, `${root}/app:${EMPTY}`, '0');
  await defineBudget(setting, `${root}/app:governed`, MANY);
  await inBatches(SPREAD, (nth) => defineBudget(setting, `${root}/app:${spreadApp(nth)}`, MANY));
  for (let depth = 1; depth <= TREE.length; depth += 1) await defineBudget(setting, [root, ...TREE.slice(0, depth)].join('/'), MANY);
  const grants = await grantsOn(setting, Array.from({ length: most * GRANTS_EACH }, () => `${root}/app:governed`));
  return {
    hot: budgetLoad(setting, () => HOT),
    spread: budgetLoad(setting, (turn) => spreadApp(turn % SPREAD)),
    zipf: budgetLoad(setting, zipf),
    tree: treeLoad(setting),
    refused: refusedLoad(setting),
    twice: twiceLoad(setting),
    governed: governedLoad(setting, grants, most),
  };
};

const walPosition = async (setting: BenchTenant): Promise<bigint> => {
  const client = new pg.Client({ connectionString: setting.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ at: string }>("SELECT (pg_current_wal_lsn() - '0/0')::bigint::text AS at");
    return BigInt(rows[0]?.at ?? 0);
  } finally {
    await client.end();
  }
};

const measured = async (name: string, measure: () => Promise<Measured>, repeats: number, server: AuthorityServer, setting: BenchTenant): Promise<Row> => {
  const cpuNow = (): Row['cpu'] => {
    const { user, system } = process.cpuUsage();
    return { server: cpuSeconds(server.pids.reservations), postgres: cpuSeconds(childrenOf(server.pids.postgres)), client: (user + system) / 1e6 };
  };
  const [before, walBefore] = [cpuNow(), await walPosition(setting)];
  const runs: Measured[] = [];
  for (let nth = 0; nth < repeats; nth += 1) runs.push(await measure());
  const [after, walAfter] = [cpuNow(), await walPosition(setting)];
  const lifecycles = runs.reduce((sum, { started }) => sum + started, 0);
  const sorted = [...runs].sort((left, right) => left.perSecond - right.perSecond);
  const [min, median, max] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
  if (min === undefined || median === undefined || max === undefined) throw new Error('nothing was measured');
  const per = (seconds: number): number => (seconds * 1_000) / lifecycles;
  return {
    name,
    min,
    median,
    max,
    cpu: { server: per(after.server - before.server), postgres: per(after.postgres - before.postgres), client: per(after.client - before.client) },
    walBytes: Number(walAfter - walBefore) / lifecycles,
    residentMiB: residentMiB(server.pids.reservations),
  };
};

/** One long run, second by second: stalls that a short window does not see. */
const steady = async (round: Round, clients: number, seconds: number): Promise<void> => {
  const perSecond = new Array<number>(seconds).fill(0);
  const started = performance.now();
  await closedLoop(clients, { warmUpMs: 0, measureMs: seconds * 1_000 }, async (client, reserved) => {
    await round(client, reserved);
    const second = Math.floor((performance.now() - started) / 1_000);
    if (second < seconds) perSecond[second] = (perSecond[second] ?? 0) + 1;
  });
  const sorted = perSecond.slice(5).sort((left, right) => left - right);
  const [median, low] = [sorted[sorted.length >> 1] ?? 0, sorted[Math.floor(sorted.length / 100)] ?? 0];
  console.error(`  ${seconds} s at ${clients} clients: median ${median}/s, first percentile of seconds ${low}/s (${(low / median).toFixed(2)})`);
};

const figure = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(1));

const tableOf = (rows: readonly Row[], empty: Readonly<Record<string, Measured>>, raw: Measured, exact: Ledger): string => {
  const rate = (name: string): number => rows.find((row) => row.name === name)?.median.perSecond ?? Number.NaN;
  const [firstSpread] = rows.filter(({ name }) => name.startsWith('spread'));
  const middle = firstSpread?.name.split(', ')[1] ?? '';
  return [
    '| run | lifecycles/s min … median … max | p50 ms | p99 ms | p99.9 ms | errors | CPU-s/1,000 server + postgres + client | WAL B | MiB |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows.map(({ name, min, median, max, cpu, walBytes, residentMiB: resident }) => `| ${name} | ${min.perSecond.toFixed(0)} … ${median.perSecond.toFixed(0)} … ${max.perSecond.toFixed(0)} | ${figure(median.p50)} | ${figure(median.p99)} | ${figure(median.p999)} | ${median.errors} | ${cpu.server.toFixed(2)} + ${cpu.postgres.toFixed(2)} + ${cpu.client.toFixed(2)} | ${walBytes.toFixed(0)} | ${resident.toFixed(0)} |`),
    '',
    '| reference, same run | per second |',
    '| --- | ---: |',
    ...Object.entries(empty).map(([clients, { perSecond }]) => `| empty handler on the same framework, ${clients} clients, requests | ${perSecond.toFixed(0)} |`),
    `| the same rows by raw batch inserts, lifecycles | ${raw.perSecond.toFixed(0)} |`,
    '',
    '| ratio, same run | |',
    '| --- | ---: |',
    ...Object.entries(empty).map(([clients, { perSecond }]) => `| requests of hot lifecycles / empty handler, ${clients} clients | ${((2 * rate(`hot, ${clients} clients`)) / perSecond).toFixed(2)} |`),
    `| hot / spread, ${middle} | ${(rate(`hot, ${middle}`) / (firstSpread?.median.perSecond ?? Number.NaN)).toFixed(2)} |`,
    `| every second refused / hot, ${middle} | ${(rate(`every second refused, ${middle}`) / rate(`hot, ${middle}`)).toFixed(2)} |`,
    `| every request twice / hot, ${middle} | ${(rate(`every request twice, ${middle}`) / rate(`hot, ${middle}`)).toFixed(2)} |`,
    '',
    `Ledger after all runs: held ${exact.held}, budgets over their cap ${exact.overGrants}, claims ${exact.claims} of ${exact.heldEvents} events, not ended ${exact.standing}.`,
  ].join('\n');
};
