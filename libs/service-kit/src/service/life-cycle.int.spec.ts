import { createServer, type Server } from 'node:http';
import { connect, createServer as createProxy, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeAll, afterAll, describe, expect, test } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { SERVICES } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { QUIET, startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { Database } from '../database/database.js';
import { Gate, NotesModule } from '../spec/notes.module.js';
import { addAgent } from '../spec/test-credentials.js';
import { until } from '../spec/until.js';
import { FirstTables1700000000000, testInstallation, type TestInstallation } from '../spec/test-installation.js';
import { createService } from './create-service.js';
import type { RunningService, ServiceDefinition } from './service-definition.js';

const migrations = [FirstTables1700000000000];
const notes = (name: ServiceDefinition['name']): ServiceDefinition => ({ name, module: NotesModule, migrations });

/** A TCP proxy that can be cut: connections break and new ones are refused by silence. */
class Cuttable {
  private readonly sockets = new Set<Socket>();
  private isCut = false;
  private readonly server = createProxy((socket) => {
    if (this.isCut) return void socket.destroy();
    const upstream = connect(this.to.port, this.to.host);
    for (const end of [socket, upstream]) {
      this.sockets.add(end);
      end.on('error', () => undefined).on('close', () => this.sockets.delete(end));
    }
    socket.pipe(upstream).pipe(socket);
  });
  constructor(private readonly to: { readonly host: string; readonly port: number }) {}

  listen(): Promise<number> {
    return new Promise((resolve) => this.server.listen(0, '127.0.0.1', () => resolve((this.server.address() as AddressInfo).port)));
  }
  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }
  mend(): void {
    this.isCut = false;
  }
  close(): void {
    this.cut();
    this.server.close();
  }
}

