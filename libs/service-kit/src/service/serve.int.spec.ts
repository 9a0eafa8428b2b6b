import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { ServiceConfig } from '../config/service-config.js';
import { NotesModule } from '../spec/notes.module.js';
import { FirstTables1700000000000, testInstallation, type TestInstallation } from '../spec/test-installation.js';
import { serve, type Host } from './serve.js';

/** A process that only writes down what it is told. */
class PaperHost implements Host {
  written = '';
  readonly exited: Promise<number>;
  private leave: (code: number) => void = () => undefined;
  private readonly listeners = new Map<string, () => void>();
  constructor(readonly env: Record<string, string>) {
    hosts.push(this);
    this.exited = new Promise((resolve) => {
      this.leave = resolve;
    });
  }
  readonly stdout = { write: (text: string): void => void (this.written += text) };
  readonly stderr = this.stdout;
  once(signal: string, listener: () => void): void {
    this.listeners.set(signal, listener);
  }
  exit(code: number): void {
    this.leave(code);
  }
  signal(name: 'SIGTERM' | 'SIGINT'): void {
    this.listeners.get(name)?.();
  }
}

const hosts: PaperHost[] = [];
const notes = { definition: { name: 'policy', module: NotesModule, migrations: [FirstTables1700000000000] }, Config: ServiceConfig } as const;

describe('serve', () => {
  let postgres: TestPostgres;
  let installation: TestInstallation;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    installation = await testInstallation(postgres);
  });
  afterEach(async () => {
    for (const host of hosts.splice(0)) {
      host.signal('SIGINT');
      await host.exited;
    }
  });
  afterAll(() => postgres.stop());

  const environment = (): Record<string, string> => ({ ...Object.fromEntries(Object.entries(installation.configOf('policy')).map(([name, value]) => [name, String(value)])) });

  test('listens, says where, and ends with 0 on SIGTERM', async () => {
    const host = new PaperHost(environment());
    await serve(notes, host);
    const origin = /^policy listens on (http:\/\/\S+)\n$/.exec(host.written)?.[1] ?? '';
    expect((await fetch(`${origin}/readyz`)).status).toBe(200);
    host.signal('SIGTERM');
    expect(await host.exited).toBe(0);
    await expect(fetch(`${origin}/livez`)).rejects.toThrow();
  });

  test('a wrong configuration is one sentence and exit code 1', async () => {
    const host = new PaperHost({ ...environment(), PORT: 'eighty' });
    await serve(notes, host);
    expect(await host.exited).toBe(1);
    expect(host.written).toMatch(/^policy could not start: configuration: PORT must [^\n]+\n$/);
  });

  test('a port that is taken is told, and nothing stays behind', async () => {
    const first = new PaperHost(environment());
    await serve(notes, first);
    const port = /:(\d+)\n/.exec(first.written)?.[1] ?? '';
    const second = new PaperHost({ ...environment(), PORT: port });
    await serve(notes, second);
    expect(await second.exited).toBe(1);
    expect(second.written).toContain('EADDRINUSE');
    first.signal('SIGINT');
    expect(await first.exited).toBe(0);
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
  });
});
