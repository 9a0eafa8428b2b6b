import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sourceLoader } from '@exequatur/testing';
import type { ChildReport, ChildTask } from './child.js';

export interface Child {
  readonly process: ChildProcess;
  /** Everything it said since it was ready. */
  readonly reports: ChildReport[];
  go(): void;
  /** Its exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Resolves when the process waits at the start barrier. */
export const startChild = async (task: ChildTask): Promise<Child> => {
  const child = fork(here('./child.ts'), [], { execArgv: ['--no-warnings', '--import', sourceLoader], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const reports: ChildReport[] = [];
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message: ChildReport) => {
      if ('ready' in message) resolve();
      else reports.push(message);
    });
  });
  child.send(task);
  const died = ended.then((code) => {
    throw new Error(`the process ended with ${code} before it was ready`);
  });
  await Promise.race([ready, died]);
  died.catch(() => undefined);
  return { process: child, reports, go: () => void child.send('go'), ended };
};
