import { readFileSync } from 'node:fs';

/** Ticks of the kernel's clock a second, as /proc counts them on every Linux we know. */
const TICKS = 100;

const statOf = (pid: number): readonly string[] => {
  try {
    // The program's name stands in brackets and may hold anything.
    return (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '').split(' ');
  } catch {
    return [];
  }
};

/** User and system time of processes so far; 0 where there is no /proc. Sampled by the kernel, so good over seconds only. */
export const cpuSeconds = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + (Number(statOf(pid)[11] ?? 0) + Number(statOf(pid)[12] ?? 0)) / TICKS, 0);

export const childrenOf = (pid: number): readonly number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
};

/** Resident memory in MiB. */
export const residentMiB = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    try {
      return sum + Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
    } catch {
      return sum;
    }
  }, 0);
