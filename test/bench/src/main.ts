import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { defineBudget, grantsOn, ledger, lifecycleLoop, proposeLoop, proposeToAuthorised } from './authority.js';
import { authorityBench } from './authority-bench.js';
import { evidenceBench } from './evidence-bench.js';
import { hop } from './hop.js';
import type { Measured, Rounds, Window } from './load.js';
import { policyBench } from './policy.js';
import { emptyHandler, rawInsert } from './reference.js';
import { startSetting } from './setting.js';
import type { Topology } from './setting.js';
import { table } from './table.js';
import { kafkaPrerequisite, startLocalKafka } from '@exequatur/local-servers';
import { kafkaTransport, postgresTransport } from '@exequatur/messaging';

/**
 * `npm run bench`: latencies in ms, rates per second, and ratios to what the machine can do in the same run. The server is a
 * process of its own on embedded PostgreSQL with fsync and synchronous_commit on; this process is the load.
 */
const command = new Command('npm run bench --')
  .description('What one process on embedded PostgreSQL reaches, with ratios to an empty HTTP handler and a raw batch insert in the same run.')
  .option('--seconds <n>', 'measured seconds of each run', (text) => Number(text), 5)
  .option('--warm-up <n>', 'seconds before measuring', (text) => Number(text), 2)
  .option('--clients <list>', 'numbers of clients', (text) => text.split(',').map(Number), [1, 32, 200])
  .option('--spread <n>', 'budgets of the spread runs', (text) => Number(text), 1_000)
  .addOption(new Option('--topology <kind>', 'all services in one process, or five processes over the PostgreSQL transport').choices(['one-process', 'services']).default('one-process'))
  .option('--output <file>', 'also write all figures as JSON')
  .option('--repeats <n>', 'authority: how often each run is measured', (text) => Number(text), 3)
  .option('--instances <list>', 'authority: instances of reservations on the one database, one measurement after another: 1,2,4', (text) => text.split(',').map(Number), [1])
  .option('--steady <seconds>', 'authority: one long run at the most clients', (text) => Number(text), 0)
  .argument('[what]', 'authority: reservations alone, in depth; policy: evaluation and replay in this process, without a server; evidence: verifying in this process, and the projector');
command.parse(process.argv);
if (command.args[0] === 'policy') {
  policyBench();
  process.exit(0);
}
if (command.args[0] === 'evidence') {
  await evidenceBench();
  process.exit(0);
}
const options = command.opts<{ seconds: number; warmUp: number; clients: number[]; spread: number; topology: Topology; repeats: number; instances: number[]; steady: number; output?: string }>();
const window: Window = { warmUpMs: options.warmUp * 1_000, measureMs: options.seconds * 1_000 };
if (command.args[0] === 'authority') {
  let sound = true;
  for (const instances of options.instances) {
    const output = options.output === undefined || options.instances.length === 1 ? options.output : options.output.replace(/(\.[^./]+)?$/, `-${instances}$1`);
    const { output: _, ...rest } = options;
    console.log(`\n${instances} instance(s)\n`);
    sound = (await authorityBench({ ...rest, instances, window, ...(output === undefined ? {} : { output }) })) && sound;
  }
  process.exit(sound ? 0 : 1);
}
const most = Math.max(...options.clients);

const results: Record<string, Measured> = {};
const note = async (name: string, run: () => Promise<Rounds>): Promise<Measured> => {
  await atRest();
  const { firstPart, ...measured } = await run();
  results[name] = measured;
  if (firstPart !== undefined) results[name.replace('reserve → commit', '… of it the reserve')] = firstPart;
  console.error(`  ${name}: ${measured.perSecond.toFixed(0)}/s, p50 ${measured.p50.toFixed(1)} ms, p99 ${measured.p99.toFixed(1)} ms${firstPart === undefined ? '' : `, the reserve alone p99 ${firstPart.p99.toFixed(1)} ms`}${measured.errors > 0 ? `, ${measured.errors} errors` : ''}`);
  return measured;
};

