import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceName } from '@exequatur/contracts';

const RESTART_AFTER_MS = 100;
const READY_WITHIN_MS = 240_000;
const APP_FOLDER: Readonly<Record<ServiceName, string>> = { policy: 'policy', approvals: 'approvals', reservations: 'reservations', executor: 'executor', audit: 'audit-projector' };
const root = join(import.meta.dirname, '..', '..', '..');

/** One service as a process of its own, started again whenever it ends, as by a supervisor. */
export class ServiceProcess {
  private child: ChildProcess | undefined;
  private stopping = false;

  constructor(
    readonly service: ServiceName,
    readonly url: string,
    private readonly environment: Readonly<Record<string, string>>,
  ) {
    this.start();
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(signal);
  }

  async ready(): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const ready = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then((response) => response.ok, () => false);
      if (ready) return;
      if (performance.now() > deadline) throw new Error(`${this.service} was not ready within ${READY_WITHIN_MS / 1_000} s`);
      await delay(50);
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    const { child } = this;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    const overdue = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(overdue);
  }

  private start(): void {
    // EXEQUATUR_FAULTS_LOG is a log level: what services say while harm is done to them is noise to everybody but who looks for a cause.
    const output = process.env['EXEQUATUR_FAULTS_LOG'] === undefined ? 'ignore' : 2;
    const entry = join(root, 'apps', APP_FOLDER[this.service], 'dist', 'main.js');
    const child = spawn(process.execPath, [entry], { env: { PATH: process.env['PATH'], ...this.environment }, stdio: ['ignore', output, output] });
    this.child = child;
    child.once('exit', () => {
      this.child = undefined;
      if (!this.stopping) setTimeout(() => this.stopping || this.start(), RESTART_AFTER_MS).unref();
    });
  }
}
