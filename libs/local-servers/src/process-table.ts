import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const onLinux = process.platform === 'linux';
const pollMs = 20;

/** Fields after the command name in /proc/PID/stat: state first, start time (clock ticks since boot) at index 19. */
const linuxStat = (pid: number): { state: string; startedAt: string } | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', startedAt: fields[19] ?? '' };
  } catch {
    return undefined;
  }
};

const ps = (pid: number, column: string): string => {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
};

/**
 * When a process started, as an opaque text that differs when the pid is reused; undefined when there is no such process.
 * A zombie counts as gone: it holds no file, port or memory, even if nobody ever reaps it (PID 1 of many containers does not).
 */
export const processStart = (pid: number): string | undefined => {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (onLinux) {
    const stat = linuxStat(pid);
    return stat === undefined || stat.state === 'Z' || stat.state === 'X' ? undefined : stat.startedAt;
  }
  const state = ps(pid, 'stat');
  return state === '' || state.startsWith('Z') ? undefined : ps(pid, 'lstart');
};

export const isRunning = (pid: number): boolean => processStart(pid) !== undefined;

const linuxLink = (pid: string, name: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/${name}`);
  } catch {
    return '';
  }
};

/** PostgreSQL servers and their backends change into their data directory, which names them better than any pid file. */
const isPostgresIn = (pid: string, cluster: string): boolean =>
  basename(linuxLink(pid, 'exe').replace(/ \(deleted\)$/, '')) === 'postgres' && linuxLink(pid, 'cwd') === cluster;

/**
 * Pids of the PostgreSQL processes that run on `cluster` (a resolved path). `recordedPid` is the one of postmaster.pid:
 * where there is no /proc, only it is looked at, by its command line.
 */
export const postgresProcesses = (cluster: string, recordedPid: number | undefined): number[] => {
  if (onLinux) {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isPostgresIn(name, cluster)).map(Number).filter(isRunning);
  }
  if (recordedPid === undefined || !isRunning(recordedPid)) return [];
  const command = commandLine(recordedPid);
  return command.includes('postgres') && command.includes(cluster) ? [recordedPid] : [];
};

/** The words a process was started with, joined by spaces; empty when there is no such process or it is not ours to read. */
export const commandLine = (pid: number): string => {
  if (!isRunning(pid)) return '';
  if (!onLinux) return ps(pid, 'command');
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};

/** True when `condition` came to hold within `withinMs`. */
export const waitUntil = async (condition: () => boolean, withinMs: number): Promise<boolean> => {
  const deadline = Date.now() + withinMs;
  while (!condition()) {
    if (Date.now() >= deadline) return false;
    await delay(pollMs);
  }
  return true;
};

/** Sends a signal; a process that has gone meanwhile is no error. */
export const signalProcess = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};