let atRest = (): Promise<void> => Promise.resolve();
const loadBefore = loadavg()[0] ?? 0;
console.error(`${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}, load average before: ${loadBefore.toFixed(2)}`);

const setting = await startSetting(options.topology, most);
atRest = setting.atRest;
let exact: { readonly held: bigint; readonly committed: bigint; readonly overGrants: number };
try {
  console.error('Reference of this machine');
  for (const clients of options.clients) await note(`empty HTTP handler, ${clients} clients`, () => emptyHandler(clients, window));
  await note('raw batch insert of the same rows', () => rawInsert(setting, window));

  console.error('Propose to verdict');
  for (const clients of options.clients) await note(`propose, ${clients} clients`, () => proposeLoop(setting, clients, window));

  console.error('Reserve and commit');
  const hotPath = `tenant:${setting.tenant}/app:hot`;
  await defineBudget(setting, hotPath, '1000000000');
  const hot = await grantsOn(setting, Array.from({ length: most }, () => hotPath));
  for (const clients of options.clients) await note(`reserve → commit, hot, ${clients} clients`, () => lifecycleLoop(setting, clients, window, hot));
  const spreadPaths = Array.from({ length: options.spread }, (_, index) => `tenant:${setting.tenant}/app:spread-${index}`);
  for (const path of spreadPaths) await defineBudget(setting, path, '1000000000');
  const spread = await grantsOn(setting, spreadPaths);
  for (const clients of options.clients) await note(`reserve → commit, spread over ${options.spread}, ${clients} clients`, () => lifecycleLoop(setting, clients, window, spread));

  await defineBudget(setting, `tenant:${setting.tenant}/app:latency`, '1000000000');
  await note('propose → authorised, 200/s', () => proposeToAuthorised(setting, 200, window));
  exact = await ledger(setting);

  console.error('Hop, publish to handler, 100/s');
  
  const postgres = postgresTransport({ connectionString: setting.databaseUrl, service: 'reservations' });
  await note('hop over PostgreSQL, 100/s', () => hop(postgres, 'reservations.bench', 100, window)).catch((error: unknown) => console.error(`  hop over PostgreSQL: ${String(error)}`));
  await postgres.close();
} finally {
  atRest = () => Promise.resolve();
  await setting.stop();
}
await hopOverKafka();

const rate = (name: string): number => results[name]?.perSecond ?? Number.NaN;
const ratios: Record<string, number> = {};
for (const clients of options.clients) {
  ratios[`hot / spread, ${clients} clients`] = rate(`reserve → commit, hot, ${clients} clients`) / rate(`reserve → commit, spread over ${options.spread}, ${clients} clients`);
  ratios[`requests of hot lifecycles / empty handler, ${clients} clients`] = (2 * rate(`reserve → commit, hot, ${clients} clients`)) / rate(`empty HTTP handler, ${clients} clients`);
}
ratios[`hot lifecycles / raw batch insert, ${most} clients`] = rate(`reserve → commit, hot, ${most} clients`) / rate('raw batch insert of the same rows');

console.log(table(results, ratios, { loadBefore, overGrants: exact.overGrants, heldAfter: exact.held, committed: exact.committed }));
if (options.output !== undefined) writeFileSync(options.output, `${JSON.stringify({ at: new Date().toISOString(), node: process.version, cores: cpus().length, loadBefore, results, ratios, overGrants: exact.overGrants }, null, 2)}\n`);
process.exit(exact.overGrants === 0 ? 0 : 1);

async function hopOverKafka(): Promise<void> {
  const missing = kafkaPrerequisite();
  if (missing !== undefined) {
    console.error(`  hop over Kafka: left out, it needs ${missing}`);
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'exequatur-bench-kafka-'));
  const kafka = await startLocalKafka({ directory });
  const transport = kafkaTransport({ brokers: kafka.brokers.split(','), clientId: 'exequatur-bench', service: 'reservations' });
  try {
    await note('hop over Kafka, 100/s', () => hop(transport, 'bench', 100, window));
  } finally {
    await transport.close();
    await kafka.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
