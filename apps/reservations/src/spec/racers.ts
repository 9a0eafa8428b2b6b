import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sourceLoader } from '@exequatur/testing';
import type { AuthorityCommand } from '../authority/authority-command.js';
import type { RaceMessage, RaceReport, RaceSetup } from './race-child.js';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const next = (child: ChildProcess): Promise<RaceReport> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a racer ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (report: RaceReport) => {
      child.off('exit', ended);
      resolve(report);
    });
  });
const tell = (child: ChildProcess, message: RaceMessage): void => void child.send(message);

/** Processes at a start barrier. Tasks started together in one process show none of the real races (reliability.md section 5). */
export class Racers {
  private constructor(private readonly children: readonly ChildProcess[]) {}

  static async start(count: number, setup: RaceSetup): Promise<Racers> {
    const children: ChildProcess[] = [];
    const racers = new Racers(children);
    try {
      // A few at a time: each one compiles the sources it runs.
      while (children.length < count) {
        const batch = Array.from({ length: Math.min(4, count - children.length) }, () => fork(here('./race-child.ts'), [], { execArgv: ['--no-warnings', '--import', sourceLoader], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
        children.push(...batch);
        for (const child of batch) tell(child, { setup });
        await Promise.all(batch.map(next));
      }
      return racers;
    } catch (error) {
      await racers.stop();
      throw error;
    }
  }

  /** Gives each racer its commands, lets all of them go at once, and calls `meanwhile`. @returns what became of every command */
  async race(lists: readonly (readonly AuthorityCommand[])[], meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<readonly string[]> {
    const racing = this.children.slice(0, lists.length);
    racing.forEach((child, index) => tell(child, { commands: lists[index] ?? [] }));
    await Promise.all(racing.map(next));
    const results = racing.map(next);
    for (const child of racing) tell(child, 'go');
    await meanwhile();
    return (await Promise.all(results)).flatMap((report) => (report === 'ready' ? [] : report.results));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
        const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        if (child.connected) tell(child, 'end');
        const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
        return ended.finally(() => clearTimeout(late));
      }),
    );
  }
}
