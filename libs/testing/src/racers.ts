import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sourceLoader } from './source-loader.js';

/** What a racing process is told. It answers the first two with `ready`, and `go` with what became of its tasks. */
export type RaceMessage<Setup, Task> = { readonly setup: Setup } | { readonly tasks: readonly Task[] } | 'go' | 'end';
export type RaceReport<Outcome> = 'ready' | { readonly outcomes: readonly Outcome[] };

/** Each one compiles the sources it runs. */
const STARTED_AT_ONCE = 4;
const TIME_TO_END_MS = 5_000;

const next = <Outcome>(child: ChildProcess): Promise<RaceReport<Outcome>> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a racer ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (report: RaceReport<Outcome>) => {
      child.off('exit', ended);
      resolve(report);
    });
  });

/** Processes at a start barrier. Tasks started together in one process show none of the real races. */
export class Racers<Setup, Task, Outcome> {
  private readonly children: ChildProcess[] = [];

  private constructor(private readonly program: string) {}

  /** `program` is the file, in TypeScript, that each process runs. */
  static async start<Setup, Task, Outcome>(program: URL, count: number, setup: Setup): Promise<Racers<Setup, Task, Outcome>> {
    const racers = new Racers<Setup, Task, Outcome>(fileURLToPath(program));
    try {
      while (racers.children.length < count) await racers.add(Math.min(STARTED_AT_ONCE, count - racers.children.length), setup);
      return racers;
    } catch (error) {
      await racers.stop();
      throw error;
    }
  }

  /** Gives each process its tasks, lets all of them go at once, and calls `meanwhile`. @returns what became of every task, in the order of the lists */
  async race(lists: readonly (readonly Task[])[], meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<readonly Outcome[]> {
    const racing = this.children.slice(0, lists.length);
    racing.forEach((child, nth) => this.tell(child, { tasks: lists[nth] ?? [] }));
    await Promise.all(racing.map(next));
    const reports = racing.map((child) => next<Outcome>(child));
    for (const child of racing) this.tell(child, 'go');
    await meanwhile();
    return (await Promise.all(reports)).flatMap((report) => (report === 'ready' ? [] : report.outcomes));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
        const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        if (child.connected) this.tell(child, 'end');
        const late = setTimeout(() => child.kill('SIGKILL'), TIME_TO_END_MS);
        return ended.finally(() => clearTimeout(late));
      }),
    );
  }

  private async add(count: number, setup: Setup): Promise<void> {
    const added = Array.from({ length: count }, () => fork(this.program, [], { execArgv: ['--no-warnings', '--import', sourceLoader], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    this.children.push(...added);
    for (const child of added) this.tell(child, { setup });
    await Promise.all(added.map(next));
  }

  private tell(child: ChildProcess, message: RaceMessage<Setup, Task>): void {
    child.send(message as object);
  }
}
