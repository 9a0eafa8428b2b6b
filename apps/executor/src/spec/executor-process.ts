import type { ChildProcess } from 'node:child_process';
import { PATIENCE_MS } from '@exequatur/testing';

/** The built executor as a process of its own, which specs may kill and pause. */
export class ExecutorProcess {
  /** Standard output and error so far. */
  output = '';
  private readonly exited: Promise<unknown>;

  constructor(private readonly child: ChildProcess) {
    this.exited = new Promise((resolve) => child.once('exit', resolve));
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString('utf8')));
  }

  async listening(): Promise<string> {
    for (const until = performance.now() + PATIENCE_MS; performance.now() < until; ) {
      const origin = /executor listens on (\S+)/.exec(this.output)?.[1];
      if (origin !== undefined) return origin;
      if (this.child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`the executor did not start: ${this.output}`);
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM' | 'SIGUSR2'): void {
    this.child.kill(signal);
  }

  /** kill -9, and gone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM, and gone. */
  async stop(): Promise<void> {
    this.child.kill('SIGCONT');
    this.child.kill('SIGTERM');
    await this.exited;
  }
}