describe('life of a service', () => {
  let postgres: TestPostgres;
  let installation: TestInstallation;
  const running: RunningService[] = [];
  const run = async (definition: ServiceDefinition, more: Record<string, string> = {}): Promise<RunningService> => {
    const service = await createService(definition, installation.configOf(definition.name, more));
    running.push(service);
    return service;
  };
  beforeAll(async () => {
    postgres = await startTestPostgres();
    installation = await testInstallation(postgres);
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((service) => service.close()));
  });
  afterAll(() => postgres.stop());

  test('five services run in one process, behind one server of somebody else’s', async () => {
    const services = await Promise.all(SERVICES.map((name) => run(notes(name))));
    const front: Server = createServer((request, response) => {
      const [, name = '', rest = ''] = /^\/(\w+)(\/.*)$/.exec(request.url ?? '') ?? [];
      request.url = rest;
      services.find((service) => service.name === name)?.handle(request, response);
    });
    const port = await new Promise<number>((resolve) => front.listen(0, '127.0.0.1', () => resolve((front.address() as AddressInfo).port)));
    const kids = new Set<string>();
    for (const { name } of services) {
      expect((await fetch(`http://127.0.0.1:${port}/${name}/readyz`)).status).toBe(200);
      const { keys } = (await (await fetch(`http://127.0.0.1:${port}/${name}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
      for (const { kid } of keys) kids.add(kid);
      expect(await services.find((service) => service.name === name)?.inject('/livez')).toEqual({ status: 200, body: '{"status":"ok"}' });
    }
    expect(kids.size).toBe(5);
    front.closeAllConnections();
    front.close();
  });

  test('a request under way is answered, later ones are refused, and closing takes less than 5 s', async () => {
    const service = await run(notes('policy'));
    const origin = await service.listen();
    const gate = service.app.get(Gate);
    const token = await addAgent(service.app.get(Database), 'acme', 'outreach');
    const post = (): Promise<Response> => fetch(`${origin}/v1/notes`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': newId() }, body: JSON.stringify({ id: newId(), text: 'late' }) });
    gate.shut();
    const before = gate.entered;
    const underWay = post();
    await until(() => gate.entered > before);
    const startedAt = performance.now();
    const closing = service.close();
    expect(await (await post()).json()).toMatchObject({ code: 'DEPENDENCY_DOWN', status: 503 });
    gate.release();
    expect((await underWay).status).toBe(201);
    await closing;
    expect(performance.now() - startedAt).toBeLessThan(QUIET ? 5_000 : 40_000);
    await expect(post()).rejects.toThrow();
  });

  test('a request that never ends does not keep the service from closing', async () => {
    const service = await run(notes('approvals'));
    const origin = await service.listen();
    const gate = service.app.get(Gate);
    const token = await addAgent(service.app.get(Database), 'acme', 'outreach');
    gate.shut();
    const before = gate.entered;
    const stuck = fetch(`${origin}/v1/notes`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': newId() }, body: JSON.stringify({ id: newId(), text: 'stuck' }) }).catch(() => 'cut');
    await until(() => gate.entered > before);
    const startedAt = performance.now();
    await service.close();
    expect(performance.now() - startedAt).toBeLessThan(QUIET ? 5_000 : 40_000);
    gate.release();
    await stuck;
  });

  test('invariant 27: without its database a service is not ready and gives nothing; with it, it is again by itself', async () => {
    const direct = new URL(installation.urlOf('audit'));
    const proxy = new Cuttable({ host: direct.hostname, port: Number(direct.port) });
    const through = new URL(direct);
    through.port = String(await proxy.listen());
    const service = await run(notes('audit'), { DATABASE_URL: through.toString() });
    const origin = await service.listen();
    const token = await addAgent(service.app.get(Database), 'acme', 'outreach');
    const list = (): Promise<Response> => fetch(`${origin}/v1/notes`, { headers: { authorization: `Bearer ${token}` } });
    const comesToBe = (ready: boolean): Promise<void> => until(async () => (await service.ready()).ready === ready);
    await comesToBe(true);
    expect((await list()).status).toBe(200);

    proxy.cut();
    await comesToBe(false);
    const red = await fetch(`${origin}/readyz`);
    expect(red.status).toBe(503);
    expect(await red.json()).toMatchObject({ ready: false, checks: expect.arrayContaining([{ name: 'database', ok: false, detail: expect.any(String) }]) });
    expect((await fetch(`${origin}/livez`)).status).toBe(200);
    const refused = await list();
    expect(await refused.json()).toMatchObject({ code: 'DEPENDENCY_DOWN', retryable: true });
    expect(refused.headers.get('retry-after')).toBe('1');

    proxy.mend();
    await comesToBe(true);
    expect((await list()).status).toBe(200);
    await service.close();
    proxy.close();
  });

  test('one request more than it may handle at a time is BUSY, and health still answers', async () => {
    const service = await run(notes('executor'), { MAX_CONCURRENT_REQUESTS: '1' });
    const origin = await service.listen();
    const gate = service.app.get(Gate);
    const token = await addAgent(service.app.get(Database), 'acme', 'outreach');
    const post = (): Promise<Response> => fetch(`${origin}/v1/notes`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': newId() }, body: JSON.stringify({ id: newId(), text: 'x' }) });
    gate.shut();
    const before = gate.entered;
    const first = post();
    await until(() => gate.entered > before);
    const second = await post();
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '1']);
    expect((await fetch(`${origin}/readyz`)).status).toBe(200);
    gate.release();
    expect((await first).status).toBe(201);
    expect((await post()).status).toBe(201);
  });

  test('a principal over its rate is BUSY, another one is not', async () => {
    const service = await run(notes('reservations'), { REQUESTS_PER_SECOND: '1' });
    const origin = await service.listen();
    const [loud, quiet] = [await addAgent(service.app.get(Database), 'acme', 'loud'), await addAgent(service.app.get(Database), 'acme', 'quiet')];
    const list = async (token: string): Promise<number> => (await fetch(`${origin}/v1/notes`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect([await list(loud), await list(loud), await list(loud), await list(quiet)]).toEqual([200, 200, 429, 200]);
  });

  test('a route that does not say who may call it keeps the service from starting, by name', async () => {
    @Controller('v1/open')
    class OpenController {
      @Get('door')
      door(): string {
        return 'open';
      }
    }
    @Module({ controllers: [OpenController] })
    class OpenModule {}
    await expect(run({ name: 'policy', module: OpenModule, migrations })).rejects.toThrow(/OpenController\.door \(get \/v1\/open\/door\) has no @Allow/);
  });

  test('a wrong password is told at once, without the password', async () => {
    const url = new URL(installation.urlOf('policy'));
    url.password = 'canary-3b3b';
    const startedAt = performance.now();
    const refusal = await run(notes('policy'), { DATABASE_URL: url.toString() }).catch((error: unknown) => error);
    expect(String(refusal)).toContain('password authentication failed');
    expect(JSON.stringify(refusal) + String(refusal)).not.toContain('canary-3b3b');
    expect(performance.now() - startedAt).toBeLessThan(QUIET ? 5_000 : 40_000);
  });
});
