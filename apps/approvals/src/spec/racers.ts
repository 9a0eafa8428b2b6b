import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sourceLoader } from '@exequatur/testing';
import type { RaceAnswer, RaceMessage, RaceReport, RaceRequest } from './race-child.js';

const program = fileURLToPath(new URL('./race-child.ts', import.meta.url));

const next = (child: ChildProcess): Promise<RaceReport> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of approvals ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (report: RaceReport) => {
      child.off('exit', ended);
      resolve(report);
    });
  });
const tell = (child: ChildProcess, message: RaceMessage): void => void child.send(message);

/** Processes of approvals on one database, at a start barrier. Tasks started together in one process show none of the real races. */
export class Racers {
  private constructor(private readonly children: readonly ChildProcess[]) {}

  static async start(count: number, environment: Readonly<Record<string, string>>): Promise<Racers> {
    const racers = new Racers(Array.from({ length: count }, () => fork(program, [], { execArgv: ['--no-warnings', '--import', sourceLoader], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })));
    try {
      for (const child of racers.children) tell(child, { environment });
      await Promise.all(racers.children.map(next));
      return racers;
    } catch (error) {
      await racers.stop();
      throw error;
    }
  }

  /** One list of requests a process; all are let go at once. @returns what became of each, in the order of the lists */
  async race(lists: readonly (readonly RaceRequest[])[]): Promise<readonly RaceAnswer[]> {
    const racing = this.children.slice(0, lists.length);
    racing.forEach((child, nth) => tell(child, { requests: lists[nth] ?? [] }));
    await Promise.all(racing.map(next));
    const reports = racing.map(next);
    for (const child of racing) tell(child, 'go');
    return (await Promise.all(reports)).flatMap((report) => (typeof report === 'object' && 'answers' in report ? report.answers : []));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
        const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        if (child.connected) tell(child, 'end');
        const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
        return ended.finally(() => clearTimeout(late));
      }),
    );
  }
}
