import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { DataDirectoryInUse, DataDirectoryUnwritable, PortTaken, removePostgresData, startEmbeddedPostgres, type EmbeddedPostgres } from './index.js';
import { compileSources } from './compiled-sources.js';
import { isRunning, postgresProcesses, waitUntil } from './process-table.js';

const asRoot = process.getuid?.() === 0;
const nobody = 65534;
const hasSetpriv = spawnSync('setpriv', ['--pdeathsig', 'TERM', 'true']).status === 0;

const ask = async (url: string, query: string): Promise<unknown> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<{ answer: unknown }>(query)).rows[0]?.answer;
  } finally {
    await client.end();
  }
};

describe('startEmbeddedPostgres', () => {
  let compiled: string;
  let sandbox: string;
  let template: string;
  const servers: EmbeddedPostgres[] = [];
  const children: ChildProcess[] = [];

  const start = async (dataDirectory: string, options: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {}): Promise<EmbeddedPostgres> => {
    const server = await startEmbeddedPostgres({ dataDirectory, template, ...options });
    servers.push(server);
    return server;
  };

  /** A Node process of its own that starts a server; resolves to what it printed: the server's pid and URL, or the error's name. */
  const startInChild = (dataDirectory: string, how: { withoutSetpriv?: boolean; uid?: number; template?: string } = {}): Promise<{ parent: ChildProcess; pid: number; url: string; error: string }> => {
    const script = `
      import { startEmbeddedPostgres } from ${JSON.stringify(pathToFileURL(join(compiled, 'index.js')).href)};
      try {
        const server = await startEmbeddedPostgres(${JSON.stringify({ dataDirectory, template: how.template })});
        console.log(JSON.stringify({ pid: server.pid, url: server.url(), error: '' }));
        process.once('SIGTERM', () => server.stop().then(() => process.exit(0)));
      } catch (error) {
        console.log(JSON.stringify({ pid: 0, url: '', error: error.name + ': ' + error.message }));
        process.exit(1);
      }
      setInterval(() => undefined, 1000);`;
    const env = { ...process.env, ...(how.withoutSetpriv === true ? { PATH: join(sandbox, 'no-programs') } : {}) };
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { env, stdio: ['ignore', 'pipe', 'inherit'], ...(how.uid === undefined ? {} : { uid: how.uid, gid: how.uid }) });
    children.push(parent);
    return new Promise((resolve, reject) => {
      let printed = '';
      parent.stdout.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
        if (printed.includes('\n')) resolve({ parent, ...(JSON.parse(printed) as { pid: number; url: string; error: string }) });
      });
      parent.once('exit', (code) => reject(new Error(`the child ended with ${code} and printed ${printed}`)));
    });
  };

  const directory = (name: string): string => join(sandbox, name);

  beforeAll(() => {
    compiled = compileSources();
    sandbox = mkdtempSync(join(tmpdir(), 'exequatur-local-servers-'));
    chmodSync(sandbox, 0o755);
    template = join(sandbox, 'template');
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });
  afterAll(() => {
    rmSync(compiled, { recursive: true, force: true });
    rmSync(sandbox, { recursive: true, force: true });
  });

  test('data, password and durable settings survive a restart on another port', async () => {
    const first = await start(directory('restart'));
    expect(await ask(first.url(), "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit') AS answer")).toBe('on on');
    await ask(first.url(), 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    expect(isRunning(first.pid)).toBe(false);
    const second = await start(directory('restart'));
    expect(await ask(second.url(), 'SELECT answer FROM kept')).toBe(42);
    expect(statSync(join(directory('restart'), 'superuser-password')).mode & 0o777).toBe(0o600);
  });

  test('settings override the defaults', async () => {
    const server = await start(directory('settings'), { settings: { fsync: 'off', max_connections: '17' } });
    expect(await ask(server.url(), "SELECT current_setting('fsync') || ' ' || current_setting('max_connections') AS answer")).toBe('off 17');
  });

  test('nobody gets in without the password, and nothing listens beyond loopback', async () => {
    const server = await start(directory('closed'));
    await expect(ask(server.url().replace(/postgres:[^@]+@/, 'postgres:wrong@'), 'SELECT 1')).rejects.toThrow('password authentication failed');
    const outside = Object.values(networkInterfaces()).flat().find((address) => address !== undefined && !address.internal && address.family === 'IPv4');
    if (outside !== undefined) {
      const reached = await new Promise((resolve) => {
        const socket = connect(server.port, outside.address, () => resolve(true)).once('error', () => resolve(false));
        socket.unref();
      });
      expect(reached).toBe(false);
    }
  });

  test('a second instance on the same directory is refused in one sentence, and the first goes on', async () => {
    const server = await start(directory('shared'));
    await expect(start(directory('shared'))).rejects.toThrow(DataDirectoryInUse);
    const { error } = await startInChild(directory('shared'));
    expect(error).toBe(`DataDirectoryInUse: The data directory ${directory('shared')} is in use by process ${process.pid}; stop that process or choose another data directory.`);
    expect(() => removePostgresData(directory('shared'))).toThrow(DataDirectoryInUse);
    expect(await ask(server.url(), 'SELECT 1 AS answer')).toBe(1);
  });

  test('invariant 20: committed rows survive kill -9 of the parent, and the orphan it leaves is ended by the next start', async () => {
    const { parent, pid, url } = await startInChild(directory('orphan'), { withoutSetpriv: true, template });
    await ask(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    parent.kill('SIGKILL');
    expect(await waitUntil(() => parent.exitCode !== null || parent.signalCode !== null, 60_000)).toBe(true);
    expect(isRunning(pid)).toBe(true);
    const said: string[] = [];
    const server = await start(directory('orphan'), { log: (line) => said.push(line) });
    expect(said).toContain(`ending a PostgreSQL server left over from an earlier run (process ${pid})`);
    expect(isRunning(pid)).toBe(false);
    expect(await ask(server.url(), 'SELECT answer FROM kept')).toBe(42);
  });

  test('invariant 20: committed rows survive kill -9 of the server itself', async () => {
    const server = await start(directory('crash'));
    await ask(server.url(), 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(server.pid, 'SIGKILL');
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await server.stop();
    const again = await start(directory('crash'));
    expect(await ask(again.url(), 'SELECT answer FROM kept')).toBe(42);
  });

  if (hasSetpriv) {
    test('kill -9 of the parent ends the server without help', async () => {
      const { parent, pid } = await startInChild(directory('death-signal'), { template });
      parent.kill('SIGKILL');
      expect(await waitUntil(() => !isRunning(pid), 60_000)).toBe(true);
      expect(postgresProcesses(join(directory('death-signal'), 'cluster'), undefined)).toEqual([]);
    });
  }

  test('a pid file that names a foreign living process of the same user is no obstacle, and that process is left alone', async () => {
    await (await start(directory('reused-pid'))).stop();
    const { uid, gid } = statSync(join(directory('reused-pid'), 'cluster'));
    const foreign = spawn('sleep', ['60'], { stdio: 'ignore', cwd: '/', ...(asRoot ? { uid, gid } : {}) });
    children.push(foreign);
    writeFileSync(join(directory('reused-pid'), 'cluster', 'postmaster.pid'), `${foreign.pid}\n${directory('reused-pid')}/cluster\n`, { mode: 0o644 });
    expect(await ask((await start(directory('reused-pid'))).url(), 'SELECT 1 AS answer')).toBe(1);
    expect(isRunning(foreign.pid ?? 0)).toBe(true);
  });

  test('stops within 5 s while a query runs', async () => {
    const server = await start(directory('busy'));
    const query = ask(server.url(), 'SELECT pg_sleep(60)').catch((error: unknown) => String(error));
    // Before that the connection may end with nobody listening yet.
    while ((await ask(server.url(), "SELECT count(*)::int AS answer FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'")) !== 1);
    const began = Date.now();
    await server.stop();
    expect(Date.now() - began).toBeLessThan(process.env['EXEQUATUR_QUIET'] === '1' ? 5_000 : 40_000);
    expect(await query).toMatch(/terminat/);
  });

  test('a taken port, and a directory that cannot be made, are one sentence each', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) => taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)));
    await expect(start(directory('port'), { port })).rejects.toThrow(new PortTaken(port));
    taken.close();
    expect((await start(directory('port'), { port })).port).toBe(port);
    writeFileSync(directory('a-file'), '');
    await expect(start(join(directory('a-file'), 'data'))).rejects.toThrow(DataDirectoryUnwritable);
  });

  test('removing the data gives a fresh database', async () => {
    const before = await start(directory('reset'));
    await ask(before.url(), 'CREATE TABLE old AS SELECT 1 AS answer');
    await before.stop();
    removePostgresData(directory('reset'));
    expect(existsSync(join(directory('reset'), 'superuser-password'))).toBe(false);
    await expect(ask((await start(directory('reset'))).url(), 'SELECT answer FROM old')).rejects.toThrow('old');
  });

  if (asRoot) {
    test('root runs it as another user, who cannot read the password file', async () => {
      const server = await start(directory('as-root'));
      expect(statSync(`/proc/${server.pid}`).uid).not.toBe(0);
      expect(statSync(join(directory('as-root'), 'superuser-password')).uid).toBe(0);
    });

    test('a normal user starts it as itself; a directory it may not write is one sentence', async () => {
      mkdirSync(directory('as-nobody'), { mode: 0o700 });
      chownSync(directory('as-nobody'), nobody, nobody);
      const { parent, pid, url } = await startInChild(directory('as-nobody'), { uid: nobody });
      expect(statSync(`/proc/${pid}`).uid).toBe(nobody);
      expect(await ask(url, 'SELECT 1 AS answer')).toBe(1);
      parent.kill('SIGTERM');
      expect(await waitUntil(() => !isRunning(pid), 60_000)).toBe(true);
      const { error } = await startInChild(join(sandbox, 'roots-own'), { uid: nobody });
      expect(error).toBe(`DataDirectoryUnwritable: The data directory ${join(sandbox, 'roots-own')} cannot be used (EACCES); choose a directory this user can write.`);
    });

    test('below a directory that only root can enter the data is kept elsewhere, is said so, and survives a restart', async () => {
      mkdirSync(directory('closed-home'), { mode: 0o700 });
      const dataDirectory = join(directory('closed-home'), 'project', '.data');
      const said: string[] = [];
      try {
        const server = await start(dataDirectory, { log: (line) => said.push(line) });
        expect(said.join('\n')).toContain(`cannot enter ${dataDirectory}: its data is kept in /var/lib/exequatur/.data-`);
        await ask(server.url(), 'CREATE TABLE kept AS SELECT 42 AS answer');
        await server.stop();
        expect(await ask((await start(dataDirectory)).url(), 'SELECT answer FROM kept')).toBe(42);
        await expect(start(dataDirectory)).rejects.toThrow(DataDirectoryInUse);
      } finally {
        await Promise.all(servers.splice(0).map((server) => server.stop()));
        removePostgresData(dataDirectory);
      }
    });
  }
});
